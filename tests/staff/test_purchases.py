"""Purchases: the table, each one's trail, and the refund that staff confirm."""

import pytest

from accounts.models import User
from purchases.models import CreditPurchase
from tests.purchases.factories import arrive, assert_audit_passes
from tests.staff.pages import WHY, balance, records, statements, text_of

pytestmark = pytest.mark.django_db
PURCHASES = "/admin/purchases/creditpurchase/"


@pytest.fixture
def ann(db):
    return arrive("ann")


@pytest.fixture
def bought(ann):
    ann.buy("starter", externalId="order-1")
    return CreditPurchase.objects.get()


def page(purchase):
    return f"{PURCHASES}{purchase.pk}/change/"


def refund(purchase):
    return f"{PURCHASES}{purchase.pk}/refund/"


def shown(browser, **query):
    return list(browser.get(PURCHASES, query).context["cl"].result_list)


def test_a_purchase_is_shown_with_its_trail_in_words(desk, bought):
    read = text_of(desk.get(page(bought)))
    for words in ("Starter for @ann", "500.00", "$4.99", "Manual", "order-1", "started", "completed"):
        assert words in read
    assert "None" not in read
    assert "@ann Starter 500.00 $4.99 completed Manual" in text_of(desk.get(PURCHASES))


def test_a_purchase_is_found_by_its_user_its_id_and_the_providers_own(desk, bought):
    other = arrive("bob")
    other.buy("boost", externalId="order-2")
    for term in ("ann", "ann@example.com", bought.user_id, bought.pk, "order-1"):
        assert shown(desk, q=term) == [bought]
    assert shown(desk, q="order-3") == []
    assert len(shown(desk, status="completed")) == len(shown(desk, provider="manual")) == 2
    assert shown(desk, status="refunded") == shown(desk, provider="stripe") == []


def test_a_refund_says_what_it_takes_and_what_would_be_owed(desk, bought, ann):
    ann_now = User.objects.get(pk=ann.id)
    desk.post(f"/admin/accounts/user/{ann.id}/act/hold/", {"amount": "200", **WHY})
    read = text_of(desk.get(refund(bought)))
    assert "Available 300.00" in read
    assert "Would be owed 200.00" in read
    assert balance(ann_now) == 500


def test_a_refund_takes_the_credits_back_once_and_is_recorded(desk, boss, bought, ann):
    assert desk.post(refund(bought), WHY)["Location"] == page(bought)
    assert balance(User.objects.get(pk=ann.id)) == 0
    (record,) = records("refund_purchase")
    assert (record.staff, record.target_id) == (boss, str(bought.pk))
    read = text_of(desk.get(page(bought)))
    assert "boss" in read
    assert "Asked by mail." in read
    assert refund(bought) not in desk.get(page(bought)).content.decode()
    assert desk.post(refund(bought), WHY).status_code == 400
    assert desk.get(refund(bought)).status_code == 302
    assert_audit_passes()


@pytest.mark.parametrize("sent", [None, {}, {"reason": " "}])
def test_without_a_confirmation_and_a_reason_nothing_is_taken(desk, bought, ann, sent):
    desk.get(refund(bought)) if sent is None else desk.post(refund(bought), sent)
    assert balance(User.objects.get(pk=ann.id)) == 500


def test_support_sees_purchases_and_refunds_none(member, browser, bought, ann):
    sue = browser(member("sue", role="support"))
    assert refund(bought) not in sue.get(page(bought)).content.decode()
    for response in (sue.get(refund(bought)), sue.post(refund(bought), WHY)):
        assert response.status_code == 403
    assert balance(User.objects.get(pk=ann.id)) == 500


def test_the_table_takes_the_same_statements_however_many_there_are(desk, bought, ann):
    few = statements(desk, PURCHASES), statements(desk, page(bought))
    for number in range(20):
        arrive(f"buyer_{number}").buy("starter")
    assert (statements(desk, PURCHASES), statements(desk, page(bought))) == few == (4, 7)
