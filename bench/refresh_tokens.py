"""Times a refresh, inside the service and without HTTP, with a million rows in `refresh_tokens`.

`python -m bench.refresh_tokens`: everything of its own, in var/bench/refresh_tokens.
"""

import argparse
import os
import secrets
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / "bench" / "refresh_tokens"
# Random hashes, as real ones are: an index that grows at one end would be too easy.
FILL_USERS = """
INSERT INTO users (id, email, username, name, password, avatar_url, bio, x_username, is_active, is_staff, is_superuser,
                   referral_code)
SELECT gen_random_uuid(), 'bench_' || n || '@example.com', 'bench_' || n, 'Bench', '!', '', '', '', true, false, false,
       translate(lpad(to_hex(n), 8, '0'), '01', 'XY')
FROM generate_series(1, %(users)s) AS n
ON CONFLICT DO NOTHING
"""
FILL_TOKENS = """
INSERT INTO refresh_tokens (id, user_id, token_hash, family, parent_id, created_at, expires_at, first_used_at,
                            revoked_reason, user_agent)
SELECT gen_random_uuid(), users.id, sha256(convert_to(gen_random_uuid()::text || n, 'UTF8')), gen_random_uuid(),
       gen_random_uuid(), now() - n * interval '0.3 second', now() - n * interval '0.3 second' + interval '7 days',
       CASE WHEN n %% 10 > 0 THEN now() END, '', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'
FROM generate_series(1, %(tokens)s) AS n
JOIN (SELECT id, row_number() OVER () AS place FROM users WHERE username LIKE 'bench\\_%%') AS users
    ON users.place = n %% %(users)s + 1
"""


def configure(database_url: str) -> None:
    """Set production mode: no query log."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "thisthat.settings",
        "DJANGO_READ_DOT_ENV": "false",
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_ACCESS_SECRET": secrets.token_urlsafe(48),
        "ALLOWED_HOSTS": "127.0.0.1",
        "FRONTEND_URL": "http://127.0.0.1:3000",
        "EMAIL_URL": "smtp://127.0.0.1:1",
        "DEFAULT_FROM_EMAIL": "no-reply@example.com",
        "LOG_LEVEL": "ERROR",
        "VAR_DIR": str(VAR),
        "DATABASE_URL": database_url,
    }
    import django

    django.setup()


def fill(tokens: int, users: int) -> None:
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    begun = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE refresh_tokens")
        cursor.execute(FILL_USERS, {"users": users})
        cursor.execute(FILL_TOKENS, {"tokens": tokens, "users": users})
        cursor.execute("VACUUM ANALYZE refresh_tokens, users")
        cursor.execute("SELECT count(*), pg_size_pretty(pg_total_relation_size('refresh_tokens')) FROM refresh_tokens")
        rows, size = cursor.fetchone()
    print(f"{rows:,} rows, {size} with their indexes, filled in {time.perf_counter() - begun:.0f} s\n", flush=True)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return milliseconds, and what `work` returned."""
    begun = time.perf_counter()
    result = work()
    return (time.perf_counter() - begun) * 1_000, result


def report(name: str, milliseconds: list[float]) -> None:
    hundredths = statistics.quantiles(milliseconds, n=100)
    print(
        f"| {name:<42} | {statistics.median(milliseconds):>6.2f} | {hundredths[98]:>6.2f} | {max(milliseconds):>6.2f} |"
    )


def measure(rounds: int) -> None:
    from django.utils import timezone

    from accounts import errors, services, tokens
    from accounts.tokens import Client

    def refresh(token: str) -> str:
        client = Client("Mozilla/5.0", "203.0.113.7")
        return services.refresh(refresh_token=token, client=client, now=timezone.now()).refresh

    def refused(token: str) -> None:
        try:
            refresh(token)
        except (errors.InvalidRefreshToken, errors.TokenReused):
            return
        raise AssertionError("a token was good that should not be")

    issued = [services.create_demo_user(now=timezone.now()).tokens.refresh for _ in range(rounds)]
    for token in issued[:20]:
        refresh(token)
    print("| one call of the service | p50 ms | p99 ms | max ms |\n|---|---:|---:|---:|")
    first = [timed(lambda token=token: refresh(token)) for token in issued[20:]]
    report("refresh", [ms for ms, _ in first])
    report("refresh again, replacing the successor", [timed(lambda t=token: refresh(t))[0] for token in issued[20:]])
    chain, long_family = issued[0], []
    for _ in range(rounds):
        ms, chain = timed(lambda token=chain: refresh(token))
        long_family.append(ms)
    report("refresh, one family over and over", long_family)
    report("an unknown token", [timed(lambda: refused(secrets.token_urlsafe(32)))[0] for _ in range(rounds)])
    (reused, _) = timed(lambda: refused(issued[0]))
    print(f"\na reused token revokes its family of {rounds:,}: {reused:.1f} ms")
    now = timezone.now() + timedelta(days=7, hours=-12)
    (purge, deleted) = timed(lambda: tokens.purge_expired(now=now))
    print(f"the nightly purge: {deleted:,} rows in {purge / 1_000:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=1_000)
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    VAR.mkdir(parents=True, exist_ok=True)
    from devtools.embedded.postgres import start

    database = start(VAR)
    try:
        configure(database.superuser_url)
        fill(arguments.tokens, arguments.users)
        measure(arguments.rounds)
    finally:
        database.stop()


if __name__ == "__main__":
    main()
