"""What the upstream does to a market that was bet on: withdrawn, closed and open again, moved, resolved anew."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache

from accounts.staff import COMMAND_LINE
from betting.orders import clear_cache
from betting.reversal import reverse_settlement
from economy.models import CreditTransaction
from markets.models import Market
from markets.resolution import staff as decisions_of_staff
from markets.resolution.records import needing_staff
from tests.betting.factories import assert_audit_passes, order, set_book, sign_up
from tests.betting.settlement.factories import settle
from tests.markets.factories import every_id, ids, ingest, publish, read, refusal
from tests.markets.resolution.factories import decisions, last, resolve, state

pytestmark = pytest.mark.django_db


WITHDRAWN = {
    "archived": (lambda there: there.archive(), lambda there: there.unarchive()),
    "inactive": (lambda there: there.deactivate(), lambda there: there.activate()),
    "without a question": (lambda there: there.blank_question(), lambda there: there.edit(question="Which?")),
    "options gone equal": (lambda there: there.equal_outcomes(), None),
    "deleted": (lambda there: there.delete(), lambda there: there.restore()),
    "event deleted": (lambda there: there.event.delete(), lambda there: there.event.restore()),
}
WITH_A_PRICE = ("archived", "without a question", "options gone equal")
WHAT = pytest.mark.parametrize("what", WITHDRAWN)


@pytest.fixture
def market(mirrored, there, upstream) -> Market:
    """Mirrored at 0.4000 as it is there."""
    set_book(there, "0.3900", "0.4100")
    ingest(upstream)
    mirrored.refresh_from_db()
    return mirrored


def withdraw(there, what: str):
    """Do it; return what undoes it."""
    first, undo = WITHDRAWN[what]
    names = there.outcomes
    first(there)
    return undo or (lambda there: there.rename_outcomes(*names))


def places(api, market: Market) -> set[str]:
    """Where the market is shown among others."""
    word = market.title.split()[0]
    found = {
        "list": every_id(api),
        "category": every_id(api, category=market.category),
        "every status": every_id(api, status="all"),
        "search": every_id(api, q=word),
        "samples": ids(read(api, "/random", count=50, category=market.category)),
    }
    return {place for place, listed in found.items() if str(market.pk) in listed}


EVERYWHERE = {"list", "category", "every status", "search", "samples"}


@WHAT
def test_a_withdrawn_market_takes_no_new_bet_and_is_in_no_list_until_it_is_back(
    api, ann, market, there, upstream, what
):
    """Lesson 45: withdrawn upstream, it went on taking bets."""
    ann.bet(market, 100)
    title = market.title
    assert places(api, market) == EVERYWHERE
    total = read(api)["total"]
    undo = withdraw(there, what)
    ingest(upstream)
    clear_cache()
    assert places(api, market) == set()
    assert total - read(api)["total"] == (len(there.event.markets) if what == "event deleted" else 1)
    assert read(api, f"/{market.pk}")["data"]["title"] == title
    refusal(ann.post("", order(market)), 400, "market_not_accepting")
    assert market.pk in needing_staff(now=datetime.now(UTC))
    undo(there)
    ingest(upstream)
    market.refresh_from_db(fields=["title", "suspended_reason"])
    assert (places(api, market), read(api)["total"]) == (EVERYWHERE, total)
    ann.bet(market, 10)
    assert needing_staff(now=datetime.now(UTC)) == []
    assert_audit_passes()


@WHAT
def test_bets_on_a_withdrawn_market_are_sold_while_there_is_a_price(ann, market, there, upstream, what):
    bet = ann.bet(market, 100)
    withdraw(there, what)
    ingest(upstream)
    cache.clear()
    if what in WITH_A_PRICE:
        # Bought at 0.4100, sold at 0.3900.
        assert ann.sell(bet)["creditsReturned"] == Decimal("95.12")
    else:
        refusal(ann.post(f"/{bet['id']}/sell"), 400, "market_illiquid")
    assert_audit_passes()


def test_a_withdrawn_market_is_still_resolved(ann, market, there, upstream):
    ann.bet(market, 100)
    there.archive()
    ingest(upstream)
    there.resolve("this")
    ingest(upstream)
    resolve(upstream)
    assert state(market) == ("resolved", "this")
    settle(market)
    assert_audit_passes()


def test_a_list_published_before_the_market_was_withdrawn_does_not_show_it(api, ann, market, there, upstream):
    first = read(api, limit=1)
    Market.objects.filter(pk=market.pk).update(suspended_reason="Polymarket archived it.")
    rest = read(api, limit=200, cursor=first["nextCursor"])
    assert str(market.pk) not in {*ids(rest), *(ids(read(api, limit=1)))}


# Closed, and open again


def closed_and_opened_again(there, upstream, *, run) -> None:
    there.close()
    ingest(upstream)
    assert Market.objects.get(polymarket_id=there.condition_id).status == "closed"
    there.reopen()
    run(upstream)


@pytest.mark.parametrize("run", [ingest, resolve], ids=["ingestion", "resolution"])
def test_closed_and_opened_again_upstream_it_is_open_here_again(api, ann, market, there, upstream, run):
    """Lesson 45: closed by mistake and reopened upstream, it was closed here for good."""
    bet = ann.bet(market, 100)
    closed_and_opened_again(there, upstream, run=run)
    assert state(market) == ("open", None)
    publish()
    assert places(api, market) == EVERYWHERE
    cache.clear()
    ann.bet(market, 10)
    ann.sell(bet)
    there.resolve("that")
    ingest(upstream)
    resolve(upstream)
    assert state(market) == ("resolved", "that")
    assert_audit_passes()


@pytest.mark.parametrize("run", [ingest, resolve], ids=["ingestion", "resolution"])
def test_what_staff_closed_stays_closed_until_they_open_it(ann, market, there, upstream, run, now):
    ann.bet(market, 100)
    by = {"by": COMMAND_LINE, "reason": "A slip.", "now": now}
    decisions_of_staff.close_market(market_id=market.pk, **by)
    run(upstream)
    closed_and_opened_again(there, upstream, run=run)
    assert state(market) == ("closed", None)
    decisions_of_staff.open_market_again(market_id=market.pk, **by)
    run(upstream)
    assert state(market) == ("open", None)
    ann.bet(market, 10)


@pytest.mark.parametrize("run", [ingest, resolve], ids=["ingestion", "resolution"])
def test_a_market_whose_result_was_undone_is_not_opened_by_the_upstream(ann, market, there, upstream, run, now):
    ann.bet(market, 100)
    by = {"by": COMMAND_LINE, "reason": "Wrong.", "now": now}
    decisions_of_staff.resolve_market(market_id=market.pk, outcome="this", **by)
    settle(market)
    reverse_settlement(market_id=market.pk, **by)
    run(upstream)
    assert state(market) == ("closed", None)
    refusal(ann.post("", order(market)), 400, "market_not_open")


# Changes that leave it the same market


def test_an_end_that_moved_is_the_end_here(ann, market, there, upstream):
    ann.bet(market, 10)
    later = datetime(2030, 3, 1, 5, tzinfo=UTC)
    for end in (later, None, later - timedelta(days=400)):
        there.move_end(end)
        ingest(upstream)
        assert Market.objects.get(pk=market.pk).expires_at == end
        ann.bet(market, 10)


def test_a_renamed_market_is_found_by_its_new_name_and_keeps_its_bets(api, ann, market, there, upstream):
    bet = ann.bet(market, 10)
    there.edit(question="Will the zeppelin land?")
    ingest(upstream)
    assert every_id(api, q="zeppelin") == [str(market.pk)]
    assert ann.show(bet)["market"]["title"] == "Will the zeppelin land?"
    assert Market.objects.get(pk=market.pk).slug == market.slug


def test_a_market_that_moved_to_another_event_is_the_same_market_there(api, ann, market, there, upstream):
    ann.bet(market, 10)
    number = Market.objects.count()
    new = next(other.event for other in upstream.world.good_markets() if other.event is not there.event)
    there.move_to_event(new)
    ingest(upstream)
    now = Market.objects.get(pk=market.pk)
    assert (now.event.polymarket_id, now.event_title, now.suspended_reason) == (new.id, new.title, "")
    assert Market.objects.count() == number
    ann.bet(market, 10)


# Results that changed


def test_a_result_that_changed_is_told_to_staff_once_and_nobody_is_paid_again(ann, market, there, upstream, now):
    bob = sign_up("bob")
    ann.bet(market, 100, "this")
    bob.bet(market, 100, "that")
    there.resolve("this")
    ingest(upstream)
    resolve(upstream, now=now)
    settle(market)
    paid = list(CreditTransaction.objects.order_by("pk").values())
    there.change_result("that")
    assert resolve(upstream, now=now + timedelta(hours=1))["changed"] == 0, "looked at some times a day"
    for hours in (7, 14):
        assert resolve(upstream, now=now + timedelta(hours=hours))["changed"] == 1
    settle(market)
    assert state(market) == ("resolved", "this")
    assert decisions(market) == ["closed", "this", "changed"]
    assert last(market).reason == "Resolved as this here. Polymarket now: Closed at 0 and 1."
    assert needing_staff(now=now + timedelta(hours=14)) == [market.pk]
    assert list(CreditTransaction.objects.order_by("pk").values()) == paid
    there.change_result("this")
    assert resolve(upstream, now=now + timedelta(hours=21))["changed"] == 0
    assert decisions(market) == ["closed", "this", "changed", "this"]
    assert needing_staff(now=now + timedelta(hours=21)) == []
    assert_audit_passes()


def test_a_result_that_staff_decided_is_not_held_against_the_upstream(ann, market, there, upstream, now):
    ann.bet(market, 100)
    there.resolve("this")
    decisions_of_staff.resolve_market(market_id=market.pk, outcome="that", by=COMMAND_LINE, reason="Rules.", now=now)
    Market.objects.filter(pk=market.pk).update(upstream_checked_at=now)
    assert resolve(upstream, now=now + timedelta(hours=7))["changed"] == 0
    assert decisions(market) == ["that"]


def test_results_are_no_longer_looked_at_after_some_days(ann, market, there, upstream, now):
    there.resolve("this")
    ingest(upstream)
    resolve(upstream, now=now)
    there.change_result("that")
    assert resolve(upstream, now=now + timedelta(days=4))["changed"] == 0
