"""Tables of ledger entries, daily rewards and unpaid referrals: read-only, at a cost that doesn't grow."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from economy.models import CreditTransaction, DailyReward, TransactionType
from tests.accounts.factories import sign_up_verified
from tests.betting.factories import sign_up
from tests.economy.factories import give, make_user
from tests.markets.factories import add_market
from tests.staff.pages import page, statements, text_of

pytestmark = pytest.mark.django_db
LEDGER_ENTRIES = "/admin/economy/credittransaction/"
REWARDS = "/admin/economy/dailyreward/"
UNPAID = "/admin/economy/unpaidreferral/"


@pytest.fixture
def ann(db):
    return make_user("ann", balance=1_000)


@pytest.fixture
def bob(db):
    return make_user("bob", balance=7)


def shown(browser, table, **query):
    return list(browser.get(table, query).context["cl"].result_list)


def test_the_list_of_entries_says_who_got_what_and_why(desk, ann):
    read = text_of(desk.get(LEDGER_ENTRIES))
    assert "@ann Admin adjustment Staff +1,000.00 1,000.00 Adjustment" in read
    assert page(ann) in desk.get(LEDGER_ENTRIES).content.decode()


def test_entries_of_bets_say_on_which_market(desk):
    bettor = sign_up("bettor")
    bettor.bet(add_market(title="Will the kettle boil?"), 100)
    assert ": Will the kettle boil?" in text_of(desk.get(LEDGER_ENTRIES))
    assert ": Will the kettle boil?" in text_of(desk.get(page(bettor.user)))


@pytest.mark.parametrize("term", ["bob", "BOB@example.com", "@bob"])
def test_one_users_rows_are_found_by_what_names_the_user(desk, ann, bob, term):
    give(bob, 5)
    assert [row.amount for row in shown(desk, LEDGER_ENTRIES, q=term)] == [5, 7]
    assert shown(desk, LEDGER_ENTRIES, q="nobody") == []


def test_a_row_is_found_by_what_it_is_about(desk, ann, bob):
    reference = uuid4()
    give(bob, 5, reference_id=reference)
    assert [row.amount for row in shown(desk, LEDGER_ENTRIES, q=reference)] == [5]
    row = CreditTransaction.objects.get(reference_id=reference)
    assert shown(desk, LEDGER_ENTRIES, q=row.pk) == [row]
    assert [row.user_id for row in shown(desk, LEDGER_ENTRIES, q=bob.pk)] == [bob.pk, bob.pk]


def test_kinds_and_counterparties_narrow_it(desk, ann, bob):
    give(bob, 5, transaction_type=TransactionType.CREDIT_PURCHASE)
    assert [row.amount for row in shown(desk, LEDGER_ENTRIES, transaction_type="credit_purchase")] == [5]
    assert [row.amount for row in shown(desk, LEDGER_ENTRIES, counterparty="store")] == [5]
    assert [row.amount for row in shown(desk, LEDGER_ENTRIES, transaction_type="admin_adjustment", q="bob")] == [7]
    assert len(shown(desk, LEDGER_ENTRIES, transaction_type="no such kind")) == 3


def test_a_row_has_its_page_of_words(desk, ann):
    row = CreditTransaction.objects.get(user=ann)
    read = text_of(desk.get(f"{LEDGER_ENTRIES}{row.pk}/change/"))
    assert "Admin adjustment: 1,000.00 credits" in read
    assert str(row.reference_id) in read
    assert "None" not in read


def test_tables_take_the_same_statements_however_many_rows_there_are(desk, ann, bob):
    sign_up_verified("friend", referral_code=ann.referral_code)
    few = [statements(desk, table) for table in (LEDGER_ENTRIES, REWARDS, UNPAID)]
    for number in range(60):
        give(ann, 1)
        reward(ann, number)
        User.objects.create_user(email=f"{number}@f.example", username=f"f{number:03}", referred_by=ann)
    assert [statements(desk, table) for table in (LEDGER_ENTRIES, REWARDS, UNPAID)] == few == [4, 4, 5]
    assert statements(desk, f"{LEDGER_ENTRIES}?q=ann") == statements(desk, f"{LEDGER_ENTRIES}?q=bob")


def reward(user, days_ago):
    then = timezone.now() - timedelta(days=days_ago)
    DailyReward.objects.create(user=user, day=then.date(), streak=1, credits=1_000, created_at=then)


@pytest.mark.parametrize("table", [LEDGER_ENTRIES, REWARDS, UNPAID])
def test_no_table_counts_further_than_it_shows(desk, ann, table):
    with CaptureQueriesContext(connection) as asked:
        desk.get(table)
    (count,) = [statement["sql"] for statement in asked if "COUNT(" in statement["sql"]]
    assert "LIMIT 10000" in count


def test_daily_rewards_are_listed_and_found_by_the_user(desk, ann, bob):
    reward(ann, 0)
    reward(bob, 3)
    assert [row.user.username for row in shown(desk, REWARDS, q="bob")] == ["bob"]
    assert "@bob Day 1 1,000.00" in text_of(desk.get(REWARDS))


def test_who_came_without_a_bonus_is_listed_with_who_brought_them(desk, ann, bob):
    paid = sign_up_verified("paid", referral_code=ann.referral_code).user
    unpaid = User.objects.create_user(email="u@f.example", username="unpaid", referred_by=ann)
    of_bob = User.objects.create_user(email="v@f.example", username="of_bob", referred_by=bob)
    assert {row.pk for row in shown(desk, UNPAID)} == {unpaid.pk, of_bob.pk}
    assert [row.pk for row in shown(desk, UNPAID, q="ann")] == [unpaid.pk]
    assert f"@{paid.username}" not in text_of(desk.get(UNPAID))


@pytest.mark.parametrize("table", [LEDGER_ENTRIES, REWARDS, UNPAID])
def test_nothing_is_added_changed_or_deleted_there(desk, ann, table):
    before = list(CreditTransaction.objects.values())
    assert desk.get(f"{table}add/").status_code == 403
    for row in CreditTransaction.objects.all():
        assert desk.post(f"{table}{row.pk}/delete/", {"post": "yes"}).status_code in (302, 403, 404)
        desk.post(f"{table}{row.pk}/change/", {"amount": "5"})
    assert list(CreditTransaction.objects.values()) == before


def test_unpaid_referrals_and_rewards_have_no_page(desk, ann):
    """A newcomer's would show the password's hash."""
    unpaid = User.objects.create_user(email="u@f.example", username="unpaid", password="x", referred_by=ann)
    reward(ann, 0)
    for address in (f"{UNPAID}{unpaid.pk}", f"{REWARDS}{DailyReward.objects.get().pk}"):
        assert desk.get(f"{address}/change/").status_code == 404


@pytest.mark.parametrize(
    ("kind", "amount", "leads_to"),
    [
        ("bet_placed", -5, "/admin/betting/bet/{reference}/change/"),
        ("bet_payout", 5, "/admin/betting/bet/{reference}/change/"),
        ("credit_purchase", 5, "/admin/purchases/creditpurchase/{reference}/change/"),
        ("referral_bonus", 5, "/admin/accounts/user/{reference}/change/"),
        ("admin_adjustment", 5, "/admin/economy/creditadjustment/{reference}/change/"),
        ("stock_purchase", -5, "/admin/economy/stocktransaction/?q={user}"),
    ],
)
def test_a_transfer_leads_to_what_it_is_about(desk, ann, kind, amount, leads_to):
    reference = uuid4()
    give(ann, amount, transaction_type=kind, reference_id=reference)
    address = leads_to.format(reference=reference, user=ann.pk)
    assert f'href="{address}"' in desk.get(LEDGER_ENTRIES).content.decode()
    assert f'href="{address}"' in desk.get(page(ann)).content.decode()
