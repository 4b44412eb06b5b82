"""What users are told of, each cause once: by a retry, a replay or a run that comes again, nothing is told twice."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import update_profile
from accounts.staff import COMMAND_LINE
from betting.reversal import reverse_settlement
from betting.services import notify_of_closing_markets
from betting.settlement import retry_settlement
from economy.adjustments import AdjustmentRequest, adjust_credits
from economy.rewards import claim_daily_reward, reward_active_users
from economy.stocks.trading import close_worthless_holdings
from markets.models import Market
from notifications.models import Notification
from notifications.services import notify
from ops.personal_data import erase_user, export_user
from purchases.services import refund_purchase
from tests.accounts.factories import sign_up as register
from tests.accounts.factories import verify
from tests.betting.factories import sign_up
from tests.betting.settlement.factories import end, settle
from tests.concurrently import all_at_once
from tests.economy.rewards.factories import arrive as arrive_regular
from tests.economy.stocks.factories import list_stock, new_trader, set_price
from tests.markets.factories import add_market
from tests.notifications.factories import Reader, adjusted, told, types
from tests.purchases.factories import arrive as arrive_buyer

pytestmark = pytest.mark.django_db(transaction=True)


def outcomes(player):
    return [kind for kind in types(player.id) if kind.startswith(("bet_", "settlement_"))]


def test_each_bet_is_told_of_once_however_often_its_market_is_settled():
    market, ann, bob = add_market(), sign_up("ann"), sign_up("bob")
    bet = ann.bet(market, 100, "this")
    bob.bet(market, 50, "that")
    end(market, "this")
    settle(market)
    settle(market)
    retry_settlement(market_id=market.pk, by=COMMAND_LINE, reason="Again.", now=timezone.now())
    settle(market)
    assert outcomes(ann) == ["bet_won"]
    assert outcomes(bob) == ["bet_lost"]
    shown = next(row for row in Reader(ann.user).page()["notifications"] if row["type"] == "bet_won")
    paid = ann.show(bet)["actualPayout"]
    assert shown["title"] == f"You won: {market.title}"
    assert shown["body"] == f"It resolved as Yes. Your stake of 100 credits paid {paid:,.2f} credits."
    assert shown["data"] == {
        "betId": bet["id"],
        "marketId": str(market.pk),
        "marketTitle": market.title,
        "outcome": "Yes",
        "stake": Decimal(100),
        "payout": paid,
    }


def test_four_settlements_of_one_market_at_once_tell_each_bet_once():
    market, ann, bob = add_market(), sign_up("ann"), sign_up("bob")
    ann.bet(market, 100)
    ann.bet(market, 100, "that")
    bob.bet(market, 50, "that")
    end(market, "this")
    all_at_once(lambda: settle(market, size=1), 4)
    assert sorted(outcomes(ann)) == ["bet_lost", "bet_won"]
    assert outcomes(bob) == ["bet_lost"]


@pytest.mark.parametrize("size", [1, 2, 5_000])
def test_several_bets_of_one_user_are_numbered_one_after_the_other(size):
    market, ann = add_market(), sign_up("ann")
    bets = [ann.bet(market, 10 + turn)["id"] for turn in range(3)]
    end(market, "this")
    settle(market, size=size)
    won = Notification.objects.filter(user=ann.user, type="bet_won").order_by("sequence")
    assert [str(row.reference_id) for row in won] == bets
    assert len({row.sequence for row in won}) == len(bets)


@pytest.mark.parametrize("status", ["resolved", "cancelled"])
def test_a_stake_that_comes_back_is_told_as_such(status):
    market, ann = add_market(), sign_up("ann")
    ann.bet(market, 100)
    end(market, "invalid", status=status)
    settle(market)
    ((kind, data),) = [row for row in told(ann.id) if row[0].startswith("bet_")]
    assert (kind, data["payout"], data["outcome"]) == ("bet_refunded", Decimal(100), None)


def test_a_bet_that_is_won_again_after_a_reversal_is_told_of_again():
    market, ann = add_market(), sign_up("ann")
    ann.bet(market, 100)
    for _ in range(2):
        end(market, "this")
        settle(market)
        reverse_settlement(market_id=market.pk, by=COMMAND_LINE, reason="Wrong.", now=timezone.now())
    end(market, "that")
    settle(market)
    assert outcomes(ann) == ["bet_won", "settlement_reversed", "bet_won", "settlement_reversed", "bet_lost"]


def test_a_bet_that_cannot_be_settled_is_not_told_of():
    market, ann, bob = add_market(), sign_up("ann"), sign_up("bob")
    ann.bet(market, 100)
    bob.bet(market, 100)
    # A smaller stake than her bet's: its stake can't be taken from there.
    User.objects.filter(pk=ann.id).update(locked_credits=0)
    end(market, "this")
    assert settle(market).failed == 1
    assert outcomes(ann) == []
    assert outcomes(bob) == ["bet_won"]


def test_what_happens_to_credits_is_told_once():
    ann = sign_up("ann")
    now = timezone.now()
    for _ in range(2):
        claim_daily_reward(user_id=ann.id, now=now)
    request = AdjustmentRequest(user_id=ann.id, amount=Decimal(-5), reason="Too many.", request_id=uuid4())
    for _ in range(2):
        adjust_credits(request, by=COMMAND_LINE, now=now)
    assert types(ann.id) == ["daily_reward", "credits_adjusted"]
    titles = Reader(ann.user).titles()
    assert titles == ["Credits taken", "Daily reward: 1,000 credits"]


def test_the_nightly_run_tells_of_its_reward_once():
    yesterday = timezone.now() - timedelta(days=1)
    ann = arrive_regular("ann", active=yesterday)
    for _ in range(2):
        reward_active_users(now=timezone.now())
    ((kind, data),) = told(ann.id)
    assert (kind, data["amount"], data["day"]) == ("daily_reward", Decimal(1_000), 1)


def test_a_position_that_became_worthless_is_told_of_once():
    acme, ann = list_stock(), new_trader("ann")
    ann.buy(acme, 10, leverage=5)
    set_price(acme, "1")
    for _ in range(2):
        close_worthless_holdings(now=timezone.now())
    ((kind, data),) = told(ann.user.pk)
    assert (kind, data["symbol"], data["invested"]) == ("stock_liquidated", "ACME", Decimal(100))


def test_a_purchase_is_told_of_when_it_is_paid_and_when_it_is_refunded():
    ann = arrive_buyer("ann")
    bought = ann.buy("starter", externalId="one")
    ann.post({"packageId": "starter", "externalId": "one"})
    refund_purchase(purchase_id=bought["id"], by=COMMAND_LINE, reason="Asked for.", now=timezone.now())
    assert types(ann.id) == ["purchase_completed", "purchase_refunded"]


def test_a_referrer_is_told_once_the_new_user_is_verified_and_nobody_s_name_is_kept():
    ann = register("ann").user
    bob = register("bob", referral_code=ann.referral_code).user
    assert told(ann.pk) == []
    verify(bob)
    update_profile(user_id=bob.pk, changes={}, email="another@example.com", now=timezone.now())
    verify(bob)
    ((kind, data),) = told(ann.pk)
    assert (kind, data["amount"]) == ("referral_joined", Decimal(200))
    assert "bob" not in str(data)


def test_a_market_that_ends_within_the_hour_is_told_of_once_to_who_has_an_open_bet():
    now = timezone.now()
    soon = add_market(slug="soon")
    late = add_market(slug="late")
    ann, bob = sign_up("ann"), sign_up("bob")
    ann.bet(soon, 20)
    ann.bet(soon, 20, "that")
    ann.bet(late, 20)
    bob.sell(bob.bet(soon, 20))
    Market.objects.filter(pk=soon.pk).update(expires_at=now + timedelta(minutes=59))
    Market.objects.filter(pk=late.pk).update(expires_at=now + timedelta(minutes=61))
    assert [notify_of_closing_markets(now=now) for _ in range(2)] == [1, 0]
    ((kind, data),) = told(ann.id)
    assert (kind, data["marketId"]) == ("market_closing", str(soon.pk))
    assert told(bob.id) == []


def test_a_cause_that_is_told_again_writes_nothing(ann):
    cause = adjusted(ann)
    for _ in range(2):
        with transaction.atomic():
            notify([cause, cause], now=datetime.now(UTC))
    assert ann.page()["unreadCount"] == 1


def test_nobody_is_told_what_is_switched_off():
    market, ann = add_market(), sign_up("ann")
    Reader(ann.user).prefer(bet_lost={"inApp": False})
    ann.bet(market, 100, "that")
    ann.bet(market, 100, "this")
    end(market, "this")
    settle(market)
    assert outcomes(ann) == ["bet_won"]


def test_an_erasure_deletes_what_was_told_and_nothing_is_told_afterwards():
    market, ann = add_market(), sign_up("ann")
    ann.bet(market, 100)
    claim_daily_reward(user_id=ann.id, now=timezone.now())
    assert b'"daily_reward"' in b"".join(export_user(user_id=ann.id, now=timezone.now()))
    erase_user(user_id=ann.id, by=COMMAND_LINE, reason="Asked by mail.", now=timezone.now())
    end(market, "this")
    settle(market)
    assert told(ann.id) == []
