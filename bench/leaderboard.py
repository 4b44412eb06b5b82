"""Counting the ranks of many users, beside the bare UPDATE of rank columns; reading them; and bets meanwhile.

`python -m bench.leaderboard`: a database of its own in var/bench-leaderboard-<process>, removed afterwards. The bare
UPDATE ranks and writes in one statement, on a table without triggers: it holds a million locks until it ends.
"""

import argparse
import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.database import own_database
from bench.ledger import execute, report, timed

DAYS, A_DAY = 30, 100  # days of bets; one in so many users bets on a day
BETTORS = 500
# The one is for the checks of foreign keys, the other for triggers that a session can't switch off.
WITHOUT_CHECKS, WITH_CHECKS = "SET session_replication_role = replica", "SET session_replication_role = origin"
WITHOUT_TRIGGERS = """
DO $$
DECLARE
    found regclass;
BEGIN
    FOR found IN SELECT DISTINCT tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', found);
    END LOOP;
END
$$
"""
# Three in ten never bet.
USERS = """
INSERT INTO users (id, email, username, name, password, is_superuser, avatar_url, bio, x_username, is_active, is_staff,
    referral_code, created_at, overall_pnl, total_volume)
SELECT new_id(), n || '@example.com', 'user' || n, '', '', false, '', '', '', true, false, lpad(n::text, 8, '0'),
    now() - interval '300 days' + n * interval '20 seconds',
    CASE WHEN n %% 10 < 7 THEN round((random() * 20000 - 10000)::numeric, 2) ELSE 0 END,
    CASE WHEN n %% 10 < 7 THEN round((random() * 100000)::numeric, 2) ELSE 0 END
FROM generate_series(1, %(users)s) AS n
"""
NUMBERED = """
CREATE UNLOGGED TABLE numbered AS SELECT id, referral_code::bigint AS n FROM users;
ALTER TABLE numbered ADD PRIMARY KEY (n)
"""
BARE_USERS = """
CREATE TABLE bare_users (LIKE users INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING INDEXES);
ALTER TABLE bare_users SET (fillfactor = 80);
ALTER TABLE bare_users ADD rank_by_pnl int, ADD rank_by_volume int;
INSERT INTO bare_users (id, email, username, name, password, is_superuser, avatar_url, bio, x_username, is_active,
    is_staff, referral_code, created_at, overall_pnl, total_volume)
SELECT id, email, username, name, password, is_superuser, avatar_url, bio, x_username, is_active,
    is_staff, referral_code, created_at, overall_pnl, total_volume
FROM users
"""
# Stakes of the users numbered from `after` on, in the order of time.
STAKES = """
INSERT INTO credit_transactions (id, user_id, sequence, amount, balance_after, transaction_type, counterparty,
    reference_id, description, hash, created_at)
SELECT new_id(), id, 1, -10, 0, 'bet_placed', 'escrow', gen_random_uuid(), '', '',
    %(from_at)s + (n - %(after)s) * (%(until_at)s - %(from_at)s) / %(count)s
FROM numbered WHERE n > %(after)s AND n <= %(after)s + %(count)s ORDER BY n
"""
MOVE = """
UPDATE users
SET overall_pnl = overall_pnl + round((random() * 2000 - 1000)::numeric, 2), total_volume = total_volume + 10
FROM numbered WHERE numbered.id = users.id AND n > %(after)s AND n <= %(after)s + %(count)s
"""
MOVE_ALL = """
UPDATE {table} SET overall_pnl = overall_pnl + round((random() * 2000 - 1000)::numeric, 2),
    total_volume = total_volume + round((random() * 1000)::numeric, 2)
"""
BARE = """
UPDATE bare_users SET rank_by_pnl = by_pnl, rank_by_volume = by_volume FROM (
    SELECT id, row_number() OVER (ORDER BY overall_pnl DESC, created_at, id) AS by_pnl,
        row_number() OVER (ORDER BY total_volume DESC, created_at, id) AS by_volume
    FROM bare_users
) AS ranked WHERE ranked.id = bare_users.id
"""
PLACES = """
CREATE UNLOGGED TABLE places_{name} AS
SELECT user_id, row_number() OVER (ORDER BY minus_pnl, created_at, user_id) AS by_pnl,
    row_number() OVER (ORDER BY minus_volume, created_at, user_id) AS by_volume
FROM standings WHERE period = 'all'
"""
CHANGED = """
SELECT count(*) FILTER (WHERE before.by_pnl <> after.by_pnl),
    count(*) FILTER (WHERE before.by_volume <> after.by_volume)
FROM places_before AS before JOIN places_after AS after USING (user_id)
"""


# Ten bets of each user who ever bets, on as many of 200 markets in ten categories; seven in ten are settled.
MARKETS = """
WITH made AS (
    INSERT INTO markets (id, market_type, status, slug, title, description, this_option, that_option, category, tags,
        image_url, this_odds, that_odds, odds_updated_at, liquidity, volume, volume_24hr, accepting_orders,
        upstream_facts, neg_risk, odds_live, created_at, updated_at, suspended_reason, upstream_id, this_token_id,
        that_token_id, group_title, event_slug, event_title, neg_risk_id)
    SELECT md5('market' || n)::uuid, 'credits', 'open', 's', 'Question ' || n, '', 'Yes', 'No', 'category-' || n %% 10,
        '{}', 'https://img.example/a.png', 0.6, 0.4, now(), 0, 0, 0, true, '{}', false, false, now(), now(), '', '', '',
        '', '', '', '', ''
    FROM generate_series(1, %(markets)s::integer) AS n RETURNING id
)
INSERT INTO market_terms (market_id, fixed_at, fingerprint) SELECT id, now(), '' FROM made
"""
BETS = """
INSERT INTO bets (id, user_id, market_id, side, amount, odds_at_bet, shares, placed_at, status, resolved_at,
    actual_payout, settlement_count)
SELECT new_id(), id, md5('market' || 1 + (n * 7 + bet * 31) %% 200)::uuid, 'this', 60, 0.6, 100, now(), CASE
    WHEN bet > 7 THEN 'pending' WHEN (n + bet) %% 2 = 0 THEN 'won' ELSE 'lost' END,
    CASE WHEN bet <= 7 THEN now() - interval '2 days' END,
    CASE WHEN bet <= 7 THEN (n + bet + 1) %% 2 * 100 END, (bet <= 7)::integer
FROM numbered, generate_series(%(first)s::integer, %(last)s::integer) AS bet
WHERE n > %(after)s AND n <= %(after)s + %(count)s
"""
NOTE_STALE = """
INSERT INTO stale_standings (user_id) SELECT id FROM numbered WHERE n > %(after)s AND n <= %(after)s + %(count)s
"""


# A day's first count compares everybody, so a run begins at noon and crosses no midnight.
NOON, BEGUN = datetime.now(UTC).replace(hour=12, minute=0), time.monotonic()


def switch_triggers_off():
    execute(WITHOUT_TRIGGERS)
    execute(WITHOUT_CHECKS)


def switch_triggers_on():
    from core.db.roles import secure

    execute(WITH_CHECKS)
    secure()


def moment(*, days: int = 0) -> datetime:
    return NOON + timedelta(days=days, seconds=time.monotonic() - BEGUN)


def processor_seconds() -> float:
    """Return the processor time of the connection's database process; 0 where the system doesn't tell."""
    from django.db import connection

    connection.ensure_connection()
    file = Path(f"/proc/{connection.connection.info.backend_pid}/stat")
    if not file.exists():
        return 0.0
    user, system = file.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def measured(name: str, work: Callable[[], Any], users: int, bare: float | None = None) -> float:
    before = processor_seconds()
    seconds = timed(work)
    report(name, seconds, users, bare)
    print(f"  of it {processor_seconds() - before:.2f} s of a processor", flush=True)
    return seconds


def fill(users: int) -> None:
    now = moment()
    switch_triggers_off()
    execute(USERS, {"users": users})
    execute(NUMBERED)
    stakes = {"after": 0, "count": users * DAYS // A_DAY, "from_at": now - timedelta(days=DAYS), "until_at": now}
    execute(STAKES, stakes)
    execute(BARE_USERS)
    switch_triggers_on()
    execute("VACUUM ANALYZE")


def recount(days: int = 0) -> None:
    from leaderboard import services

    begun = [time.perf_counter()]

    def progress(counted: str, rows: int) -> None:
        print(f"  {counted}: {rows:,} rows, {time.perf_counter() - begun[0]:.2f} s", flush=True)

    services.update_leaderboard(now=moment(days=days), progress=progress)


def move_some(users: int, turn: int) -> None:
    """Have one per cent of the users bet, others each turn."""
    chosen = {"after": users * (DAYS + turn) // A_DAY, "count": users // 100}
    switch_triggers_off()
    execute(STAKES, chosen | {"from_at": moment(), "until_at": moment()})
    execute(MOVE, chosen)
    switch_triggers_on()


def counts(users: int) -> None:
    from core.db.sql import fetch_all

    measured("first count", recount, users)
    execute("VACUUM ANALYZE standings")
    measured("nothing changed", recount, users)
    for turn in range(3):
        execute(PLACES.format(name="before"))
        move_some(users, turn)
        measured("1 % of the users bet", recount, users)
        execute(PLACES.format(name="after"))
        ((by_pnl, by_volume),) = fetch_all(CHANGED)
        print(f"  that changed {by_pnl:,} ranks by profit, {by_volume:,} by volume", flush=True)
        execute("DROP TABLE places_before, places_after")
    switch_triggers_off()
    execute(MOVE_ALL.format(table="users"))
    execute(MOVE_ALL.format(table="bare_users"))
    switch_triggers_on()
    execute("VACUUM ANALYZE users, bare_users")
    bare = measured("the bare UPDATE, everything changed", lambda: execute(BARE), users)
    measured("everything changed", lambda: recount(days=1), users, bare)
    measured("nothing changed, first count of a day", lambda: recount(days=2), users)


def place_bets(*, after: int, count: int, first: int, last: int) -> None:
    users = {"after": after, "count": count}
    switch_triggers_off()
    execute(BETS, users | {"first": first, "last": last})
    execute(NOTE_STALE, users)
    switch_triggers_on()


def categories(users: int) -> None:
    """Count the boards of ten categories: all bets, then those of the users who bet again."""
    from accounts.models import User
    from leaderboard.categories import update_categories
    from leaderboard.models import Order, Scope, StaleStanding
    from leaderboard.selectors import get_ranking, list_entries

    def count() -> None:
        newest = StaleStanding.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        run_in_transaction(lambda: update_categories(newest=newest, now=moment()))
        StaleStanding.objects.all().delete()

    switch_triggers_off()
    execute(MARKETS, {"markets": 200})
    switch_triggers_on()
    place_bets(after=0, count=users * 7 // 10, first=1, last=10)
    execute("VACUUM ANALYZE bets, markets, market_terms")
    measured("first count of categories", count, users)
    measured("categories, nothing changed", count, users)
    for turn in range(3):
        place_bets(after=users * turn // 100, count=users // 100, first=8, last=8)
        measured("categories, 1 % of the users bet", count, users)
    scope = Scope.of_category("category-3")
    middle = list_entries(order=Order.PNL, scope=scope, after=users // 3, limit=1)[0]["user"]["id"]
    assert User.objects.filter(pk=middle).exists()
    timed_reads(
        {
            f"100 of a category at {users // 3:,}": lambda: list_entries(
                order=Order.VOLUME, scope=scope, after=users // 3, limit=100
            ),
            "own rank in a category and ten around": lambda: get_ranking(user_id=middle, order=Order.PNL, scope=scope),
        }
    )


def run_in_transaction(work: Callable[[], Any]) -> None:
    from core.db.transactions import run_transaction

    run_transaction(work)


def timed_reads(each: dict[str, Callable[[], Any]]) -> None:
    for name, work in each.items():
        spent = sorted(timed(work) * 1000 for _ in range(300))
        print(f"{name}: median {statistics.median(spent):.2f} ms, p99 {spent[296]:.2f} ms", flush=True)


def reads(users: int) -> None:
    from accounts.services import ranks_of
    from leaderboard.models import EVER, Order
    from leaderboard.selectors import get_ranking, list_entries

    middle = list_entries(order=Order.PNL, scope=EVER, after=users // 2, limit=1)[0]["user"]["id"]
    each: dict[str, Callable[[], Any]] = {
        "top 100": lambda: list_entries(order=Order.PNL, scope=EVER, after=0, limit=100),
        f"100 at {users // 2:,}": lambda: list_entries(order=Order.VOLUME, scope=EVER, after=users // 2, limit=100),
        "own rank and ten around": lambda: get_ranking(user_id=middle, order=Order.PNL, scope=EVER),
        "ranks of a profile": lambda: ranks_of(middle),
    }
    timed_reads(each)


def bettors() -> tuple[list[str], str]:
    """Return tokens of users with credits, and a body that bets."""
    from django.db import transaction
    from django.utils import timezone
    from rest_framework_simplejwt.tokens import AccessToken

    from accounts.models import User
    from economy.ledger import Transfer, post_many
    from economy.models import TransactionType
    from markets.models import Market

    bettors = list(User.objects.order_by("-referral_code")[:BETTORS])
    gift = {"amount": Decimal(1_000_000), "transaction_type": TransactionType.SIGNUP_BONUS}
    now = timezone.now()
    with transaction.atomic():
        post_many([Transfer(user_id=user.pk, reference_id=user.pk, **gift) for user in bettors], now=now)
    fields = {"market_type": "credits", "slug": "s", "this_option": "Yes", "that_option": "No", "category": "general"}
    odds = {"this_odds": Decimal("0.6"), "that_odds": Decimal("0.4"), "odds_updated_at": now}
    market = Market.objects.create(title="Question", image_url="https://img.example/kettle.png", **fields, **odds)
    body = json.dumps({"marketId": str(market.pk), "side": "this", "amount": 10})
    return [str(AccessToken.for_user(user)) for user in bettors], body


def bet(stop: threading.Event, tokens: list[str], body: str, spent: list[float]) -> None:
    """Send requests one after the other, with a pause as long as each took, so as not to fill a processor."""
    from django.db import connections
    from django.test import Client

    client = Client(SERVER_NAME="127.0.0.1")
    while not stop.is_set():
        headers = {"Authorization": f"Bearer {tokens[len(spent) % len(tokens)]}", "Idempotency-Key": uuid4().hex}
        begun = time.perf_counter()
        response = client.post("/api/v1/bets", body, content_type="application/json", headers=headers)
        taken = time.perf_counter() - begun
        assert response.status_code == 201, response.content
        spent.append(taken * 1000)
        time.sleep(taken)
    connections.close_all()


def bets_meanwhile(users: int, rounds: int) -> None:
    """Measure in turns, so that what else the machine does falls on each alike."""
    from leaderboard.models import Board

    tokens, body = bettors()
    spent: dict[str, list[float]] = {"alone": [], "while 1 % is counted": [], "while everything is counted": []}

    def during(name: str, work: Callable[[], Any]) -> None:
        stop, these = threading.Event(), list[float]()
        betting = threading.Thread(target=bet, args=(stop, tokens, body, these))
        betting.start()
        work()
        stop.set()
        betting.join()
        spent[name] += these

    recount()
    during("alone", lambda: time.sleep(2))
    spent["alone"].clear()
    for turn in range(rounds):
        during("alone", lambda: time.sleep(6))
        move_some(users, 10 + turn)
        during("while 1 % is counted", recount)
        Board.objects.all().delete()
        during("while everything is counted", recount)
    for name, these in spent.items():
        these.sort()
        p99, normal = (one[int(len(one) * 0.99)] for one in (these, spent["alone"]))
        print(
            f"bets {name}: {len(these):,}, median {statistics.median(these):.1f} ms, p99 {p99:.1f} ms, "
            f"{p99 / normal:.2f} times alone; longest {these[-1]:.0f} ms",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="of bets with and without a count")
    arguments = parser.parse_args()
    with own_database("leaderboard"):
        report("filling", timed(lambda: fill(arguments.users)), arguments.users)
        counts(arguments.users)
        execute("VACUUM ANALYZE standings")
        reads(arguments.users)
        categories(arguments.users)
        bets_meanwhile(arguments.users, arguments.rounds)


if __name__ == "__main__":
    main()
