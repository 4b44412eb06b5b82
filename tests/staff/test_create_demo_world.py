"""A month made up for developers of pages, through the services."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from betting.models import Bet
from devtools.management.commands import create_demo_world
from economy.models import TransactionType
from markets.models import Market
from staff.models import CountedDay, LedgerDay, MarketExposure
from tests.betting.factories import assert_audit_passes

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_month_is_made_once_and_its_audit_passes(settings):
    settings.DEBUG = True
    said = StringIO()
    call_command("create_demo_world", stdout=said)
    bets = Bet.objects.count()
    assert said.getvalue().startswith(f"Made a month of {bets} bets by 20 users.")
    assert_audit_passes()
    assert CountedDay.objects.filter(active_users__gt=0).count() == 30
    assert MarketExposure.objects.count() == 8
    assert not Bet.objects.filter(placed_at__gt=timezone.now()).exists()
    kinds = set(LedgerDay.objects.values_list("transaction_type", flat=True))
    assert kinds >= set(TransactionType) - {
        "bet_refund",
        "settlement_reversal",
        "admin_adjustment",
        "stock_sale",
        "purchase_refund",
    }
    said = StringIO()
    call_command("create_demo_world", stdout=said)
    assert said.getvalue().startswith(f"The month is there already: {bets} bets by 20 users.")
    assert Bet.objects.count() == bets
    assert_audit_passes()


def test_what_an_earlier_run_left_undone_is_made(settings, monkeypatch):
    settings.DEBUG = True
    monkeypatch.setattr(create_demo_world, "live", stops_on_day(12, create_demo_world.live))
    with pytest.raises(KeyboardInterrupt):
        call_command("create_demo_world", stdout=StringIO())
    before = Bet.objects.count()
    monkeypatch.undo()
    said = StringIO()
    call_command("create_demo_world", stdout=said)
    assert Bet.objects.count() > before > 0
    assert "by 20 users" in said.getvalue()
    assert Market.objects.count() == 10
    assert_audit_passes()


def stops_on_day(last, live):
    def live_until(data, day, moments):
        live(data, day, moments)
        if day == last:
            raise KeyboardInterrupt

    return live_until


def test_it_is_for_development_alone():
    with pytest.raises(CommandError, match="DEBUG=true"):
        call_command("create_demo_world")
    assert not Bet.objects.exists()
