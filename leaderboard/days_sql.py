"""What users staked and realized on each day: set-based, writing only what differs."""

# What moved credits in a span of time, by user and UTC day. The journal has no row for a lost bet (nothing is paid), so
# realized profit is read where it is decided: a settled bet's payout less what was left of its stake, a sale's payout
# less the part sold, a stock sale's or liquidation's proceeds less what was invested. A refund realizes nothing.
# docs/ledger.md: `amount + staked` of the same events.
EVENTS = """
SELECT user_id, created_at AS moment, -amount AS volume, 0 AS realized_pnl FROM credit_transactions
WHERE transaction_type = 'bet_placed' AND created_at >= %(from_at)s AND created_at < %(until_at)s
UNION ALL
SELECT user_id, resolved_at, 0, actual_payout - (amount - sold_amount) FROM bets
WHERE status IN ('won', 'lost') AND resolved_at >= %(from_at)s AND resolved_at < %(until_at)s
UNION ALL
SELECT bets.user_id, sale.created_at, 0, sale.payout - sale.amount
FROM bet_sales AS sale JOIN bets ON bets.id = sale.bet_id
WHERE sale.created_at >= %(from_at)s AND sale.created_at < %(until_at)s
UNION ALL
SELECT user_id, created_at, 0, total_amount - invested FROM stock_transactions
WHERE type IN ('sell', 'liquidation') AND created_at >= %(from_at)s AND created_at < %(until_at)s
"""
# `from_at` and `until_at` are midnights: whole days are counted again. Whose day differs has stale standings.
COUNT_DAYS = f"""
WITH counted AS MATERIALIZED (
    SELECT (moment AT TIME ZONE 'UTC')::date AS day, user_id, sum(volume) AS volume, sum(realized_pnl) AS realized_pnl
    FROM ({EVENTS}) AS events GROUP BY 1, 2
), gone AS (
    DELETE FROM user_days WHERE day >= (%(from_at)s::timestamptz AT TIME ZONE 'UTC')::date
    AND day < (%(until_at)s::timestamptz AT TIME ZONE 'UTC')::date
    AND NOT EXISTS (SELECT FROM counted WHERE counted.day = user_days.day AND counted.user_id = user_days.user_id)
    RETURNING user_id
), written AS (
    INSERT INTO user_days AS known (day, user_id, volume, realized_pnl)
    SELECT day, user_id, volume, realized_pnl FROM counted
    ON CONFLICT (day, user_id) DO UPDATE SET volume = excluded.volume, realized_pnl = excluded.realized_pnl
    WHERE (known.volume, known.realized_pnl) IS DISTINCT FROM (excluded.volume, excluded.realized_pnl)
    RETURNING user_id
)
INSERT INTO stale_standings (user_id) SELECT user_id FROM gone UNION ALL SELECT user_id FROM written
"""  # noqa: S608 - constants of this module
# A settlement that was undone takes its profits back from the days that it gave them to.
REVERSED = """
SELECT (started_at AT TIME ZONE 'UTC')::date, (coalesce(finished_at, reversed_at) AT TIME ZONE 'UTC')::date
FROM settlements WHERE reversed_at >= %(since)s
"""
ANALYZE = "ANALYZE user_days"
PURGE = "DELETE FROM user_days WHERE day < %(first_kept)s"
