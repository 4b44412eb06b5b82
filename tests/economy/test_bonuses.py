"""What a registration is worth, in the transaction that makes the user."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from accounts.models import User
from accounts.registration import user_registered, user_verified
from economy import rules
from economy.errors import AlreadyPosted
from economy.models import CreditTransaction
from tests.economy.factories import NOW, booked, ledger_entries, make_user


def register(name, referrer=None, now=NOW):
    """Somebody whose address is verified from the start."""
    with transaction.atomic():
        user = User.objects.create(email=f"{name}@example.com", username=name, referred_by=referrer)
        user_registered.send(sender=User, user=user, referrer=referrer, now=now)
        user_verified.send(sender=User, user=user, referrer=referrer, now=now)
    return user


def test_a_new_user_starts_with_a_thousand_credits(db):
    user = register("ann")
    assert ledger_entries(user, "transaction_type", "amount", "reference_id", "created_at") == [
        ("signup_bonus", 1000, user.pk, NOW)
    ]
    assert booked(user)["available_credits"] == 1000


def test_the_numbers_are_rules_that_an_operator_sets(db, monkeypatch):
    monkeypatch.setattr(rules, "STARTING_CREDITS", Decimal(5))
    monkeypatch.setattr(rules, "REFERRAL_BONUS_CREDITS", Decimal(7))
    ann = register("ann")
    register("bob", ann)
    assert (booked(ann)["credit_balance"], booked(ann)["referral_credits_earned"]) == (12, 7)


def test_a_bonus_of_nothing_is_no_row(db, monkeypatch):
    monkeypatch.setattr(rules, "STARTING_CREDITS", Decimal(0))
    assert ledger_entries(register("ann"), "pk") == []


def test_the_referrer_gets_two_hundred_about_the_new_user(db):
    ann = register("ann")
    bob = register("bob", ann)
    assert ledger_entries(ann, "transaction_type", "amount", "reference_id")[1] == ("referral_bonus", 200, bob.pk)
    assert booked(ann)["referral_credits_earned"] == 200
    assert booked(bob)["referral_credits_earned"] == 0


@pytest.mark.parametrize("with_referrer", [False, True])
def test_no_registration_is_rewarded_twice(db, with_referrer):
    ann = register("ann")
    bob = register("bob", ann)
    with pytest.raises(AlreadyPosted), transaction.atomic():
        user_registered.send(sender=User, user=bob, referrer=ann if with_referrer else None, now=NOW)
    assert (booked(ann)["credit_balance"], booked(bob)["credit_balance"]) == (1200, 1000)


def test_a_new_user_pays_one_referrer_only(db):
    ann, eve = register("ann"), register("eve")
    bob = register("bob", ann)
    CreditTransaction.objects.get(user=bob)
    with transaction.atomic():
        user_verified.send(sender=User, user=bob, referrer=eve, now=NOW)
    assert booked(eve)["credit_balance"] == 1000


def test_who_is_not_verified_brings_the_referrer_nothing(db):
    ann = register("ann")
    with transaction.atomic():
        bob = User.objects.create(email="bob@example.com", username="bob", referred_by=ann)
        user_registered.send(sender=User, user=bob, referrer=ann, now=NOW)
    assert (booked(ann)["credit_balance"], booked(bob)["credit_balance"]) == (1000, 1000)


def test_a_user_who_was_paid_for_at_sign_up_is_not_paid_for_again(db):
    """As those were who signed up before addresses were verified."""
    ann = register("ann")
    bob = register("bob", ann)
    with transaction.atomic():
        user_verified.send(sender=User, user=bob, referrer=ann, now=NOW)
    assert booked(ann)["referral_credits_earned"] == 200


def test_a_suspended_referrer_earns_nothing(db):
    ann = make_user("ann", is_active=False)
    bob = register("bob", ann)
    assert booked(ann)["journal_length"] == 0
    assert booked(bob)["credit_balance"] == 1000


def test_beyond_the_daily_cap_a_referrer_is_unpaid_until_midnight_utc(db, monkeypatch):
    monkeypatch.setattr(rules, "REFERRAL_DAILY_CAP", 2)
    ann = make_user("ann")
    evening = datetime(2026, 3, 5, 23, 59, 59, 999_999, tzinfo=UTC)
    for i, moment in enumerate([NOW, evening, evening, evening + timedelta(microseconds=1)]):
        register(f"new{i}", ann, now=moment)
    assert booked(ann)["referral_credits_earned"] == 600
    assert [day for (day,) in ledger_entries(ann, "created_at__day")] == [5, 5, 6]


@pytest.mark.django_db(transaction=True)
def test_a_registration_that_fails_leaves_no_credits():
    ann = make_user("ann")

    def fail_afterwards():
        with transaction.atomic():
            register("bob", ann)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_afterwards()
    assert not User.objects.filter(username="bob").exists()
    assert booked(ann)["journal_length"] == 0


def test_a_person_who_signs_up_over_http_has_the_credits_in_the_response(api, db):
    ann = register("ann")
    person = {"username": "bob", "email": "bob@example.com", "password": "long-and-strange-7", "name": "Bob"}
    response = api.post(
        "/api/v1/auth/signup", {**person, "referralCode": ann.referral_code}, content_type="application/json"
    )
    assert response.status_code == 201, response.content
    assert response.json()["user"]["creditBalance"] == 1000
    assert response.json()["user"]["availableCredits"] == 1000
    assert booked(ann)["credit_balance"] == 1000
