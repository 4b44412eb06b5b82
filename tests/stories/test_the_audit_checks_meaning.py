"""Whoever owns the tables forges what is whole in structure and means nothing: the audit names it, and the ids."""

from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import StaffAction, User
from economy.ledger import Transfer, post
from economy.ledger.audit import audit
from economy.models import CreditAdjustment, CreditTransaction, TransactionType
from economy.rewards import claim_daily_reward
from tests.betting.factories import sign_up
from tests.hostile.story import WHY, make_roles, tell_story
from tests.roles import as_superuser

pytestmark = pytest.mark.django_db
# ruff: noqa: S608 - statements against a database of the tests


@pytest.fixture
def story(db) -> SimpleNamespace:
    return tell_story()


def broken() -> dict[str, list[str]]:
    """What the audit found, but for the schema, which `forge` leaves another."""
    findings = {name: finding for name, finding in audit().findings.items() if name != "schema"}
    return {name: finding.examples for name, finding in findings.items() if finding.broken}


def forge(*statements: str) -> None:
    """Execute SQL as the owner of the tables does: with no trigger, and without the constraints that it breaks."""
    tables = (
        *("users", "credit_transactions", "credit_adjustments", "daily_rewards", "recorded_rules", "bets", "bet_sales"),
        *("market_resolutions", "purchase_events", "staff_actions", "stocks"),
    )
    dropped = (
        *(
            ("bets", "bets_odds_in_range"),
            ("bets", "bets_payout_is_stake_over_odds"),
            ("bets", "bets_sold_shares_follow_the_stake"),
            ("bets", "bets_status_and_outcome"),
        ),
        *(
            ("credit_adjustments", "credit_adjustments_decided_by_another"),
            ("credit_adjustments", "credit_adjustments_alone_within_limit"),
            ("bets", "bets_sales_in_range"),
        ),
        ("daily_rewards", "daily_rewards_day_has_begun"),
    )
    with as_superuser(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for table, constraint in dropped:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        for statement in statements:
            cursor.execute(statement)
            assert cursor.rowcount, statement


def ids(select: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(select)
        return sorted(str(found) for (found,) in cursor.fetchall())


def test_the_honest_story_passes(story):
    assert broken() == {}


BONUS = "SELECT id FROM credit_transactions WHERE transaction_type = 'referral_bonus'"
ANN, BOB = ("SELECT id FROM users WHERE username = 'ann'", "SELECT id FROM users WHERE username = 'bob'")
ALONE = "SELECT id FROM credit_adjustments WHERE status = 'applied'"
APPROVED = "SELECT id FROM credit_adjustments WHERE status = 'approved'"
REWARD, SALE = "SELECT id FROM daily_rewards", "SELECT bet_id FROM bet_sales"
SETTLED = "SELECT id FROM bets WHERE status = 'won'"
IN_FORCE = "SELECT id FROM settlements WHERE reversed_at IS NULL"
UNDONE = "SELECT id FROM settlements WHERE reversed_at IS NOT NULL"
PURCHASE, STOCK = "SELECT id FROM credit_purchases", "SELECT id FROM stocks"
BOTH_BONUSES = (
    "SELECT id FROM credit_transactions WHERE transaction_type IN ('signup_bonus', 'referral_bonus')"
    " AND reference_id IN (SELECT id FROM users WHERE username = 'bob')"
)
# The invariant that finds it, what is done, and the ids that are named.
FORGED = [
    ("adjustment_approvals", "UPDATE credit_adjustments SET limit_in_force = 49.99 WHERE status = 'applied'", ALONE),
    (
        "adjustment_approvals",
        "UPDATE credit_adjustments SET decided_by_id = requested_by_id WHERE status = 'approved'",
        APPROVED,
    ),
    ("adjustment_records", "DELETE FROM staff_actions WHERE action = 'adjust_credits'", ALONE),
    ("adjustment_records", "UPDATE staff_actions SET staff_id = NULL WHERE action = 'approve_adjustment'", APPROVED),
    (
        "adjustment_times",
        "UPDATE credit_adjustments SET decided_at = created_at - interval '1 day' WHERE status = 'approved'",
        APPROVED,
    ),
    ("holds", "UPDATE users SET held_credits = 0 WHERE username = 'ann'", ANN),
    ("holds", "UPDATE users SET held_credits = 5 WHERE username = 'bob'", BOB),
    ("holds", "DELETE FROM staff_actions WHERE action = 'hold_credits'", ANN),
    ("reward_amounts", "UPDATE daily_rewards SET credits = 1000000", REWARD),
    ("reward_amounts", "UPDATE daily_rewards SET streak = 2", REWARD),
    ("reward_days", "UPDATE daily_rewards SET day = day + 2", REWARD),
    ("bonus_rules", "UPDATE credit_transactions SET amount = 20000 WHERE transaction_type = 'referral_bonus'", BONUS),
    (
        "bonus_rules",
        (
            "UPDATE users SET created_at = created_at - interval '1 day',"
            " email_verified_at = email_verified_at - interval '1 day' WHERE username = 'bob'"
        ),
        BOTH_BONUSES,
    ),
    ("bonus_rules", "UPDATE recorded_rules SET numbers = '{0}' WHERE name = 'referral_daily_cap'", BONUS),
    ("purchase_payments", "UPDATE credit_purchases SET provider = 'stripe'", PURCHASE),
    ("purchase_payments", "UPDATE credit_purchases SET provider = 'stripe', checkout_id = 'cs_1'", PURCHASE),
    ("purchase_packages", "UPDATE credit_purchases SET credits = 5000", PURCHASE),
    ("purchase_packages", "UPDATE credit_purchases SET usd_amount = 0.01", PURCHASE),
    ("purchase_times", "UPDATE credit_purchases SET completed_at = created_at - interval '1 day'", PURCHASE),
    ("bet_terms", "UPDATE bets SET odds_at_bet = 1.5 WHERE status = 'won'", SETTLED),
    ("bet_terms", "UPDATE bets SET shares = shares + 1 WHERE status = 'won'", SETTLED),
    ("sales", "UPDATE bet_sales SET payout = payout + 1", SALE),
    ("sales", "UPDATE bet_sales SET odds = 0.9", SALE),
    ("bet_times", "UPDATE bets SET resolved_at = placed_at - interval '1 day' WHERE status = 'won'", SETTLED),
    ("bet_times", "UPDATE bet_sales SET created_at = created_at - interval '1 day'", SALE),
    (
        "bet_times",
        "UPDATE settlements SET finished_at = started_at - interval '1 day' WHERE reversed_at IS NULL",
        IN_FORCE,
    ),
    ("resolutions", "UPDATE market_resolutions SET decision = 'that' WHERE decision = 'this'", IN_FORCE),
    ("resolutions", "DELETE FROM market_resolutions WHERE decision = 'this'", IN_FORCE),
    ("resolutions", "UPDATE markets SET resolution = 'that' WHERE resolution IS NOT NULL", IN_FORCE),
    ("resolutions", "DELETE FROM market_resolutions WHERE decision = 'reopened'", UNDONE),
    ("stock_terms_recorded", "UPDATE stocks SET total_supply = 2 * total_supply", STOCK),
    ("stock_terms_recorded", "UPDATE stocks SET max_leverage = 50", STOCK),
    ("staff_roles", "UPDATE users SET is_superuser = true WHERE username = 'bob'", BOB),
    ("staff_roles", "UPDATE users SET is_staff = true WHERE username = 'ann'", ANN),
    ("staff_roles", "DELETE FROM staff_actions WHERE action = 'set_roles'", BOB),
    (
        "staff_roles",
        f"INSERT INTO users_groups (user_id, group_id) SELECT ({ANN}), id FROM auth_group WHERE name = 'support'",
        ANN,
    ),
    (
        "staff_roles",
        f"INSERT INTO users_user_permissions (user_id, permission_id) SELECT ({ANN}), min(id) FROM auth_permission",
        ANN,
    ),
]


@pytest.mark.parametrize(("invariant", "statement", "named"), FORGED, ids=[f"{name}: {sql}" for name, sql, _ in FORGED])
def test_what_follows_from_no_rule_and_no_record_is_named(story, invariant, statement, named):
    make_roles()
    forge(statement)
    assert broken()[invariant] == ids(named)
    assert ids(named)


def test_ten_million_credits_that_nobody_approved_are_found(story):
    """Whole in structure: a ledger entry and an adjustment within the limit that it claims."""
    forged = CreditAdjustment.objects.create(
        request_id=uuid4(),
        user=story.bob,
        amount=10_000_000,
        limit_in_force=10_000_000,
        requested_by=story.boss.user,
        status=CreditAdjustment.Status.APPLIED,
        created_at=timezone.now(),
        **WHY,
    )
    entry = {"user_id": story.bob.pk, "amount": Decimal(10_000_000), "reference_id": forged.pk}
    with transaction.atomic():
        post(Transfer(**entry, transaction_type=TransactionType.ADMIN_ADJUSTMENT), now=timezone.now())
    assert broken() == {"adjustment_records": [str(forged.pk)]}


def test_a_limit_is_for_a_day_and_parts_add_up(story):
    for _ in range(2):
        adjustment = {"user": story.bob, "amount": 6_000, "limit_in_force": 10_000, "requested_by": story.boss.user}
        CreditAdjustment.objects.create(
            **adjustment, request_id=uuid4(), status="applied", created_at=timezone.now(), **WHY
        )
    forged = CreditAdjustment.objects.filter(user=story.bob).values_list("pk", flat=True)
    assert broken()["adjustment_approvals"] == sorted(map(str, forged))


def test_what_an_operator_changes_later_breaks_nothing(story, monkeypatch):
    monkeypatch.setattr("economy.rules.STARTING_CREDITS", Decimal(5))
    monkeypatch.setattr("economy.rules.REFERRAL_BONUS_CREDITS", Decimal(6))
    monkeypatch.setattr("economy.rules.REFERRAL_DAILY_CAP", 0)
    monkeypatch.setattr("economy.rules.DAILY_REWARDS", [Decimal(7)])
    monkeypatch.setattr("economy.rules.ADMIN_ADJUSTMENT_LIMIT", Decimal(8))
    monkeypatch.setattr("purchases.rules.PURCHASE_PACKAGES", "starter:9:0.99")
    assert broken() == {}
    sign_up("eve")
    claim_daily_reward(user_id=story.bob.pk, now=timezone.now())
    assert broken() == {}


def test_an_entry_that_is_older_than_the_one_before_is_found(story):
    last = CreditTransaction.objects.filter(user=story.bob).latest("sequence")
    entry = {"user_id": story.bob.pk, "amount": Decimal(5), "reference_id": uuid4()}
    with transaction.atomic():
        posted = post(
            Transfer(**entry, transaction_type=TransactionType.ADMIN_ADJUSTMENT),
            now=last.created_at - timedelta(hours=1),
        )
    assert broken()["times"] == [str(posted.id)]


def test_a_superuser_made_by_the_command_is_on_record(story):
    call_command("createsuperuser", "--noinput", username="root", email="root@example.com", verbosity=0)
    root = User.objects.get(username="root")
    record = StaffAction.objects.get(target_id=str(root.pk))
    assert (record.action, record.staff, record.after["superuser"]) == ("create_superuser", None, True)
    assert broken() == {}
