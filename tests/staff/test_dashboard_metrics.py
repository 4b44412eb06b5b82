"""The dashboard's metrics equal what the ledger and the open bets say."""

import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.core.cache import cache
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from accounts.models import User
from betting.models import Bet
from betting.settlement import preview_settlement
from economy.ledger import post
from economy.models import CreditTransaction
from markets.models import Market
from staff.models import ActiveUser, CountedDay, LedgerDay, LedgerHour, MarketExposure
from staff.services import rebuild_dashboard_counts, refresh_dashboard_counts
from tests.betting.factories import sign_up
from tests.betting.settlement.factories import end, move_odds, settle
from tests.economy.factories import adjustment
from tests.markets.factories import add_market, add_mirrored

pytestmark = pytest.mark.django_db
CANVAS = re.compile(r'id="chart-(\w+)".*?data-value="(.*?)"', re.DOTALL)


def pictures(desk):
    """What Chart.js is given: of each chart its labels, and its values by dataset."""
    page = desk.get("/admin/")
    assert page.status_code == 200
    found = {}
    for name, data in CANVAS.findall(page.content.decode()):
        told = json.loads(unescape(data), parse_float=Decimal)
        found[name] = told["labels"], {row["label"]: row["data"] for row in told["datasets"]}
    return found


def count(**ago):
    refresh_dashboard_counts(now=timezone.now() - timedelta(**ago))
    cache.clear()


@pytest.fixture
def history(db):
    """Two who bet on three markets, sold a part and bought stocks' worth of nothing; one market is paid."""
    ann, bob = sign_up("ann"), sign_up("bob")
    markets = [add_market(slug=name, title=f"Will {name}?") for name in ("rain", "snow", "hail")]
    for market in markets:
        ann.bet(market, 100, "this")
        bob.bet(market, "33.33", "that")
    bob.bet(markets[0], 250, "this")
    move_odds(markets[1], "0.7000")
    ann.sell(ann.bet(markets[1], 50, "this"), "20")
    end(markets[2], "this")
    settle(markets[2])
    return ann, bob, markets


def owed():
    """By market that isn't over: the stakes, and what is owed if THIS, if THAT wins; as a settlement would pay it."""
    found = {}
    for market in Market.objects.filter(status__in=["open", "closed"], bets__status="pending").distinct():
        this, that = (preview_settlement(market_id=market.pk, outcome=side) for side in ("this", "that"))
        found[market.title] = this.stake, this.payout, that.payout
    return found


def exposures():
    rows = MarketExposure.objects.values_list("market__title", "stake", "this_payout", "that_payout")
    return {title: tuple(metrics) for title, *metrics in rows}


def entry_sums():
    sums = defaultdict(lambda: [0, Decimal(0), Decimal(0)])
    for row in CreditTransaction.objects.all():
        into = sums[row.created_at.astimezone(UTC).date(), row.transaction_type, row.counterparty]
        into[0] += 1
        into[1 if row.amount > 0 else 2] += abs(row.amount)
    return {key: tuple(values) for key, values in sums.items()}


def counted_sums():
    rows = LedgerDay.objects.values_list("day", "transaction_type", "counterparty", "transfers", "given", "taken")
    return {row[:3]: row[3:] for row in rows}


def test_the_credits_in_circulation_are_the_users_balances(history, desk):
    count()
    _, values = pictures(desk)["circulation"]
    assert values["Credits"][-1] == User.objects.aggregate(all=Sum("credit_balance"))["all"] == Decimal("1486.67")


def test_the_sources_and_sinks_are_the_ledgers(history, desk):
    count()
    labels, values = pictures(desk)["flows"]
    flows = dict(zip(labels, zip(values["To users"], values["From users"], strict=True), strict=True))
    assert flows["Signup bonus"] == (2_000, 0)
    assert flows["Bet placed"] == (0, -(100 * 3 + 50 + Decimal("33.33") * 3 + 250))
    assert flows["Bet payout"] == (Decimal("166.66"), 0)
    assert set(flows) == {"Signup bonus", "Bet placed", "Bet payout", "Position sold"}


def test_bets_volume_and_users_are_those_of_the_day(history, desk):
    count()
    shown = pictures(desk)
    assert shown["bets"][1]["Bets"][-1] == Bet.objects.count() == 8
    assert shown["bets"][1]["Credits staked"][-1] == Bet.objects.aggregate(all=Sum("amount"))["all"]
    assert shown["users"][1]["Joined"][-1] == 2
    assert shown["users"][1]["Bet, traded or bought"][-1] == 2


def test_an_exposure_is_what_a_settlement_would_pay(history, desk):
    count()
    labels, values = pictures(desk)["exposures"]
    rows = zip(values["Stake"], values["If THIS wins"], values["If THAT wins"], strict=True)
    assert dict(zip(labels, rows, strict=True)) == owed()
    assert len(labels) == 2
    largest = [max(pair) for pair in zip(values["If THIS wins"], values["If THAT wins"], strict=True)]
    assert largest == sorted(largest, reverse=True)


def test_counting_again_reads_what_happened_since(history):
    ann, bob, (rain, snow, _) = history
    count()
    ann.sell(ann.bet(snow, 40, "that"))
    bob.bet(add_market(slug="fog", title="Will fog?"), 15, "that")
    end(rain, "that")
    settle(rain)
    count()
    assert counted_sums() == entry_sums()
    assert exposures() == owed()
    assert set(exposures()) == {"Will snow?", "Will fog?"}


def test_a_market_whose_last_bet_was_sold_owes_nothing(history):
    ann, _, _ = history
    market = add_market(slug="fog", title="Will fog?")
    bet = ann.bet(market, 20)
    count()
    assert "Will fog?" in exposures()
    ann.sell(bet)
    count()
    assert "Will fog?" not in exposures()


def test_a_market_that_was_decided_since_is_not_shown(history, desk):
    _, _, (rain, *_) = history
    count()
    end(rain, "that")
    cache.clear()
    assert pictures(desk)["exposures"][0] == ["Will snow?"]


def test_counting_anew_gives_the_same(history):
    count()
    before = counted_sums(), exposures()
    rebuild_dashboard_counts(now=timezone.now())
    assert (counted_sums(), exposures()) == before


def test_each_day_has_its_own_and_a_late_commit_is_still_counted(desk):
    ann = sign_up("ann")
    noon = timezone.now().replace(hour=12, minute=0) - timedelta(days=3)
    with_time(ann, 500, noon)
    refresh_dashboard_counts(now=noon + timedelta(minutes=30))
    assert CountedDay.objects.get().day == noon.date()
    with_time(ann, 70, noon + timedelta(minutes=1))
    with_time(ann, -20, noon + timedelta(days=1))
    count()
    assert counted_sums() == entry_sums()
    _, values = pictures(desk)["circulation"]
    assert [int(value) for value in values["Credits"]] == [0] * 26 + [570, 550, 550, 1_550]


def test_what_only_served_to_sum_a_day_is_deleted(history):
    ann, _, _ = history
    old = timezone.now() - timedelta(days=4)
    with_time(ann, 500, old)
    refresh_dashboard_counts(now=old + timedelta(minutes=1))
    assert LedgerHour.objects.exists()
    ann.bet(add_market(slug="fog"), 15)
    count()
    yesterday = timezone.now() - timedelta(days=1)
    assert not LedgerHour.objects.filter(begins_at__date__lt=yesterday.date()).exists()
    assert set(ActiveUser.objects.values_list("day", flat=True)) == {timezone.now().date()}
    assert counted_sums() == entry_sums()
    count()
    assert counted_sums() == entry_sums()


def with_time(player, amount, moment):
    """Staff gave or took then."""
    with transaction.atomic():
        post(adjustment(player.user, amount), now=moment)


def test_the_days_are_counted_on_from_where_it_stopped(history):
    today = datetime.now(UTC).date()
    CountedDay.objects.create(day=today - timedelta(days=4), active_users=0, counted_at=timezone.now())
    count()
    days = list(CountedDay.objects.order_by("day").values_list("day", flat=True))
    assert days == [today - timedelta(days=back) for back in (4, 3, 2, 1, 0)]
    assert counted_sums() == entry_sums()


def test_the_ages_are_those_of_polymarkets_open_markets(desk):
    now = timezone.now()
    for number, seconds in enumerate([5, 70, 100, 400, 2_000, 7_200, 200_000], 1):
        add_mirrored(number, odds_updated_at=now - timedelta(seconds=seconds))
    add_market(odds_updated_at=now - timedelta(days=9))
    labels, values = pictures(desk)["ages"]
    assert dict(zip(labels, values["Markets"], strict=True)) == {
        "< 1 min": 1,
        "< 5 min": 2,
        "< 15 min": 1,
        "< 1 h": 1,
        "< 1 day": 1,
        "older": 1,
    }
