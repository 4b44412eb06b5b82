"""What the audit of the ledger checks of the economy: rewards, bonuses, adjustments and holds follow from a rule.

Rules are those that were recorded (`economy.recorded_rules`, a row's own columns, staff actions), never those of today.
"""

from accounts.activity import DAYS_KEPT
from economy.ledger.audit import SLACK, by_sql, register

# -- Rewards

REWARDS = "SELECT count(*) FROM daily_rewards"
REWARDS_UNLIKE_LEDGER = """
SELECT coalesce(reward.id, paid.id) AS id FROM daily_rewards AS reward FULL JOIN (
    SELECT id, reference_id, user_id, amount FROM credit_transactions WHERE transaction_type = 'daily_reward'
) AS paid ON paid.reference_id = reward.id
WHERE (paid.user_id, paid.amount) IS DISTINCT FROM (reward.user_id, reward.credits)
"""
WRONG_STREAKS = """
SELECT id FROM (
    SELECT id, streak, CASE WHEN lag(day) OVER days = day - 1 THEN lag(streak) OVER days + 1 ELSE 1 END AS counted
    FROM daily_rewards WINDOW days AS (PARTITION BY user_id ORDER BY day)
) AS rewards WHERE streak <> counted
UNION ALL
SELECT users.id FROM users LEFT JOIN (
    SELECT DISTINCT ON (user_id) user_id, streak,
        least(created_at, (day + 1)::timestamp AT TIME ZONE 'UTC' - interval '1 microsecond') AS counts_at
    FROM daily_rewards ORDER BY user_id, day DESC
) AS newest ON newest.user_id = users.id
WHERE (consecutive_days_online, last_daily_reward_at) IS DISTINCT FROM (coalesce(streak, 0), newest.counts_at)
"""
# There are few kinds of reward, however many rewards: each kind is compared with the schedules once.
REWARDS_UNLIKE_SCHEDULE = """
WITH wrong AS MATERIALIZED (
    SELECT streak, credits FROM (SELECT DISTINCT streak, credits FROM daily_rewards) AS kind WHERE NOT EXISTS (
        SELECT FROM recorded_rules WHERE name = 'daily_reward'
        AND round(numbers[least(streak, cardinality(numbers))], 2) = credits
    )
)
SELECT id FROM daily_rewards JOIN wrong USING (streak, credits)
"""
REWARDS_OF_OTHER_DAYS = f"""
SELECT reward.id FROM daily_rewards AS reward JOIN (
    SELECT reference_id, created_at FROM credit_transactions WHERE transaction_type = 'daily_reward'
) AS paid ON paid.reference_id = reward.id
WHERE (reward.created_at AT TIME ZONE 'UTC')::date - day NOT BETWEEN 0 AND {DAYS_KEPT}
OR (paid.created_at AT TIME ZONE 'UTC')::date - day NOT BETWEEN 0 AND {DAYS_KEPT}
"""  # noqa: S608 - constants
register(
    by_sql(
        "rewards",
        "Every daily reward was paid once, to its user, and none was paid without its row.",
        examined=REWARDS,
        breaches=REWARDS_UNLIKE_LEDGER,
    )
)
register(
    by_sql(
        "streaks",
        "A streak is the number of consecutive UTC days rewarded, and each user's is that of the newest reward.",
        examined=REWARDS,
        breaches=WRONG_STREAKS,
    )
)
register(
    by_sql(
        "reward_amounts",
        "Every daily reward is what a recorded schedule gives for its streak.",
        examined=REWARDS,
        breaches=REWARDS_UNLIKE_SCHEDULE,
    )
)
register(
    by_sql(
        "reward_days",
        f"Every daily reward was written and paid on the UTC day that it is for, or within {DAYS_KEPT} days after it.",
        examined=REWARDS,
        breaches=REWARDS_OF_OTHER_DAYS,
    )
)

# -- Bonuses

BONUSES = "SELECT count(*) FROM credit_transactions WHERE transaction_type IN ('signup_bonus', 'referral_bonus')"
# Each is given in the transaction of its reason: a registration, or the verification of the new user's address (before
# there was one, the registration). A referrer who is set later comes too late. That each is of the user, or for
# somebody referred, is checked by `bonuses`.
BONUSES_UNLIKE_RULES = f"""
SELECT bonus.id FROM credit_transactions AS bonus JOIN users AS newcomer ON newcomer.id = bonus.reference_id
LEFT JOIN recorded_rules AS rule ON rule.name = bonus.transaction_type AND rule.numbers = ARRAY[bonus.amount]
WHERE bonus.transaction_type IN ('signup_bonus', 'referral_bonus') AND (
    rule.id IS NULL OR NOT (
        bonus.created_at BETWEEN newcomer.created_at - {SLACK} AND newcomer.created_at + {SLACK}
        OR bonus.transaction_type = 'referral_bonus' AND newcomer.email_verified_at IS NOT NULL AND bonus.created_at
            BETWEEN newcomer.email_verified_at - {SLACK} AND newcomer.email_verified_at + {SLACK}
    )
)
UNION
SELECT id FROM (
    SELECT id, count(*) OVER (PARTITION BY user_id, (created_at AT TIME ZONE 'UTC')::date) AS paid
    FROM credit_transactions WHERE transaction_type = 'referral_bonus'
) AS bonus WHERE paid > coalesce((SELECT max(numbers[1]) FROM recorded_rules WHERE name = 'referral_daily_cap'), 0)
"""  # noqa: S608 - constants
register(
    by_sql(
        "bonus_rules",
        "Every bonus is of a recorded amount and from the moment when the new user registered, or a referrer's from "
        "when the new user's address was verified, and no referrer was paid for more of them in a UTC day than a "
        "recorded cap.",
        examined=BONUSES,
        breaches=BONUSES_UNLIKE_RULES,
    )
)

REFERRALS_MISCOUNTED = """
SELECT users.id FROM users LEFT JOIN (
    SELECT referred_by_id, count(*) AS referred FROM users WHERE referred_by_id IS NOT NULL GROUP BY referred_by_id
) AS counted ON counted.referred_by_id = users.id
WHERE referral_count <> coalesce(referred, 0)
"""
USERS = "SELECT count(*) FROM users"
register(
    by_sql(
        "referral_counts",
        "Every user's count of referrals is how many users were referred by them.",
        examined=USERS,
        breaches=REFERRALS_MISCOUNTED,
    )
)

# -- Notifications

NOTIFICATIONS_MISCOUNTED = """
SELECT users.id FROM users LEFT JOIN (
    SELECT user_id, max(sequence) AS newest,
        count(*) FILTER (WHERE read_at IS NULL AND sequence > notifications_read_through) AS unread
    FROM notifications JOIN users ON users.id = user_id GROUP BY user_id
) AS counted ON counted.user_id = users.id
WHERE unread_notifications <> coalesce(unread, 0) OR notification_sequence < coalesce(newest, 0)
"""
register(
    by_sql(
        "notification_counts",
        "Every user's count of unread notifications is that of the rows, and none is numbered beyond the user's last.",
        examined=USERS,
        breaches=NOTIFICATIONS_MISCOUNTED,
    )
)

# -- Adjustments and holds

ADJUSTMENTS = "SELECT count(*) FROM credit_adjustments"
# Nothing that waits or was declined is in the ledger.
ADJUSTMENTS_UNLIKE_LEDGER = """
SELECT coalesce(adjustment.id, reference_id) AS id
FROM (SELECT * FROM credit_adjustments WHERE status IN ('applied', 'approved')) AS adjustment
FULL JOIN (
    SELECT reference_id, user_id, amount FROM credit_transactions WHERE transaction_type = 'admin_adjustment'
) AS entries ON reference_id = adjustment.id
WHERE (adjustment.user_id, adjustment.amount) IS DISTINCT FROM (entries.user_id, entries.amount)
"""
# A limit that is raised or lowered during a day: each adjustment was within the day's sum and its own limit, so the sum
# is within the greatest.
ADJUSTED_ALONE = """
SELECT id FROM (
    SELECT id, sum(abs(amount)) OVER day AS moved, max(limit_in_force) OVER day AS greatest
    FROM credit_adjustments WHERE status = 'applied'
    WINDOW day AS (PARTITION BY user_id, requested_by_id, (created_at AT TIME ZONE 'UTC')::date)
) AS alone WHERE moved > greatest
UNION
SELECT id FROM credit_adjustments
WHERE status = 'approved' AND (decided_by_id IS NULL OR decided_by_id IN (requested_by_id, user_id))
"""
# Who applied or approved it, on record.
UNRECORDED_ADJUSTMENTS = """
SELECT adjustment.id FROM (
    SELECT id, CASE status WHEN 'applied' THEN 'adjust_credits' ELSE 'approve_adjustment' END AS action,
        CASE status WHEN 'applied' THEN requested_by_id ELSE decided_by_id END AS staff_id
    FROM credit_adjustments WHERE status IN ('applied', 'approved')
) AS adjustment LEFT JOIN (
    SELECT id AS action_id, action, staff_id, after ->> 'adjustment' AS adjustment_id FROM staff_actions
    WHERE action IN ('adjust_credits', 'approve_adjustment')
) AS recorded ON recorded.adjustment_id = adjustment.id::text AND recorded.action = adjustment.action
    AND recorded.staff_id IS NOT DISTINCT FROM adjustment.staff_id
WHERE action_id IS NULL
"""
ADJUSTMENTS_OUT_OF_ORDER = f"SELECT id FROM credit_adjustments WHERE decided_at < created_at - {SLACK}"  # noqa: S608
HOLDS_UNLIKE_ACTIONS = """
SELECT users.id FROM users LEFT JOIN (
    SELECT DISTINCT ON (target_id) target_id, (after ->> 'held')::numeric AS held FROM staff_actions
    WHERE target_type = 'accounts.user' AND action IN ('hold_credits', 'release_hold') ORDER BY target_id, id DESC
) AS newest ON newest.target_id = users.id::text
WHERE held_credits <> coalesce(newest.held, 0)
"""
register(
    by_sql(
        "adjustments",
        "What staff gave and took was asked for, and is in the ledger once; nothing that waits or was declined is.",
        examined=ADJUSTMENTS,
        breaches=ADJUSTMENTS_UNLIKE_LEDGER,
    )
)
register(
    by_sql(
        "adjustment_approvals",
        "What one of the staff moved alone to or from a user in a UTC day is within the limit that was in force, and "
        "all else was approved by another.",
        examined=ADJUSTMENTS,
        breaches=ADJUSTED_ALONE,
    )
)
register(
    by_sql(
        "adjustment_records",
        "Every adjustment that moved credits has the staff action of who applied or approved it.",
        examined=ADJUSTMENTS,
        breaches=UNRECORDED_ADJUSTMENTS,
    )
)
register(
    by_sql(
        "adjustment_times",
        "No adjustment was decided before it was asked for.",
        examined=ADJUSTMENTS,
        breaches=ADJUSTMENTS_OUT_OF_ORDER,
    )
)
register(
    by_sql(
        "holds",
        "What a user has on hold is what the newest staff action about it says; without one it is nothing.",
        examined=USERS,
        breaches=HOLDS_UNLIKE_ACTIONS,
    )
)
