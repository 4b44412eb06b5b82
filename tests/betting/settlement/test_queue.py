"""What is over and unsettled is settled soon by the signal, and in a minute without it. Decided by staff here."""

import pytest
from django.utils import timezone

from accounts.staff import COMMAND_LINE
from betting import tasks
from betting.models import Settlement
from betting.settlement import MarketsUnsettled
from core.models import JobRun
from markets.resolution import staff as staff_decisions
from markets.resolution.records import market_ended
from tests.betting.factories import assert_audit_passes, execute
from tests.betting.settlement.factories import end, outcome
from tests.markets.factories import add_market
from tests.roles import as_owner
from thisthat.celery import app

pytestmark = pytest.mark.django_db(transaction=True)


def resolve(market, outcome):
    staff_decisions.resolve_market(
        market_id=market.pk, outcome=outcome, reason="Seen.", by=COMMAND_LINE, now=timezone.now()
    )


@pytest.fixture
def tasks_run_at_once():
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def test_a_market_that_staff_resolve_is_paid_at_once(ann, kettle, tasks_run_at_once):
    bet = ann.bet(kettle, 100, "this")
    resolve(kettle, "this")
    assert outcome(bet)[0] == "won"
    assert_audit_passes()


def test_a_market_that_staff_void_gives_the_stakes_back(ann, kettle, tasks_run_at_once):
    bet = ann.bet(kettle, 100, "this")
    staff_decisions.void_market(market_id=kettle.pk, reason="Unclear.", by=COMMAND_LINE, now=timezone.now())
    assert outcome(bet) == ("cancelled", 100)
    assert ann.booked()["credit_balance"] == 1000
    assert_audit_passes()


def test_a_task_that_was_lost_is_made_good_by_the_sweep(ann, kettle):
    bets = [ann.bet(kettle, 100, "this"), ann.bet(add_market(slug="open"), 100, "this")]
    end(kettle, "this")
    tasks.settle_markets()
    assert [outcome(bet)[0] for bet in bets] == ["won", "pending"]
    assert JobRun.objects.get(job="betting.settle_markets").result == {"markets": 1, "bets": 1, "busy": 0}


def test_a_settlement_that_was_stopped_before_its_end_is_finished_by_the_sweep(ann, kettle):
    ann.bet(kettle, 100, "this")
    end(kettle, "this")
    tasks.settle_markets()
    Settlement.objects.update(finished_at=None)
    tasks.settle_markets()
    assert Settlement.objects.get().finished_at


def test_a_task_for_a_market_that_is_not_over_does_nothing(ann, kettle):
    bet = ann.bet(kettle, 100, "this")
    tasks.settle_market(str(kettle.pk))
    assert outcome(bet) == ("pending", None)
    assert not Settlement.objects.exists()


def test_every_ended_market_is_settled_in_one_sweep(ann):
    markets = [add_market(slug=f"market-{number}") for number in range(3)]
    bets = [ann.bet(market, 100, "this") for market in markets]
    for market, resolution in zip(markets, ("this", "that", "invalid"), strict=True):
        end(market, resolution)
    tasks.settle_markets()
    assert [outcome(bet)[0] for bet in bets] == ["won", "lost", "cancelled"]
    assert_audit_passes()


REFUSING_ONE = """
CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE TRIGGER refuse_one BEFORE INSERT ON settlements FOR EACH ROW
WHEN (NEW.market_id = '{}') EXECUTE FUNCTION refuse_one();
"""


def test_a_market_that_fails_as_a_whole_holds_up_no_other_and_fails_the_run(ann):
    first, *others = [add_market(slug=f"market-{number}") for number in range(3)]
    bets = [ann.bet(market, 100, "this") for market in (first, *others)]
    for market in (first, *others):
        end(market, "this")
    with as_owner():
        execute(REFUSING_ONE.format(first.pk))
    try:
        with pytest.raises(MarketsUnsettled, match=str(first.pk)):
            tasks.settle_markets()
        assert [outcome(bet)[0] for bet in bets] == ["pending", "won", "won"]
        assert JobRun.objects.get(job="betting.settle_markets").status == "failed"
    finally:
        with as_owner():
            execute("DROP TRIGGER refuse_one ON settlements")
            execute("DROP FUNCTION refuse_one()")
    tasks.settle_markets()
    assert outcome(bets[0])[0] == "won"
    assert_audit_passes()


def test_betting_listens_to_the_signal_and_is_scheduled():
    assert tasks.enqueue_settlement in [entry[1]() for entry in market_ended.receivers]
    assert app.conf.beat_schedule["settle-markets"]["schedule"] == 60
