"""Real threads, real connections, committed transactions: what must not happen when everything happens at once."""

import random
from decimal import Decimal
from itertools import chain

import pytest
from django.db import OperationalError, connection, transaction

from accounts.models import User
from accounts.registration import user_registered, user_verified
from core.db.transactions import run_transaction, sqlstate_of
from economy import rules
from economy.errors import AlreadyPosted, InsufficientCredits
from economy.ledger import audit, post, post_many
from economy.models import CreditTransaction
from tests.concurrently import all_at_once
from tests.economy.factories import NOW, adjustment, booked, ledger_entries, make_user

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 40


def attempt(transfer):
    try:
        run_transaction(lambda: post(transfer, now=NOW))
    except InsufficientCredits:
        return "refused"
    except AlreadyPosted:
        return "booked before"
    return "posted"


def test_two_hundred_simultaneous_debits_of_a_tenth_succeed_ten_times():
    user = make_user("ann", balance=1000)
    outcomes = all_at_once(lambda: [attempt(adjustment(user, -100)) for _ in range(200 // THREADS)], THREADS)
    assert sorted(chain.from_iterable(outcomes)) == ["posted"] * 10 + ["refused"] * 190
    assert booked(user)["credit_balance"] == 0
    assert [row[0] for row in ledger_entries(user, "balance_after")] == [Decimal(1000 - 100 * i) for i in range(11)]
    assert audit.audit().passed


def test_deposits_and_debits_at_once_lose_nothing():
    user = make_user("ann", balance=100)
    outcomes = all_at_once(
        lambda: [(amount, attempt(adjustment(user, amount))) for amount in random.choices([7, -7, -60], k=5)], THREADS
    )
    moved = sum(amount for amount, outcome in chain.from_iterable(outcomes) if outcome == "posted")
    assert booked(user)["credit_balance"] == 100 + moved
    assert audit.audit().passed


def test_one_event_booked_by_many_at_once_is_booked_once():
    user = make_user("ann")
    same = adjustment(user, 50)
    outcomes = all_at_once(lambda: attempt(same), THREADS)
    assert sorted(outcomes) == ["booked before"] * (THREADS - 1) + ["posted"]
    assert booked(user)["credit_balance"] == 50


def test_batches_over_the_same_users_in_any_order_never_deadlock():
    users = [make_user(f"user{i}") for i in range(10)]

    def batch():
        mixed = random.sample(users, len(users))
        # No second try: that there is no collision is the point.
        with transaction.atomic():
            post_many([adjustment(user, 1) for user in mixed], now=NOW)

    all_at_once(lambda: [batch() for _ in range(5)], 20)
    assert {booked(user)["credit_balance"] for user in users} == {100}
    assert audit.audit().passed


def register(number, referrer, name="new"):
    with transaction.atomic():
        user = User.objects.create(
            email=f"{name}{number}@example.com", username=f"{name}{number}", referred_by=referrer
        )
        user_registered.send(sender=User, user=user, referrer=referrer, now=NOW)
        user_verified.send(sender=User, user=user, referrer=referrer, now=NOW)


def test_registrations_with_one_referrer_at_once_pay_each_once():
    referrer = make_user("ann")
    numbers = iter(range(THREADS))
    all_at_once(lambda: register(next(numbers), referrer), THREADS)
    facts = booked(referrer)
    assert (facts["credit_balance"], facts["referral_credits_earned"]) == (200 * THREADS, 200 * THREADS)
    assert CreditTransaction.objects.filter(transaction_type="signup_bonus").count() == THREADS
    assert audit.audit().passed


def test_the_daily_cap_holds_for_registrations_at_once(monkeypatch):
    monkeypatch.setattr(rules, "REFERRAL_DAILY_CAP", 3)
    referrer = make_user("ann")
    numbers = iter(range(20))
    all_at_once(lambda: register(next(numbers), referrer), 20)
    assert booked(referrer)["referral_credits_earned"] == 600


def test_a_lock_that_takes_too_long_is_given_up_and_nothing_happened():
    user = make_user("ann", balance=5)

    def wait_for_it():
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL lock_timeout = '100ms'")
                post(adjustment(user, 1), now=NOW)
        except OperationalError as exc:
            return sqlstate_of(exc)

    with transaction.atomic():
        post(adjustment(user, 1), now=NOW)
        assert all_at_once(wait_for_it, 1) == ["55P03"]
    assert booked(user)["credit_balance"] == 6


def test_a_collision_is_tried_again_a_few_times_then_raised():
    user, tries = make_user("ann"), []

    def collide(times, state):
        tries.append(1)
        post(adjustment(user, 1), now=NOW)
        if len(tries) <= times:
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")

    for state in ("40001", "40P01", "55P03"):
        tries.clear()
        run_transaction(lambda state=state: collide(2, state))
        assert len(tries) == 3
    assert booked(user)["credit_balance"] == 3
    tries.clear()
    with pytest.raises(OperationalError):
        run_transaction(lambda: collide(99, "40P01"))
    assert len(tries) == 5
    assert booked(user)["credit_balance"] == 3


def test_what_is_no_collision_is_not_tried_again():
    tries = []

    def fail():
        tries.append(1)
        raise InsufficientCredits

    with pytest.raises(InsufficientCredits):
        run_transaction(fail)
    assert len(tries) == 1
