"""GET /purchases/me: the user's own purchases, newest first."""

import pytest

from tests.purchases.factories import PURCHASES, refund, refusal

pytestmark = pytest.mark.django_db


def test_they_are_listed_newest_first_as_they_were_answered(ann):
    bought = [ann.buy(package) for package in ("starter", "pro", "whale")]
    assert ann.mine() == bought[::-1]


def test_nobody_elses_are_shown(ann, bob):
    ann.buy()
    assert bob.mine() == []


def test_a_refund_shows_in_the_status(ann, sue):
    refund(ann.buy(), sue)
    assert [purchase["status"] for purchase in ann.mine()] == ["refunded"]


def test_it_takes_as_many_queries_for_many_as_for_none(ann, django_assert_num_queries):
    for count in (0, 1, 5):
        for _ in range(count):
            ann.buy()
        # The token's user, when the user was last active (once), the purchases.
        with django_assert_num_queries(2 if count else 3):
            ann.mine()


def test_nobody_sees_any_unknown(api, db):
    refusal(api.get(f"{PURCHASES}/me"), 401, "not_authenticated")
