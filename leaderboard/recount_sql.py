"""The recount's statements, each set-based, each writing only what differs."""

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
# `from_at` and `until_at` are midnights: whole days are counted again.
COUNT_DAYS = f"""
WITH counted AS MATERIALIZED (
    SELECT (moment AT TIME ZONE 'UTC')::date AS day, user_id, sum(volume) AS volume, sum(realized_pnl) AS realized_pnl
    FROM ({EVENTS}) AS events GROUP BY 1, 2
), gone AS (
    DELETE FROM user_days WHERE day >= (%(from_at)s::timestamptz AT TIME ZONE 'UTC')::date
    AND day < (%(until_at)s::timestamptz AT TIME ZONE 'UTC')::date
    AND NOT EXISTS (SELECT FROM counted WHERE counted.day = user_days.day AND counted.user_id = user_days.user_id)
)
INSERT INTO user_days AS known (day, user_id, volume, realized_pnl)
SELECT day, user_id, volume, realized_pnl FROM counted
ON CONFLICT (day, user_id) DO UPDATE SET volume = excluded.volume, realized_pnl = excluded.realized_pnl
WHERE (known.volume, known.realized_pnl) IS DISTINCT FROM (excluded.volume, excluded.realized_pnl)
"""  # noqa: S608 - constants of this module
# A settlement that was undone takes its profits back from the days that it gave them to.
REVERSED = """
SELECT (started_at AT TIME ZONE 'UTC')::date, (coalesce(finished_at, reversed_at) AT TIME ZONE 'UTC')::date
FROM settlements WHERE reversed_at >= %(since)s
"""

RANKED = "users.is_active AND NOT users.is_staff"
EVER = f"SELECT id, created_at, overall_pnl, total_volume FROM users WHERE {RANKED}"  # noqa: S608 - constants
SINCE = f"""
SELECT users.id, users.created_at, sum(realized_pnl) AS overall_pnl, sum(volume) AS total_volume
FROM user_days JOIN users ON users.id = user_id WHERE day >= %(first_day)s AND day <= %(today)s AND {RANKED}
GROUP BY users.id, users.created_at
"""  # noqa: S608 - constants of this module
# Of equals the earlier account is first.
COUNT_RANKS = """
WITH counted AS MATERIALIZED (
    SELECT id, overall_pnl, total_volume,
        row_number() OVER (ORDER BY overall_pnl DESC, created_at, id) AS rank_by_pnl,
        row_number() OVER (ORDER BY total_volume DESC, created_at, id) AS rank_by_volume
    FROM ({figures}) AS figures
), changed AS (
    UPDATE ranks SET rank_by_pnl = counted.rank_by_pnl, rank_by_volume = counted.rank_by_volume,
        overall_pnl = counted.overall_pnl, total_volume = counted.total_volume
    FROM counted WHERE ranks.period = %(period)s AND ranks.user_id = counted.id
    AND (ranks.rank_by_pnl, ranks.rank_by_volume, ranks.overall_pnl, ranks.total_volume)
        IS DISTINCT FROM (counted.rank_by_pnl, counted.rank_by_volume, counted.overall_pnl, counted.total_volume)
    RETURNING 1
), added AS (
    INSERT INTO ranks (period, user_id, rank_by_pnl, rank_by_volume, overall_pnl, total_volume)
    SELECT %(period)s, id, rank_by_pnl, rank_by_volume, overall_pnl, total_volume FROM counted
    WHERE NOT EXISTS (SELECT FROM ranks WHERE period = %(period)s AND user_id = counted.id)
    RETURNING 1
), gone AS (
    DELETE FROM ranks WHERE period = %(period)s AND NOT EXISTS (SELECT FROM counted WHERE counted.id = ranks.user_id)
    RETURNING 1
), recorded AS (
    INSERT INTO boards (period, first_day, total, updated_at)
    SELECT %(period)s, %(first_day)s, count(*), %(now)s FROM counted
    ON CONFLICT (period) DO UPDATE
    SET first_day = excluded.first_day, total = excluded.total, updated_at = excluded.updated_at
)
SELECT (SELECT count(*) FROM changed) + (SELECT count(*) FROM added) + (SELECT count(*) FROM gone)
"""
# Sorting a million rows in memory; and estimates of what is materialized are guesses, ruinous with a nested loop.
ROOM = """
SELECT set_config('work_mem', '128MB', true), set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true)
"""

# Whose cached ranks on users differ from the board, numbered in the order of ids. A table of this session alone.
FORGET_DIFFERENCES = "DROP TABLE IF EXISTS pg_temp.rank_differences"
FIND_DIFFERENCES = """
CREATE TEMPORARY TABLE rank_differences AS
SELECT row_number() OVER (ORDER BY users.id) AS place, users.id, ranks.rank_by_pnl, ranks.rank_by_volume
FROM users LEFT JOIN ranks ON ranks.period = 'all' AND ranks.user_id = users.id
WHERE (users.rank_by_pnl, users.rank_by_volume) IS DISTINCT FROM (ranks.rank_by_pnl, ranks.rank_by_volume)
"""
INDEX_DIFFERENCES = "CREATE UNIQUE INDEX ON pg_temp.rank_differences (place)"
ANALYZE_DIFFERENCES = "ANALYZE pg_temp.rank_differences"
COUNT_DIFFERENCES = "SELECT count(*) FROM pg_temp.rank_differences"
# Who is betting at this moment is passed over, and written by the next recount.
CACHE_RANKS = """
WITH locked AS MATERIALIZED (
    SELECT users.id, differing.rank_by_pnl, differing.rank_by_volume
    FROM pg_temp.rank_differences AS differing JOIN users ON users.id = differing.id
    WHERE place > %(after)s AND place <= %(until)s
    ORDER BY users.id FOR NO KEY UPDATE OF users SKIP LOCKED
)
UPDATE users SET rank_by_pnl = locked.rank_by_pnl, rank_by_volume = locked.rank_by_volume
FROM locked WHERE users.id = locked.id
"""
# Losing the last of these in a crash loses nothing: they are derived, and compared at each recount.
LAZILY = "SELECT set_config('synchronous_commit', 'off', true)"
