"""One search over everything that has a page, as a page and by Ctrl-K, for who may see it."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from betting.models import Bet
from economy.models import CreditTransaction
from markets.models import Market
from tests.betting.factories import sign_up
from tests.economy.factories import make_user
from tests.markets.factories import add_event, add_market, add_outcome
from tests.staff.pages import page, text_of

pytestmark = pytest.mark.django_db
SEARCH = "/admin/find/"


def found(browser, term: str) -> list[str]:
    """The addresses of what is found, in order."""
    response = browser.get(SEARCH, {"q": term})
    if response.status_code == 302:
        return [response["Location"]]
    body = response.content.decode().split('role="search"')[1]
    return re.findall(r'<li><a href="([^"]+)"', body)


def market_page(market: Market) -> str:
    return reverse("admin:markets_market_change", args=[market.pk])


@pytest.fixture
def ann(db):
    return make_user("ann_lee", name="Ann Lee", x_username="Ann_X")


@pytest.mark.parametrize(
    "term", ["ann l", "ANN LEE", "ann_l", "@ann_lee", "ann_lee@example.com", "Ann_x", "{id}", " {id} "]
)
def test_users_are_found_by_all_that_they_are_called(desk, ann, term):
    User.objects.filter(pk=ann.pk).update(email="ann_lee@example.com")
    assert found(desk, term.format(id=ann.pk)) == [page(ann)]


@pytest.mark.parametrize(
    "term",
    [
        "Georgescu", "calin", "will-calin-win", "{id}", "{condition}", "georgesco",
        "https://polymarket.com/event/romania/will-calin-win",
        "https://polymarket.com/event/romania/will-calin-win?tid=17#x",
    ],
)  # fmt: skip
def test_markets_are_found_by_words_slug_id_and_address(desk, db, term):
    event = add_event(title="Who wins Romania?", slug="romania")
    market = add_outcome(event, 1, "Călin Georgescu", slug="will-calin-win")
    add_market(title="Will it rain?")
    term = term.format(id=market.pk, condition=market.polymarket_id)
    assert market_page(market) in found(desk, term)
    assert len(found(desk, term)) <= 2


def test_an_event_is_found_by_its_address(desk, db):
    event = add_event(title="Who wins Romania?", slug="romania")
    add_outcome(event, 1, "Călin Georgescu")
    address = reverse("admin:markets_marketevent_change", args=[event.pk])
    assert found(desk, "https://polymarket.com/event/romania") == [address]


def test_the_best_match_comes_first(desk, db):
    add_market(title="Will Federer retire?", volume_24hr=100)
    fed = add_market(title="Will the Fed cut?", volume_24hr=1)
    suspended = add_market(title="Will Fed funds rise?", suspended_reason="Its tokens changed.")
    assert found(desk, "fed")[:1] == [market_page(fed)]
    assert market_page(suspended) in found(desk, "fed")


def test_bets_and_ledger_entries_are_found_by_id(desk, db):
    bettor, market = sign_up("ann"), add_market(title="Will it rain?")
    bettor.bet(market, 100)
    bet = Bet.objects.get()
    entry = CreditTransaction.objects.get(reference_id=bet.pk)
    bet_page = reverse("admin:betting_bet_change", args=[bet.pk])
    entry_page = reverse("admin:economy_credittransaction_change", args=[entry.pk])
    assert found(desk, str(bet.pk)) == [bet_page, entry_page]
    assert found(desk, str(entry.pk)) == [entry_page]


def test_the_page_is_grouped_and_says_what_each_is(desk, ann):
    add_market(title="Will Ann win?", category="sports")
    text = text_of(desk.get(SEARCH, {"q": "ann"}))
    assert re.search(
        r"Users In their list Ann Lee \(@ann_lee\) \S+@\S+, active Markets In their list Will Ann win", text
    )
    assert "sports, open" in text


@pytest.mark.parametrize(
    "term",
    ["", " ", "nobody-is-called-so", "%", "\x00", "'", "0x", "http://[", "http://", "https://x/", "x" * 500, "\ud83d"],
)
def test_what_finds_nothing_is_no_failure(desk, ann, term):
    assert desk.get(SEARCH, {"q": term.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")}).status_code == 200


def test_ctrl_k_finds_the_same(desk, ann):
    add_market(title="Will Ann win?")
    body = desk.get("/admin/search/", {"s": "ann", "extended": 1}).content.decode()
    assert page(ann) in body
    assert "Will Ann win?" in body
    assert "searchCommand()" in desk.get("/admin/").content.decode()


def test_who_may_not_see_users_finds_none(member, browser, ann):
    market = add_market(title="Will Ann win?")
    manager = browser(member("max", role="market managers"))
    assert found(manager, "ann") == [market_page(market)]
    assert found(manager, str(ann.pk)) == []
    assert page(ann) not in manager.get("/admin/search/", {"s": "ann", "extended": 1}).content.decode()
    assert found(browser(member("neo")), "ann") == []


def test_nobody_else_searches(client, browser, ann):
    assert client.get(SEARCH, {"q": "ann"}).status_code == 302
    assert "/admin/login/" in browser(ann).get(SEARCH, {"q": "ann"})["Location"]


@pytest.mark.parametrize("term", ["rain", "{id}"])
def test_it_takes_the_same_statements_however_much_there_is(desk, term):
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            desk.get(SEARCH, {"q": term.format(id=first.pk)})
        return len(captured)

    first = add_market(title="Will it rain today?")
    make_user("rain")
    few = statements()
    for number in range(20):
        add_market(title=f"Will it rain on day {number}?")
        make_user(f"rain{number}")
    assert statements() == few <= 16
