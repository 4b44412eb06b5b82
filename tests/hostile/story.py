"""Books in which everything that moves credits was done as it is to be done, for who then tries to bend them."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from uuid import uuid4

from django.apps import apps
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.registration import register
from accounts.staff import StaffMember, set_roles
from accounts.suspension import suspend_user
from betting.reversal import reverse_settlement
from core.db.transactions import run_transaction
from economy.adjustments import AdjustmentRequest, adjust_credits, decide_adjustment, hold_credits
from economy.ledger import anchors
from economy.rewards import claim_daily_reward
from economy.stocks.models import Stock
from economy.stocks.prices import ListedStock, list_stock, set_price
from economy.stocks.trading import buy_shares
from markets.house import Question, create_house_market
from markets.resolution.staff import resolve_market
from purchases.services import buy, prepare_purchase, refund_purchase
from tests.betting.factories import sign_up
from tests.betting.settlement.factories import settle
from tests.markets.factories import add_market
from tests.roles import as_owner

WHY = {"reason": "The story asks for it."}


def tell_story() -> SimpleNamespace:
    """Users `ann` (a player) and `bob`, whom she referred, staff `boss` and `second`, and all that they did."""
    now = timezone.now()
    boss, second = (
        StaffMember(User.objects.create_superuser(email=f"{name}@example.com", username=name), "192.0.2.7")
        for name in ("boss", "second")
    )
    ann = sign_up("ann")
    with transaction.atomic():
        terms = {"username": "bob", "email": "bob@example.com", "name": "Bob", "password": None}
        bob = register(**terms, referral_code=ann.user.referral_code, is_verified=True, now=now)
    claim_daily_reward(user_id=ann.id, now=now)
    kettle, urn = add_market(title="Kettle"), add_market(title="Urn")
    for market in (kettle, urn):
        ann.sell(ann.bet(market, 100), "40")
        resolve_market(market_id=market.pk, outcome="this", by=boss, now=timezone.now(), **WHY)
        settle(market)
    reverse_settlement(market_id=urn.pk, by=boss, now=timezone.now(), **WHY)
    give = partial(AdjustmentRequest, user_id=ann.id, **WHY)
    small = adjust_credits(give(amount=Decimal(50), request_id=uuid4()), by=boss, now=timezone.now())
    large = adjust_credits(give(amount=Decimal(20_000), request_id=uuid4()), by=boss, now=timezone.now())
    decide_adjustment(adjustment_id=large.pk, approve=True, by=second, now=timezone.now(), **WHY)
    hold_credits(user_id=ann.id, amount=Decimal(10), by=boss, now=timezone.now(), **WHY)
    order = prepare_purchase(user_id=ann.id, package_id="starter", provider_name="manual", external_id="")
    run_transaction(partial(buy, order, now=timezone.now()))
    listed = ListedStock("ACME", "Acme", "Makes things.", "10", 1_000, 5)
    run_transaction(partial(list_stock, listed, now=timezone.now()))
    set_roles(user_id=bob.pk, is_staff=True, roles=[], by=boss, now=timezone.now(), **WHY)
    return SimpleNamespace(ann=ann, bob=bob, boss=boss, second=second, small=small, large=large, urn=urn)


def make_roles() -> None:
    """Make the roles of staff as the migrations do; a test that commits leaves none."""
    with as_owner():
        for migration in ("0004_staff_rules", "0017_more_roles"):
            import_module(f"accounts.migrations.{migration}").make_roles(apps, None)


def go_on(story: SimpleNamespace) -> None:
    """More of the same: an open house market with a bet, shares, one who waits for approval, one suspended; anchored."""
    now, by = timezone.now(), {"by": story.boss, "now": timezone.now(), **WHY}
    words = {"title": "Will it rain?", "this_option": "Yes", "that_option": "No"}
    question = Question(**words, image_url="https://img.example/rain.png", expires_at=now + timedelta(days=1))
    make_roles()
    story.rain = create_house_market(question, this_odds=Decimal("0.5"), **by)
    story.ann.bet(story.rain, 70)
    asked = AdjustmentRequest(user_id=story.ann.id, amount=Decimal(30_000), request_id=uuid4(), **WHY)
    story.waiting = adjust_credits(asked, by=story.boss, now=timezone.now())
    acme = Stock.objects.get(symbol="ACME")
    run_transaction(
        partial(buy_shares, stock_id=acme.pk, shares=Decimal(5), leverage=1, user_id=story.ann.id, clock=timezone.now)
    )
    set_price(stock_id=acme.pk, price=Decimal(12), **by)
    story.carl = sign_up("carl")
    suspend_user(user_id=story.carl.id, **by)
    story.eve = sign_up("eve")
    order = prepare_purchase(user_id=story.eve.id, package_id="starter", provider_name="manual", external_id="")
    bought = run_transaction(partial(buy, order, now=timezone.now()))
    story.eve.bet(story.rain, 1400)
    refund_purchase(purchase_id=bought.purchase.pk, **by)
    story.published = [anchors.as_line(anchors.anchor(now=timezone.now()))]
