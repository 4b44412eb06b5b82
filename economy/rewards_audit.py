"""What the audit of the ledger checks of daily rewards."""

from economy.ledger.audit import by_sql, register

REWARDS = "SELECT count(*) FROM daily_rewards"
REWARDS_UNLIKE_JOURNAL = """
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
    SELECT DISTINCT ON (user_id) user_id, streak, created_at FROM daily_rewards ORDER BY user_id, day DESC
) AS newest ON newest.user_id = users.id
WHERE (consecutive_days_online, last_daily_reward_at) IS DISTINCT FROM (coalesce(streak, 0), newest.created_at)
"""

register(
    by_sql(
        "rewards",
        "Every daily reward was paid once, to its user, and none was paid without its row.",
        examined=REWARDS,
        breaches=REWARDS_UNLIKE_JOURNAL,
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
