"""A month made up for developers of pages, through the services."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from betting.models import Bet
from economy.models import TransactionType
from staff.models import CountedDay, LedgerDay, MarketExposure
from tests.betting.factories import assert_audit_passes

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_month_is_made_once_and_its_audit_passes(settings):
    settings.DEBUG = True
    said = StringIO()
    call_command("create_demo_world", stdout=said)
    assert said.getvalue() == f"Made {Bet.objects.count()} bets; the admin shows them.\n"
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
    with pytest.raises(CommandError, match="It can be made once"):
        call_command("create_demo_world", stdout=StringIO())


def test_it_is_for_development_alone():
    with pytest.raises(CommandError, match="DEBUG=true"):
        call_command("create_demo_world")
    assert not Bet.objects.exists()
