"""What staff may decide, from which status, with a reason; and what a reversal leaves behind."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import transaction

from accounts.errors import NotAllowed, ReasonMissing
from accounts.models import User
from accounts.staff import COMMAND_LINE, StaffMember
from markets.models import Market, MarketResolution
from markets.resolution import staff as staff_decisions
from markets.resolution.records import market_ended, needing_staff
from tests.economy.factories import staff_actions
from tests.markets.factories import add_market, add_mirrored, add_past, ids, read
from tests.markets.resolution.factories import decisions, last, mirror, resolve, some, state

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> StaffMember:
    grace = User.objects.create_superuser(email="grace@example.com", username="grace")
    return StaffMember(grace, "192.0.2.7")


@pytest.fixture
def told(django_capture_on_commit_callbacks):
    """The ids told of on commit while the block runs."""

    @contextmanager
    def listening():
        heard: list = []

        def hear(sender, market_id, **_):
            heard.append(market_id)

        market_ended.connect(hear)
        with django_capture_on_commit_callbacks(execute=True):
            yield heard
        market_ended.disconnect(hear)

    return listening


def close(market, **said):
    return staff_decisions.close_market(market_id=market.pk, **said)


def end(outcome):
    return lambda market, **said: staff_decisions.resolve_market(market_id=market.pk, outcome=outcome, **said)


def void(market, **said):
    return staff_decisions.void_market(market_id=market.pk, **said)


def reopen(market, **said):
    with transaction.atomic():
        return staff_decisions.reopen_for_reversal(market_id=market.pk, **said)


DECISIONS = {
    "close": (close, ("open",), ("closed", None), "closed"),
    "this": (end("this"), ("open", "closed"), ("resolved", "this"), "this"),
    "that": (end("that"), ("open", "closed"), ("resolved", "that"), "that"),
    "invalid": (end("invalid"), ("open", "closed"), ("resolved", "invalid"), "invalid"),
    "void": (void, ("open", "closed"), ("cancelled", "invalid"), "cancelled"),
    "reopen": (reopen, ("resolved", "cancelled"), ("closed", None), "reopened"),
}
RESULTS = ("this", "that", "invalid")
STATUSES = ("open", "closed", "resolved", "cancelled")
POSSIBLE = [(name, status) for name, (_, allowed, _, _) in DECISIONS.items() for status in allowed]
IMPOSSIBLE = [(name, status) for name in DECISIONS for status in STATUSES if (name, status) not in POSSIBLE]


@pytest.mark.parametrize("add", [add_past, lambda status: add_mirrored(**fields_of(status))], ids=["house", "mirrored"])
@pytest.mark.parametrize(("name", "status"), POSSIBLE)
def test_staff_decide_with_a_reason_that_is_kept(add, name, status, staff, now, told):
    act, _, becomes, decision = DECISIONS[name]
    market = add(status)
    with told() as heard:
        act(market, reason=" The rules say so. ", by=staff, now=now)
    assert state(market) == becomes
    assert market.resolved_at == (now if becomes[1] else None)
    assert decisions(market) == [decision]
    row = last(market)
    assert (row.source, row.staff, row.reason, row.seen_at) == ("staff", staff.user, "The rules say so.", now)
    assert heard == ([market.pk] if becomes[1] else [])


def fields_of(status):
    over = {"resolution": "invalid", "resolved_at": "2026-01-01T00:00:00Z"}
    return {"status": status} | (over if status in ("resolved", "cancelled") else {})


ACTIONS = {"close": "close_market", "void": "void_market"} | dict.fromkeys(RESULTS, "resolve_market")


@pytest.mark.parametrize("name", ACTIONS)
def test_a_decision_is_kept_among_what_staff_did(name, staff, now):
    market = add_past("closed") if name != "close" else add_market()
    before = state(market)
    DECISIONS[name][0](market, reason=" The rules say so. ", by=staff, now=now)
    row = staff_actions().get()
    assert (row.action, row.target_type, row.target_id) == (ACTIONS[name], "markets.market", str(market.pk))
    assert (row.staff, row.ip, row.reason, row.created_at) == (staff.user, staff.ip, "The rules say so.", now)
    assert (row.before["status"], row.before["resolution"]) == before
    assert (row.after["status"], row.after["resolution"]) == state(market)


@pytest.mark.parametrize("name", ACTIONS)
def test_staff_who_may_not_decide_are_refused_before_anything_else(name, now):
    nobody = StaffMember(User.objects.create_user(email="new@example.com", username="new", is_staff=True))
    market = add_market()
    with pytest.raises(NotAllowed):
        DECISIONS[name][0](market, reason="Because.", by=nobody, now=now)
    assert (state(market), decisions(market), staff_actions().count()) == (("open", None), [], 0)


@pytest.mark.parametrize(("name", "status"), IMPOSSIBLE)
def test_what_a_status_does_not_allow_is_refused_and_changes_nothing(name, status, staff, now):
    act = DECISIONS[name][0]
    market = add_past(status)
    before = state(market)
    with pytest.raises(staff_decisions.MarketStatusConflict, match=status):
        act(market, reason="Because.", by=staff, now=now)
    assert state(market) == before
    assert decisions(market) == []
    assert staff_actions().count() == 0


@pytest.mark.parametrize("reason", ["", "  ", "\n\t"])
@pytest.mark.parametrize("name", DECISIONS)
def test_without_a_reason_nothing_is_decided(name, reason, staff, now):
    act, (status, *_), _, _ = DECISIONS[name]
    market = add_past(status)
    with pytest.raises(ReasonMissing):
        act(market, reason=reason, by=staff, now=now)
    assert decisions(market) == []


@pytest.mark.parametrize("name", DECISIONS)
def test_a_market_that_is_not_there_cannot_be_decided(name, staff, now):
    with pytest.raises(staff_decisions.MarketNotFound):
        DECISIONS[name][0](Market(), reason="Because.", by=staff, now=now)


@pytest.mark.parametrize("outcome", ["", "yes", "THIS", "cancelled", "open"])
def test_only_three_outcomes_are_known(outcome, staff, now):
    market = add_market()
    with pytest.raises(staff_decisions.UnknownOutcome):
        end(outcome)(market, reason="Because.", by=staff, now=now)
    assert state(market) == ("open", None)


def test_a_voided_market_is_served_as_cancelled_and_out_of_the_open_list(api, staff, now):
    market = add_market()
    void(market, reason="Duplicate.", by=staff, now=now)
    shown = read(api, f"/{market.pk}")["data"]
    assert (shown["status"], shown["resolution"]) == ("cancelled", "invalid")
    assert shown["resolvedAt"] is not None
    assert ids(read(api)) == []
    assert ids(read(api, status="cancelled")) == [str(market.pk)]


def test_reopening_is_undone_with_the_reversal_it_belongs_to(now):
    market = add_past("resolved")
    with transaction.atomic():
        staff_decisions.reopen_for_reversal(market_id=market.pk, reason="Wrong.", by=COMMAND_LINE, now=now)
        assert state(market) == ("closed", None)
        transaction.set_rollback(True)
    assert state(market) == ("resolved", "this")
    assert decisions(market) == []


@pytest.mark.django_db(transaction=True)
def test_reopening_without_a_transaction_is_refused(now):
    market = add_past("resolved")
    with pytest.raises(transaction.TransactionManagementError):
        staff_decisions.reopen_for_reversal(market_id=market.pk, reason="Wrong.", by=COMMAND_LINE, now=now)


def test_a_result_that_staff_undid_is_not_taken_from_polymarket_again(upstream, now):
    """Otherwise the next minute would undo the reversal."""
    (one,) = some(upstream, 1)
    market = mirror(one)
    one.resolve("this")
    resolve(upstream)
    reopen(market, reason="The oracle was wrong.", by=COMMAND_LINE, now=now)
    for _ in range(2):
        assert resolve(upstream)["held"] == 1
    assert state(market) == ("closed", None)
    assert decisions(market) == ["this", "reopened", "held"]
    assert MarketResolution.objects.get(decision="reopened").facts == {"undone": "this"}
    assert needing_staff(now=now) == [market.pk]
    end("that")(market, reason="As the rules say.", by=COMMAND_LINE, now=now)
    assert state(market) == ("resolved", "that")
    assert needing_staff(now=now) == []


def test_another_result_than_the_one_undone_is_taken(upstream, now):
    (one,) = some(upstream, 1)
    market = mirror(one)
    end("that")(market, reason="A slip.", by=COMMAND_LINE, now=now)
    reopen(market, reason="It was a slip.", by=COMMAND_LINE, now=now)
    one.resolve("this")
    resolve(upstream)
    assert state(market) == ("resolved", "this")


def test_what_staff_closed_early_is_resolved_when_upstream_is(upstream, now):
    (one,) = some(upstream, 1)
    market = mirror(one)
    close(market, reason="Leaked.", by=COMMAND_LINE, now=now)
    resolve(upstream)
    assert (state(market), decisions(market)) == (("closed", None), ["closed", "open"])
    one.resolve("this")
    resolve(upstream)
    assert state(market) == ("resolved", "this")


def test_staff_see_what_nothing_but_they_will_end_and_what_waits_too_long(upstream, now):
    there = some(upstream, 6)
    undecided, contradicted, waiting, unconfirmed, running, good = (mirror(one) for one in there)
    there[0].close()
    there[1].resolve("this", clob="that")
    there[2].close()
    there[2].propose("this")
    there[3].resolve("this", clob="pending")
    there[5].resolve("this")
    lost = add_mirrored(title="Nobody knows")
    Market.objects.filter(pk=lost.pk).update(expires_at=now - timedelta(days=1))
    house = add_past("closed")
    assert resolve(upstream, now=now)["needStaff"] == len(needing_staff(now=now))
    seen = set(needing_staff(now=now))
    assert {undecided.pk, contradicted.pk, lost.pk, house.pk} <= seen
    assert not {waiting.pk, running.pk, good.pk} & seen
    assert {waiting.pk, unconfirmed.pk} <= set(needing_staff(now=now + timedelta(days=8)))
