"""Times searches among 100,000 open markets, in the process, and what the analysis of titles costs.

`python -m bench.search --users 1000000`: a database of its own, in var/. Each kind is searched SEARCHES times, with
other words each time; with `--users` staff search among so many users, too.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from bench.database import own_database

SEARCHES = 1_000
# Of titles as Polymarket has them; the numbers make the vocabulary as large as theirs.
FILL = """
INSERT INTO markets (id, market_type, status, polymarket_id, slug, title, description, this_option, that_option,
    this_token_id, that_token_id, accepting_orders, is_placeholder, group_title, upstream_id, upstream_facts, category,
    tags, image_url, event_slug, event_title, neg_risk, neg_risk_id, this_odds, that_odds, bid, ask, odds_live,
    odds_updated_at, liquidity, volume, volume_24hr, created_at, updated_at)
SELECT new_id(), 'polymarket', 'open', '0x' || n, 'market-' || n,
    format(
        (ARRAY[
            'Will %%s %%s %%s by %%s?', 'Will %%s/%%s win %%s on %%s?', '%%s vs. %%s: %%s in %%s?',
            'Will %%s-%%s reach $%%s,000 in %%s?'
        ])[1 + n %% 4],
        initcap(left(md5('a' || n %% 9000), 4 + n %% 5)), initcap(left(md5('b' || n %% 7000), 4 + n %% 4)),
        CASE WHEN n %% 4 = 3 THEN (n %% 900)::text ELSE left(md5('c' || n %% 3000), 5) END,
        (ARRAY['January', 'February', 'March', 'April', 'May', 'June'])[1 + n %% 6]
    ),
    repeat('How it is resolved. ', 20), 'Yes', 'No', n || '1', n || '2', true, false, '', n::text, '{}', 'sports', '{}',
    'https://img.example/x.png', '',
    CASE WHEN n %% 3 = 0 THEN 'Which of them wins the ' || left(md5('d' || n %% 500), 6) || ' election?' ELSE '' END,
    false, '', 0.5, 0.5, 0.49, 0.51, false, now(), 100, n, (n * 7919::bigint) %% 100003, now(), now()
FROM generate_series(1, %(markets)s) AS n
"""
PLAINLY = "SELECT count(to_tsvector('simple', title) || to_tsvector('simple', event_title)) FROM markets"
ANALYSED = "SELECT count(market_search_vector(title, event_title)) FROM markets"


def misspelled(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word))
    return word[:at] + "q" + word[at + 1 :]


def kinds(titles: list[str], rng: random.Random) -> dict[str, Callable[[], str]]:
    def words() -> list[str]:
        return [word for word in rng.choice(titles).split() if len(word) > 3 and word != "Will"]

    return {
        "one word": lambda: rng.choice(words()),
        "two words": lambda: " ".join(rng.sample(words(), 2)),
        "beginning of a word, 3 letters": lambda: rng.choice(words())[:3],
        "one letter": lambda: rng.choice("abcdefghijklmnopqrstuvwxyz0123456789"),
        "a word that every second title has": lambda: rng.choice(["will", "the", "vs", "in", "by", "win"]),
        "a typo": lambda: misspelled(rng.choice([word for word in words() if word.isalpha()] or ["january"]), rng),
        "a whole title": lambda: rng.choice(titles)[:100],
        "nothing like it": lambda: f"xyzzy{rng.randrange(10**6)}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=SEARCHES)
    parser.add_argument("--users", type=int, default=0, help="time the admin's search too, among so many users")
    arguments = parser.parse_args()
    with own_database("search"):
        measure(arguments.markets, arguments.searches)
        if arguments.users:
            measure_admin(arguments.users, max(arguments.searches // 4, 10))


def measure(markets: int, searches: int) -> None:
    from core.db.sql import analyze, execute, fetch_value
    from markets import tasks
    from markets.listings import Query, list_markets
    from markets.models import Market, MarketWord

    print(f"{markets:,} markets inserted in {timed(lambda: execute(FILL, {'markets': markets})):.1f} s")
    tasks.publish_edition()
    analyze("markets", "market_rankings", "market_words")
    print(f"{MarketWord.objects.count():,} words")
    for name, statement in (("plain to_tsvector", PLAINLY), ("market_search_vector", ANALYSED)):
        seconds = min(timed(lambda statement=statement: fetch_value(statement)) for _ in range(3))
        print(f"{name}: {seconds / markets * 1e6:.1f} µs a market")
    rng = random.Random(1)
    titles = list(Market.objects.order_by("pk").values_list("title", flat=True))
    print("\n| searched for | p50 ms | p99 ms | most ms | found nothing |\n|---|---:|---:|---:|---:|")
    for name, make in kinds(titles, rng).items():
        taken, empty = [], 0
        for _ in range(searches):
            query = Query(q=make(), limit=20)
            now = datetime.now(UTC)
            begun = time.perf_counter()
            page = list_markets(query, now=now)
            taken.append(1_000 * (time.perf_counter() - begun))
            empty += page.total == 0
        p99 = statistics.quantiles(taken, n=100)[98]
        print(f"| {name} | {statistics.median(taken):.1f} | {p99:.1f} | {max(taken):.1f} | {empty} |", flush=True)


def measure_admin(users: int, searches: int) -> None:
    """Time the admin's search, all groups of it, among so many users beside the markets."""
    from accounts.models import User
    from accounts.staff import COMMAND_LINE
    from core.db.sql import analyze, execute
    from markets.models import Market
    from staff.search import find

    User.objects.create_user(email="a@example.com", username="prototype", password="a-long-enough-pass")  # noqa: S106
    own = {
        "id": "new_id()", "username": "'user_' || n", "email": "'user_' || n || '@example.com'",
        "name": "initcap(left(md5('n' || n % 50000), 6)) || ' ' || n", "referral_code": "'R' || n",
        "x_username": "'x_' || n",
    }  # fmt: skip
    names = [field.attname for field in User._meta.concrete_fields if not field.generated]  # noqa: SLF001
    columns, values = ", ".join(names), ", ".join(own.get(name, name) for name in names)
    copies = f"SELECT {values} FROM users, generate_series(1, {users}) AS n WHERE username = 'prototype'"
    print(f"\n{users:,} users in {timed(lambda: execute(f'INSERT INTO users ({columns}) {copies}')):.1f} s")
    analyze("users")
    rng = random.Random(2)
    titles = list(Market.objects.order_by("pk").values_list("title", flat=True)[:10_000])
    ids = [str(pk) for pk in User.objects.order_by("pk").values_list("pk", flat=True)[:10_000]]
    terms: dict[str, Callable[[], str]] = {
        "a username": lambda: f"user_{rng.randrange(1, users)}",
        "the beginning of a name": lambda: rng.choice("0123456789abcdef") + rng.choice("0123456789abcdef"),
        "an e-mail address": lambda: f"user_{rng.randrange(1, users)}@example.com",
        "an X handle": lambda: f"@x_{rng.randrange(1, users)}",
        "an id": lambda: rng.choice(ids),
        "words of a market": lambda: " ".join(rng.choice(titles).split()[1:3]),
        "a word that every second title has": lambda: rng.choice(["will", "the", "by"]),
    }
    print("\n| staff search for | p50 ms | p99 ms | most ms |\n|---|---:|---:|---:|")
    for name, make in terms.items():
        searched = [make() for _ in range(searches)]
        taken = [1_000 * timed(partial(find, term, by=COMMAND_LINE)) for term in searched]
        p99 = statistics.quantiles(taken, n=100)[98]
        print(f"| {name} | {statistics.median(taken):.1f} | {p99:.1f} | {max(taken):.1f} |", flush=True)


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
