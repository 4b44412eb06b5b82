"""What waits for whom of the staff: first on the dashboard, and as badges in the sidebar."""

import html
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.staff import StaffMember
from betting.models import Bet, SettlementFailure
from core.db.sql import new_id
from economy.adjustments import AdjustmentRequest, adjust_credits
from markets.models import Market, MarketResolution
from purchases.models import CreditPurchase, PurchaseEvent
from tests.betting.factories import sign_up
from tests.economy.factories import make_user
from tests.markets.factories import add_market, add_past
from tests.staff.factories import add_job, add_run
from tests.staff.pages import WHY, records, text_of

pytestmark = pytest.mark.django_db
FIRST = "/admin/"


def inbox(browser) -> str:
    """What the dashboard says first."""
    page = browser.get(FIRST).content.decode()
    section = re.search(r'id="inbox">(.*?)</section>', page, re.DOTALL)[1]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", section)).split())


def badge(browser, name: str) -> str:
    """What the sidebar says beside a page's name."""
    address = reverse(f"admin:{name}")
    page = browser.get("/admin/economy/stock/").content.decode()
    link = re.search(rf'<a href="{address}"[^>]*>(.*?)</a>', page, re.DOTALL)[1]
    found = re.search(r"<span[^>]*(?:bg-red|text-red)[^>]*>\s*(\S.*?)\s*</span>", link, re.DOTALL)
    return found[1] if found else ""


def ask_for_credits(by):
    ann = make_user("ann", balance=0)
    request = AdjustmentRequest(user_id=ann.pk, amount=Decimal(100_000), reason="A prize.", request_id=new_id())
    return adjust_credits(request, by=StaffMember(by), now=timezone.now())


def dispute(note="The bank took $9.99 back.", ago=60):
    user = make_user("payer", balance=0)
    purchase = CreditPurchase.objects.create(
        user=user, package_id="starter", credits=1_000, usd_amount="9.99", status="completed", provider="stripe",
        external_id="pi_1", created_at=timezone.now(), completed_at=timezone.now(),
    )  # fmt: skip
    at = timezone.now() - timedelta(seconds=ago)
    PurchaseEvent.objects.create(purchase=purchase, kind="disputed", note=note, created_at=at)
    return purchase


def test_where_nothing_waits_it_says_so(desk):
    assert inbox(desk) == "Waiting for you Nothing waits for you."
    assert badge(desk, "markets_market_changelist") == ""


def test_a_market_that_only_staff_can_end_waits_until_they_did(desk):
    market = add_past("closed", title="Will the kettle boil?")
    assert "Markets to decide 1 Will the kettle boil? Ended: decide it" in inbox(desk)
    assert badge(desk, "markets_market_changelist") == "1"
    assert f'href="{reverse("admin:markets_market_change", args=[market.pk])}"' in desk.get(FIRST).content.decode()
    desk.post(reverse("admin:markets_market_decide", args=[market.pk, "this"]), WHY)
    assert badge(desk, "markets_market_changelist") == "", "what was just done waits no more"
    assert inbox(desk) == "Waiting for you Nothing waits for you."


@pytest.mark.parametrize(
    ("decision", "matter"),
    [("unknown", "Polymarket's result is unknown"), ("disagreement", "The sources disagree")],
)
def test_it_says_what_is_the_matter(desk, decision, matter):
    market = add_past("closed")
    MarketResolution.objects.create(
        market=market, decision=decision, source="polymarket", reason="So it is.", seen_at=timezone.now()
    )
    assert matter in inbox(desk)


def test_many_are_counted_and_the_first_are_shown(desk):
    for number in range(7):
        add_past("closed", title=f"Number {number}?")
    said = inbox(desk)
    assert "Markets to decide 7 All of them" in said
    assert said.count("Number") == 5
    assert desk.get("/admin/markets/market/?needs=staff").content.decode().count("Number ") >= 7


def test_an_adjustment_waits_for_everybody_but_who_asked(desk, boss, member, browser):
    ask_for_credits(boss)
    assert inbox(desk) == "Waiting for you Nothing waits for you."
    other = browser(member("vera", superuser=True))
    assert "Adjustments to approve 1 @ann 100,000.00 credits, requested by boss: A prize." in inbox(other)
    assert badge(other, "economy_creditadjustment_changelist") == "1"


def test_failed_settlements_wait_by_market(desk):
    ann, market = sign_up("ann"), add_market(title="Will the kettle boil?")
    ann.bet(market, 100)
    Market.objects.filter(pk=market.pk).update(status="resolved", resolution="this", resolved_at=timezone.now())
    SettlementFailure.objects.create(bet=Bet.objects.get(), market=market, error="refused", failed_at=timezone.now())
    assert "Failed settlements 1 Will the kettle boil? 1 bet couldn't be settled" in inbox(desk)


def test_a_disputed_purchase_waits_until_somebody_judged_it(desk):
    purchase = dispute()
    assert "Disputed purchases 1 Starter of @payer The bank took $9.99 back. 1 min ago" in inbox(desk)
    page = reverse("admin:purchases_creditpurchase_change", args=[purchase.pk])
    close = reverse("admin:purchases_creditpurchase_dispute", args=[purchase.pk])
    assert close in desk.get(page).content.decode()
    assert "The bank took $9.99 back." in text_of(desk.get(close))
    assert desk.post(close, WHY).status_code == 302
    assert inbox(desk) == "Waiting for you Nothing waits for you."
    (record,) = records("close_dispute")
    assert (record.target_id, record.after) == (str(purchase.pk), {"judged": ["The bank took $9.99 back."]})
    assert close not in desk.get(page).content.decode()
    assert desk.post(close, WHY).status_code == 409
    later = PurchaseEvent(purchase=purchase, kind="disputed", note="Again.", created_at=timezone.now())
    later.save()
    assert "Again." in inbox(desk)


def test_late_and_failed_jobs_wait(desk):
    add_job("count-days", "staff.count_days")
    add_run("staff.count_days", "failed", ago=30)
    add_run("staff.count_days", ago=90)
    assert "Jobs that are late or failed 1 Count days its last run failed last success 1 min ago" in inbox(desk)
    add_run("staff.count_days", ago=5)
    assert inbox(desk) == "Waiting for you Nothing waits for you."


def test_a_deletion_waits_once_the_job_should_have_erased_the_account(desk):
    ann = make_user("ann", balance=0)
    now = timezone.now()
    leaving = User.objects.filter(pk=ann.pk)
    leaving.update(is_active=False, deletion_due_at=now - timedelta(hours=1))
    assert inbox(desk) == "Waiting for you Nothing waits for you."
    leaving.update(deletion_due_at=now - timedelta(hours=3))
    assert "Overdue deletions 1 @ann The account isn't erased, though its time is over 3 h ago" in inbox(desk)


def test_each_role_is_told_of_what_it_may_do(member, browser, boss):
    add_past("closed", title="Will the kettle boil?")
    dispute()
    ask_for_credits(boss)
    assert inbox(browser(member("sue", role="support"))) == "Waiting for you Nothing waits for you."
    manager = inbox(browser(member("max", role="market managers")))
    assert "Markets to decide" in manager
    assert "Disputed" not in manager
    assert "Adjustments" not in manager
