"""What staff see and do where the upstream did something odd to a market: why, what was shown, and opening again."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from betting.models import Bet
from devtools.simulators.polymarket import Simulator
from markets import identity
from markets.models import Market
from staff.core.formatting import DASH
from tests.betting.factories import sign_up
from tests.betting.settlement.factories import settle
from tests.markets.factories import add_market, add_past, clear_clients, ingest
from tests.markets.resolution.factories import resolve
from tests.staff.market_pages import MARKETS, buttons, decide, page, shown, state
from tests.staff.pages import records, text_of

pytestmark = pytest.mark.django_db
WHY = {"reason": "A slip."}


@pytest.fixture
def mary(member, browser) -> Client:
    """The browser of a market manager."""
    return browser(member("mary", role="market managers"))


@pytest.fixture
def upstream(settings):
    clear_clients()
    with Simulator(seed=7, events=24) as simulator:
        settings.POLYMARKET_GAMMA_URL = simulator.gamma_url
        settings.POLYMARKET_CLOB_URL = simulator.clob_url
        ingest(simulator)
        yield simulator
    clear_clients()


@pytest.fixture
def there(upstream):
    return upstream.world.good_markets()[0]


@pytest.fixture
def market(there) -> Market:
    """Mirrored, with a bet."""
    market = Market.objects.get(polymarket_id=there.condition_id)
    sign_up("ann").bet(market, 100)
    return market


def status(market: Market) -> str:
    return Market.objects.values_list("status", flat=True).get(pk=market.pk)


def test_what_staff_closed_by_accident_they_open_again(mary):
    market, ann = add_market(), sign_up("ann")
    mary.post(decide("close", market), WHY)
    assert "open" in buttons(mary, market)
    assert "Open it again" in text_of(mary.get(decide("open", market)))
    assert mary.post(decide("open", market), WHY)["Location"] == page(market)
    assert status(market) == "open"
    ann.bet(market, 100)
    (record,) = records("open_market_again")
    assert (record.reason, record.before["status"], record.after["status"]) == ("A slip.", "closed", "open")
    assert "open" not in buttons(mary, market)


def test_what_closed_by_itself_is_not_theirs_to_open(mary):
    market = add_past("closed")
    before = state()
    assert "open" not in buttons(mary, market)
    assert mary.post(decide("open", market), WHY).status_code == 409
    assert state() == before


def test_a_market_whose_result_was_undone_is_not_opened_for_bets(mary, boss, desk):
    market = add_market()
    sign_up("ann").bet(market, 100)
    desk.post(decide("this", market), WHY)
    settle(market)
    desk.post(decide("reverse", market), WHY)
    assert status(market) == "closed"
    assert "open" not in buttons(mary, market)
    assert mary.post(decide("open", market), WHY).status_code == 409


def test_the_support_opens_nothing(member, browser, mary):
    market = add_market()
    mary.post(decide("close", market), WHY)
    sue = browser(member("sue", role="support"))
    assert sue.post(decide("open", market), WHY).status_code == 403
    assert status(market) == "closed"


def test_staff_see_when_the_catalogue_closed_a_market_and_opened_it_again(mary, market, there, upstream):
    there.close()
    ingest(upstream)
    assert f"Catalogue {DASH} Polymarket's catalogue has it as closed." in text_of(mary.get(page(market)))
    there.reopen()
    ingest(upstream)
    assert f"Catalogue {DASH} Open." in text_of(mary.get(page(market)))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda there: there.archive(), "Polymarket archived it."),
        (lambda there: there.deactivate(), "Polymarket made it inactive."),
        (lambda there: there.delete(), identity.GONE),
        (lambda there: there.change_tokens(), identity.OTHER_TOKENS),
        (lambda there: there.rename_outcomes("Left", "Right"), f"{identity.OTHER_WORDS}: “Left” and “Right”."),
        (lambda there: there.reorder(prices=False, tokens=False), identity.OPTIONS_REORDERED),
    ],
    ids=["archived", "inactive", "deleted", "tokens", "words", "outcomes alone"],
)
def test_staff_see_why_a_market_takes_no_orders(mary, market, there, upstream, change, why):
    assert shown(mary, MARKETS, needs="suspended") == set()
    change(there)
    ingest(upstream)
    assert f"It takes no orders, and no list shows it: {why}" in text_of(mary.get(page(market)))
    assert shown(mary, MARKETS, needs="suspended") == shown(mary, MARKETS, needs="staff") == {market.title}


def test_staff_see_what_was_shown_since_the_first_bet(mary, market, there, upstream):
    assert "Shown before" not in text_of(mary.get(page(market)))
    there.edit(question="Another question?", description="Other rules.")
    moment = datetime.now(UTC) + timedelta(minutes=5)
    ingest(upstream, now=moment)
    text = text_of(mary.get(page(market)))
    assert "Shown before, since the first bet" in text
    assert f"{Bet.objects.get().placed_at:%Y-%m-%d %H:%M}" in text
    assert market.title in text
    assert market.description[:60] in text
    assert "Another question?" in text


def test_staff_see_that_a_result_changed_upstream(mary, market, there, upstream):
    there.resolve("this")
    ingest(upstream)
    moment = datetime.now(UTC)
    resolve(upstream, now=moment)
    there.change_result("that")
    resolve(upstream, now=moment + timedelta(hours=7))
    assert "Resolved as this here. Polymarket now: Closed at 0 and 1." in text_of(mary.get(page(market)))
    assert shown(mary, MARKETS, needs="staff") == {market.title}
