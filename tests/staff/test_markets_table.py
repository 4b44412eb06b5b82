"""The table of markets: found by what staff type, narrowed, and as fast with a million as with ten."""

from datetime import timedelta

import orjson
import pytest
from django.db import connection
from django.utils import timezone

from core.db.sql import analyze
from markets.models import Market, MarketResolution
from staff.services import refresh_dashboard_counts
from tests.betting.factories import sign_up
from tests.markets.factories import add_market, add_mirrored, add_past
from tests.markets.history.factories import add_points
from tests.staff.market_pages import MARKETS, asked, page, rows_read, shown
from tests.staff.pages import text_of

pytestmark = pytest.mark.django_db
CONDITION = f"0x{7:064x}"
# The session, its user, the count, the categories, the page.
STATEMENTS = 5
MANY = """
INSERT INTO markets (id, market_type, status, resolution, resolved_at, slug, title, description, this_option,
    that_option, this_token_id, that_token_id, category, tags, image_url, accepting_orders, event_slug,
    event_title, group_title, neg_risk, neg_risk_id, upstream_facts, upstream_id, this_odds, that_odds, odds_updated_at,
    odds_live, liquidity, volume, volume_24hr)
SELECT new_id(), 'credits', 'resolved', 'this', now(), 'will-it-' || n, 'Will it be number ' || n || '?', '', 'Yes', 'No',
    '', '', 'general', '{}', 'https://img.example/a', true, '', '', '', false, '', '{}', '', 0.5, 0.5, now(), false,
    0, 0, 0
FROM generate_series(1, %s) AS n
"""


def add_many(count):
    with connection.cursor() as cursor:
        cursor.execute(MANY, [count])
        analyze("markets")


@pytest.fixture
def three():
    return [
        add_market(title="Will the kettle boil?", slug="kettle"),
        add_mirrored(7, title="Will the “Falcon” land?", slug="falcon-lands-2026", category="science"),
        add_mirrored(8, title="Lakers vs. Celtics", event_title="NBA Finals", category="sports"),
    ]


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("kettle", "Will the kettle boil?"),
        ("falc", "Will the “Falcon” land?"),
        ("FALCON land", "Will the “Falcon” land?"),
        ("nba", "Lakers vs. Celtics"),
        (CONDITION, "Will the “Falcon” land?"),
        ("falcon-lands-2026", "Will the “Falcon” land?"),
        ("https://polymarket.com/event/falcon/falcon-lands-2026?tid=1", "Will the “Falcon” land?"),
        (" kettle ", "Will the kettle boil?"),
        ("unicorn", None),
        ("0x12", None),
        ("'; DROP TABLE markets --", None),
        ("!!!", None),
    ],
)
def test_a_market_is_found_by_words_ids_and_addresses(desk, three, term, found):
    assert shown(desk, MARKETS, q=term) == ({found} if found else set())


def test_a_market_is_found_by_our_id(desk, three):
    assert shown(desk, MARKETS, q=str(three[2].pk)) == {"Lakers vs. Celtics"}
    assert shown(desk, MARKETS, q=str(Market().pk)) == set()


def test_the_list_is_narrowed_by_status_type_category_and_need(desk, three):
    over = add_past("cancelled", title="Over", category="sports")
    stuck = add_past("closed", title="Stuck")
    sign_up("ann").bet(three[0], 100)
    refresh_dashboard_counts(now=timezone.now())
    assert shown(desk, MARKETS) == {*(market.title for market in three), "Over", "Stuck"}
    assert shown(desk, MARKETS, status="cancelled") == {over.title}
    assert shown(desk, MARKETS, market_type="polymarket") == {market.title for market in three[1:]}
    assert shown(desk, MARKETS, category="sports") == {"Lakers vs. Celtics", "Over"}
    assert shown(desk, MARKETS, category="sports", status="open") == {"Lakers vs. Celtics"}
    assert shown(desk, MARKETS, needs="staff") == {stuck.title}
    assert shown(desk, MARKETS, needs="bets") == {three[0].title}
    assert shown(desk, MARKETS, q="kettle", status="closed") == set()


def test_odds_bets_and_what_the_house_owes_are_shown(desk, three):
    sign_up("ann").bet(three[0], 100, "this")
    sign_up("bob").bet(three[0], 50, "that")
    refresh_dashboard_counts(now=timezone.now())
    read = text_of(desk.get(MARKETS, {"q": "kettle"}))
    assert "House, general open Yes 60% \N{EN DASH} 2 166.66 125.00" in read


def test_a_page_takes_as_many_statements_for_sixty_markets_with_bets_as_for_one(desk, three):
    assert len(asked(desk, MARKETS)) == STATEMENTS
    ann = sign_up("ann")
    for number in range(60):
        ann.bet(add_market(title=f"Number {number}"), 10)
    refresh_dashboard_counts(now=timezone.now())
    statements = asked(desk, MARKETS)
    assert len(statements) == STATEMENTS
    assert not any('FROM "bets"' in statement or 'JOIN "bets"' in statement for statement in statements)


def test_no_page_counts_the_whole_table(desk, three):
    for query in ("", "?status=open", "?q=kettle", "?category=sports", "?needs=bets", "?market_type=polymarket"):
        counts = [sql for sql in asked(desk, MARKETS + query) if "COUNT(" in sql]
        assert len(counts) == 1
        assert "LIMIT 10000)" in counts[0], counts[0]


@pytest.mark.parametrize(
    "query",
    [
        *("q=falc", f"q={CONDITION}", "q=falcon-lands-2026", "q=unicorn", "status=closed", "category=science"),
        *("category=general&status=open", "market_type=polymarket&category=sports", "needs=bets", "needs=staff"),
    ],
)
def test_what_is_rare_is_found_by_an_index(desk, three, query):
    """Of thousands only what is shown is looked at, for the page as for its count."""
    add_many(3_000)
    add_past("closed", title="Stuck")
    sign_up("ann").bet(three[0], 100)
    refresh_dashboard_counts(now=timezone.now())
    analyze("markets", "market_exposures", "market_resolutions")
    statements = asked(desk, f"{MARKETS}?{query}")
    assert any('FROM "markets"' in statement for statement in statements)
    assert rows_read(statements, "markets") <= 20


def test_a_page_of_a_market_takes_as_many_statements_whatever_there_is_to_show(desk, three, boss):
    kettle = three[0]
    before = len(asked(desk, page(kettle)))
    for number in range(5):
        sign_up(f"user{number}").bet(kettle, 10)
        MarketResolution.objects.create(
            market=kettle, decision="held", source="staff", staff=boss, reason="Wait.", seen_at=timezone.now()
        )
    assert len(asked(desk, page(kettle))) == before


def test_a_resolution_record_is_shown_with_its_evidence(desk, three):
    falcon = three[1]
    row = MarketResolution.objects.create(
        market=falcon,
        decision="disagreement",
        source="polymarket",
        reason="The two disagree.",
        facts={"gamma": {"outcomePrices": '["1", "0"]'}, "clob": {"winner": None}},
        seen_at=timezone.now() - timedelta(hours=1),
    )
    listed = text_of(desk.get("/admin/markets/marketresolution/", {"q": CONDITION}))
    assert "Will the “Falcon” land?" in listed
    assert "The two disagree." in listed
    assert "No results" not in listed
    read = text_of(desk.get(f"/admin/markets/marketresolution/{row.pk}/change/"))
    assert 'clob winner null gamma outcomePrices ["1", "0"]' in read
    assert "The two disagree." in text_of(desk.get(page(falcon)))


def test_resolution_records_are_filtered_among_the_newest(desk, three):
    for decision in ("held", "waiting"):
        MarketResolution.objects.create(
            market=three[0], decision=decision, source="polymarket", reason=f"So {decision}.", seen_at=timezone.now()
        )
    read = text_of(desk.get("/admin/markets/marketresolution/", {"decision": "held"}))
    assert "So held." in read
    assert "So waiting." not in read


def test_the_page_draws_what_is_known_of_the_odds_and_asks_nobody(desk):
    now = timezone.now()
    market = add_mirrored(7, odds_updated_at=now)
    add_points(market, {now - timedelta(minutes=each): 1_000 + each for each in (30, 20, 10)})
    (chart,) = [block.chart for block in desk.get(page(market)).context["detail"].blocks if hasattr(block, "chart")]
    drawn = {dataset["label"]: dataset["data"] for dataset in orjson.loads(chart.data)["datasets"]}
    assert list(drawn) == ["THIS: Yes", "Bid", "Ask"]
    assert (drawn["THIS: Yes"][0], drawn["THIS: Yes"][-1]) == (0.103, 0.6)
    assert (drawn["Bid"][0], drawn["Bid"][-1]) == (None, 0.59)


def test_without_anything_known_the_chart_says_so(desk):
    closed = add_mirrored(7, status="closed")
    assert "Nothing is known yet." in desk.get(page(closed)).content.decode()
