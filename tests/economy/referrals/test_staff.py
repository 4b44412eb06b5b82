"""Staff see who was counted and not paid for."""

import pytest
from django.test import Client

from accounts.models import User
from economy import rules
from tests.accounts.factories import sign_up, sign_up_verified

pytestmark = pytest.mark.django_db
PAGE = "/admin/economy/unpaidreferral/"


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(email="sue@example.com", username="sue", password="a long one"))
    return client


def test_staff_see_whom_nobody_was_paid_for(staff, monkeypatch):
    monkeypatch.setattr(rules, "REFERRAL_DAILY_CAP", 1)
    ann = sign_up("ann").user
    for name in ("paid_for", "unpaid_one", "unpaid_two"):
        sign_up_verified(name, referral_code=ann.referral_code)
    sign_up("came_alone")
    page = staff.get(PAGE).content.decode()
    assert ("unpaid_one" in page, "unpaid_two" in page) == (True, True)
    assert not [name for name in ("paid_for", "came_alone") if name in page]


def test_the_page_takes_as_many_queries_for_many_as_for_one(staff, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(rules, "REFERRAL_DAILY_CAP", 0)
    ann = sign_up("ann").user
    for count in (1, 8):
        for _ in range(count):
            sign_up_verified(referral_code=ann.referral_code)
        staff.get(PAGE)  # what waits for the staff is counted for the sidebar once a minute
        with django_assert_max_num_queries(6):
            assert staff.get(PAGE).status_code == 200


def test_nothing_is_edited_there(staff, monkeypatch):
    monkeypatch.setattr(rules, "REFERRAL_DAILY_CAP", 0)
    newcomer = sign_up(referral_code=sign_up("ann").user.referral_code).user
    assert staff.get(f"{PAGE}add/").status_code == 403
    assert staff.post(f"{PAGE}{newcomer.pk}/change/", {"username": "x"}).status_code == 404
    assert staff.post(f"{PAGE}{newcomer.pk}/delete/").status_code == 403


def test_it_is_for_staff(client):
    assert client.get(PAGE).status_code == 302
