"""Ways to break bets by raw SQL, with the application's own role: the database refuses it, by name."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from betting.models import Bet, BetSale
from tests.betting.factories import assert_audit_passes, everything, execute
from tests.markets.factories import add_market
from tests.roles import as_owner

pytestmark = pytest.mark.django_db
# ruff: noqa: S608 - statements against a database of the tests

# The constraint or trigger that refuses, and the statement. `{won}` and so on stand for what settles a bet.
SETTLED = "resolved_at = now(), settlement_count = settlement_count + 1"
TERMS = "id, user_id, market_id, side, amount, odds_at_bet, shares, placed_at"
COPIED = TERMS.replace("id, user_id", "new_id(), user_id")
ATTACKS: list[tuple[str, str]] = [
    ("bets_terms_never_change", "UPDATE bets SET amount = 200, shares = 333.33"),
    ("bets_terms_never_change", "UPDATE bets SET amount = amount + 0.01"),
    ("bets_terms_never_change", "UPDATE bets SET odds_at_bet = 0.0001, shares = 1000000"),
    ("bets_terms_never_change", "UPDATE bets SET shares = 10000"),
    ("bets_terms_never_change", "UPDATE bets SET side = 'that'"),
    ("bets_terms_never_change", "UPDATE bets SET user_id = (SELECT id FROM users WHERE username = 'bob')"),
    ("bets_terms_never_change", "UPDATE bets SET market_id = (SELECT id FROM markets ORDER BY id DESC LIMIT 1)"),
    ("bets_terms_never_change", "UPDATE bets SET placed_at = placed_at - interval '1 day'"),
    ("bets_terms_never_change", "UPDATE bets SET id = new_id()"),
    ("bets_terms_never_change", "UPDATE bets SET amount = 'NaN'"),
    ("bets_terms_never_change", "UPDATE bets SET user_id = NULL"),
    ("bets_never_deleted", "DELETE FROM bets"),
    ("bets_never_deleted", "DELETE FROM bets WHERE false"),
    ("bets_never_emptied", "TRUNCATE bets CASCADE"),
    ("bet_sales_append_only", "DELETE FROM bet_sales"),
    ("bet_sales_append_only", "UPDATE bet_sales SET payout = payout + 1"),
    ("bet_sales_append_only", "UPDATE bet_sales SET bet_id = (SELECT id FROM bets WHERE sale_count = 0)"),
    ("bet_sales_never_emptied", "TRUNCATE bet_sales"),
    ("bet_sales_never_emptied", "TRUNCATE bet_sales CASCADE"),
    ("bets_never_go_back", "UPDATE bets SET sold_amount = 0, sold_payout = 0, sale_count = 0"),
    ("bets_never_go_back", "UPDATE bets SET sold_amount = sold_amount - 1 WHERE sale_count > 0"),
    ("bets_never_go_back", "UPDATE bets SET status = 'pending', resolved_at = NULL WHERE status = 'sold'"),
    (
        "bets_never_go_back",
        f"UPDATE bets SET status = 'won', actual_payout = 0, {SETTLED} WHERE status = 'sold'",
    ),
    ("bets_agree_with_sales", "UPDATE bets SET sold_amount = 5, sold_shares = shares - trunc((amount - 5) / odds_at_bet, 2), sale_count = 1 WHERE sale_count = 0"),
    ("bets_agree_with_sales", "UPDATE bets SET sold_payout = sold_payout + 1 WHERE sale_count > 0 AND status = 'pending'"),
    ("bet_sales_agree_with_bet", "INSERT INTO bet_sales (id, occurrence, amount, shares, odds, payout, created_at, bet_id) SELECT new_id(), 1, 10, 16.66, 0.5, 8.33, now(), id FROM bets WHERE status = 'pending'"),
    ("bet_sales_once", "INSERT INTO bet_sales (id, occurrence, amount, shares, odds, payout, created_at, bet_id) SELECT new_id(), occurrence, amount, shares, odds, payout, now(), bet_id FROM bet_sales"),
    ("bets_begin_pending", f"INSERT INTO bets ({TERMS}, status, resolved_at) SELECT {COPIED}, 'sold', now() FROM bets"),
    ("bets_status_and_outcome", f"UPDATE bets SET status = 'won', actual_payout = 10000, {SETTLED} WHERE sale_count = 0"),
    ("bets_status_and_outcome", f"UPDATE bets SET status = 'lost', actual_payout = 5, {SETTLED} WHERE sale_count = 0"),
    ("bets_status_and_outcome", "UPDATE bets SET status = 'paused' WHERE sale_count = 0"),
    ("bets_settlements_counted", "UPDATE bets SET status = 'lost', actual_payout = 0, resolved_at = now() WHERE sale_count = 0"),
    ("bets_sold_means_nothing_at_stake", "UPDATE bets SET status = 'sold', resolved_at = now() WHERE sale_count = 0"),
    ("credit_transactions_append_only", "DELETE FROM credit_transactions WHERE transaction_type = 'bet_placed'"),
]  # fmt: skip


@pytest.fixture
def books(ann, new_player, kettle):
    """Ann has a bet, one partly sold and one sold; bob has one. Returns all that must stay as it is."""
    bob = new_player("bob")
    ann.bet(kettle, 100)
    part, whole = ann.bet(kettle, 50), ann.bet(kettle, 30)
    ann.sell(part, "20")
    ann.sell(whole)
    bob.bet(kettle, 10, "that")
    add_market(title="Another")
    connection.check_constraints()
    return lambda: [*everything(ann, bob), list(BetSale.objects.order_by("pk").values())]


def refuser(act: Callable[[], object]) -> str:
    """The name of what refused."""
    with pytest.raises(DatabaseError) as caught, as_owner(), transaction.atomic():
        at_once(act)
    return caught.value.__cause__.diag.constraint_name


def at_once(act: Callable[[], object]) -> None:
    """With what a commit would check."""
    act()
    connection.check_constraints()


@pytest.mark.parametrize(("by", "statement"), ATTACKS, ids=[statement for _, statement in ATTACKS])
def test_the_database_refuses_hand_written_changes(books, by, statement):
    before = books()
    assert refuser(lambda: execute(statement)) == by
    assert books() == before
    assert_audit_passes()


def test_there_are_ways_enough():
    assert len(ATTACKS) >= 30


def test_the_database_refuses_changes_through_the_orm_too(books, ann):
    before = books()
    bet = Bet.objects.filter(user=ann.user, sale_count=0).get()
    bet.amount, bet.shares = Decimal(1000), Decimal("1666.66")
    assert refuser(bet.save) == "bets_terms_never_change"
    assert refuser(lambda: Bet.objects.bulk_update([bet], ["amount", "shares"])) == "bets_terms_never_change"
    assert refuser(lambda: BetSale.objects.all()._raw_delete("default")) == "bet_sales_append_only"
    assert refuser(lambda: Bet.objects.filter(sale_count=0)._raw_delete("default")) == "bets_never_deleted"
    assert books() == before
