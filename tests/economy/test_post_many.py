"""Many transfers in one statement: the same as one after the other, all or nothing."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from economy.errors import AlreadyPosted, InsufficientCredits, UnknownUser
from economy.ledger import Batch, Transfer, audit, change_hold, post, post_from, post_many
from economy.models import CreditTransaction, TransactionType
from tests.economy.factories import NOW, adjustment, booked, execute, give, ledger_entries, make_user

cents = some.decimals(min_value=-2000, max_value=2000, places=2).filter(bool)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=some.lists(some.tuples(some.integers(0, 2), cents), max_size=12), held=some.sampled_from([0, 100, 999]))
def test_a_batch_does_what_its_transfers_do_one_by_one(db, steps, held):
    with transaction.atomic():
        outcomes = []
        for how in ("one by one", "together"):
            point = transaction.savepoint()
            users = [make_user(f"user{i}", balance=1000) for i in range(3)]
            change_hold(user_id=users[0].pk, change=Decimal(held), now=NOW)
            transfers = [adjustment(users[who], amount) for who, amount in steps]
            outcomes.append(outcome_of(how, transfers, users))
            transaction.savepoint_rollback(point)
        assert outcomes[0] == outcomes[1]


def outcome_of(how, transfers, users):
    try:
        with transaction.atomic():
            posted = (
                post_many(transfers, now=NOW)
                if how == "together"
                else [post(transfer, now=NOW) for transfer in transfers]
            )
    except InsufficientCredits:
        return "refused"
    responses = [(row.sequence, row.balance_after) for row in posted]
    return responses, [(booked(user), ledger_entries(user, "amount", "sequence", "balance_after")) for user in users]


def test_nothing_to_post_asks_nothing(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert post_many([], now=NOW) == []


def test_any_number_of_transfers_is_one_statement(ann, django_assert_num_queries):
    bob = make_user("bob")
    with django_assert_num_queries(1):
        posted = post_many([adjustment(bob if i % 2 else ann, 1) for i in range(200)], now=NOW)
    assert [row.user_id for row in posted[:3]] == [ann.pk, bob.pk, ann.pk]
    assert [row.sequence for row in posted[:4]] == [2, 1, 3, 2]
    assert (booked(ann)["credit_balance"], booked(bob)["credit_balance"]) == (1100, 100)
    assert audit.audit().passed


def test_one_transfer_too_many_undoes_the_batch(ann):
    bob = make_user("bob", balance=5)
    with pytest.raises(InsufficientCredits), transaction.atomic():
        post_many([adjustment(ann, 1), adjustment(bob, -6), adjustment(bob, 10)], now=NOW)
    assert (booked(ann)["journal_length"], booked(bob)["credit_balance"]) == (1, 5)


def test_an_event_twice_in_a_batch_undoes_the_batch(ann):
    same = adjustment(ann, 1)
    with pytest.raises(AlreadyPosted), transaction.atomic():
        post_many([same, same], now=NOW)
    assert booked(ann)["journal_length"] == 1


SOURCE = """
SELECT row_number() OVER () AS place, id AS user_id, {amount} AS amount, 'daily_reward' AS transaction_type,
    'issuance' AS counterparty, gen_random_uuid() AS reference_id, 0 AS occurrence, {staked} AS staked,
    'Daily reward' AS description
FROM {users} WHERE is_active
"""


def test_credits_are_posted_straight_from_a_select(ann, django_assert_num_queries):
    make_user("eve", is_active=False)
    make_user("bob")
    source = SOURCE.format(amount="%(reward)s::numeric", staked="0::numeric", users="users")
    with django_assert_num_queries(1):
        batch = post_from(source, parameters={"reward": Decimal("12.50")}, now=NOW)
    assert batch == Batch(transfers=2, users=2, amount=Decimal(25))
    assert booked(ann)["credit_balance"] == Decimal("1012.50")
    assert CreditTransaction.objects.filter(transaction_type="daily_reward", description="Daily reward").count() == 2
    assert audit.audit().passed


def test_a_select_of_nothing_posts_nothing(db):
    source = SOURCE.format(amount="1::numeric", staked="0::numeric", users="users")
    assert post_from(source, now=NOW) == Batch(0, 0, Decimal(0))


@pytest.mark.parametrize(
    ("amount", "staked"),
    [("0.1::float8", "0::numeric"), ("0.125", "0::numeric"), ("1.00", "0.5::float8"), ("1.00", "5.00")],
)
def test_a_select_of_floats_or_of_parts_of_cents_is_refused(ann, amount, staked):
    source = SOURCE.format(amount=amount, staked=staked, users="users")
    with pytest.raises(ValueError), transaction.atomic():
        post_from(source, now=NOW)
    assert booked(ann)["journal_length"] == 1


def test_a_select_of_somebody_unknown_is_refused(ann):
    users = "(SELECT id, is_active FROM users UNION ALL SELECT gen_random_uuid(), true) AS users"
    with pytest.raises(UnknownUser), transaction.atomic():
        post_from(SOURCE.format(amount="1.00", staked="0.00", users=users), now=NOW)
    assert booked(ann)["journal_length"] == 1


def test_a_select_that_takes_too_much_is_refused(ann):
    change_hold(user_id=ann.pk, change=Decimal(10), now=NOW)
    source = SOURCE.format(amount="-991.00", staked="0.00", users="users")
    source = source.replace("'daily_reward'", "'admin_adjustment'").replace("'issuance'", "'staff'")
    with pytest.raises(InsufficientCredits), transaction.atomic():
        post_from(source, now=NOW)
    assert booked(ann)["credit_balance"] == 1000


def test_balances_of_five_thousand_winners_are_right(ann):
    """Not those of a moment before: each row's balance follows from the user's row, locked."""
    users = [make_user(f"user{i}") for i in range(20)]
    bets = [(users[i % 20].pk, uuid4()) for i in range(5000)]
    kind = TransactionType.BET_PAYOUT
    for user in users:
        give(user, 1)
    winners = [
        Transfer(user_id=user_id, amount=Decimal("1.01"), transaction_type=kind, reference_id=bet)
        for user_id, bet in bets
    ]
    posted = post_many(winners, now=NOW)
    assert [row.balance_after for row in posted[-20:]] == [Decimal("253.50")] * 20
    assert not audit.audit().findings["chains"].broken
    assert audit.audit().findings["chains"].examined == 5021


def test_ids_made_by_the_database_are_uuids_of_version_7(ann):
    posted = post_many([adjustment(ann, 1) for _ in range(3)], now=NOW)
    assert all(isinstance(row.id, UUID) and row.id.version == 7 for row in posted)


def test_a_user_of_a_batch_is_locked_once_however_many_rows(ann):
    execute("SET LOCAL lock_timeout = '1s'")
    assert len(post_many([adjustment(ann, 1)] + [adjustment(ann, -1) for _ in range(3)], now=NOW)) == 4
