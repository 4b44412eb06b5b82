"""Bringing a period's standings and milestones up to its figures. `{order}` is pnl or volume; docs/adr/0006."""

EVER = "SELECT id, created_at, overall_pnl, total_volume FROM users WHERE is_active AND NOT is_staff"
# Those whom the count of all time has just ranked: a narrower table than users.
SINCE = """
SELECT ranked.user_id AS id, ranked.created_at, summed.overall_pnl, summed.total_volume
FROM (
    SELECT user_id, sum(realized_pnl) AS overall_pnl, sum(volume) AS total_volume FROM user_days
    WHERE day >= %(first_day)s AND day <= %(today)s GROUP BY user_id
) AS summed JOIN standings AS ranked ON ranked.period = 'all' AND ranked.user_id = summed.user_id
"""
# The same of a single user, who is `stale`.
EVER_OF_ONE = f"{EVER} AND id = stale.user_id"
SINCE_OF_ONE = """
SELECT ranked.created_at, sum(realized_pnl) AS overall_pnl, sum(volume) AS total_volume
FROM user_days JOIN standings AS ranked ON ranked.period = 'all' AND ranked.user_id = user_days.user_id
WHERE user_days.user_id = stale.user_id AND day >= %(first_day)s AND day <= %(today)s
GROUP BY ranked.created_at
"""

# Beside those whose days differ: who signed up, whoever is suspended or staff or no longer is, and whose bets are open
# again.
NEWEST = "SELECT coalesce(max(id), 0) FROM stale_standings"
MARK_NEW = "INSERT INTO stale_standings (user_id) SELECT id FROM users WHERE created_at >= %(since)s"
# What an undone settlement takes back may be of days that are no longer kept.
MARK_REVERSED = """
INSERT INTO stale_standings (user_id)
SELECT DISTINCT user_id FROM bets JOIN settlements USING (market_id) WHERE reversed_at >= %(since)s
"""
MARK_LEFT_OUT = """
WITH left_out AS MATERIALIZED (SELECT id FROM users WHERE NOT is_active OR is_staff),
came AS (
    INSERT INTO left_out_users (user_id) SELECT id FROM left_out
    WHERE NOT EXISTS (SELECT FROM left_out_users WHERE user_id = left_out.id)
    RETURNING user_id
), gone AS (
    DELETE FROM left_out_users WHERE NOT EXISTS (SELECT FROM left_out WHERE left_out.id = user_id) RETURNING user_id
)
INSERT INTO stale_standings (user_id) SELECT user_id FROM came UNION ALL SELECT user_id FROM gone
"""
ANALYZE_STALE = "ANALYZE stale_standings"
COUNTED = "DELETE FROM stale_standings WHERE id <= %(newest)s"

# One count at a time; boards are read meanwhile.
TAKE_TURNS = "LOCK TABLE boards IN SHARE ROW EXCLUSIVE MODE"
# Hashing and sorting a million rows in memory. Other joins read each row by itself: right for few rows alone, and
# estimates of what is summed are too wrong to tell.
ROOM = """
SELECT set_config('work_mem', '128MB', true), set_config('maintenance_work_mem', '256MB', true),
    set_config('jit', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('enable_nestloop', 'off', true)
"""
NESTED_LOOPS = "SELECT set_config('enable_nestloop', %(on)s, true)"

FORGET_MOVES = "DROP TABLE IF EXISTS pg_temp.moves"
# Whose figures differ from those of the last count: before, where there were any, and now, where there are.
MAKE_MOVES = """
CREATE TEMPORARY TABLE moves (
    user_id uuid NOT NULL, was_at timestamptz, was_pnl numeric, was_volume numeric,
    now_at timestamptz, now_pnl numeric, now_volume numeric
) ON COMMIT DROP
"""
COMPARE_ALL = """
INSERT INTO pg_temp.moves (user_id, was_at, was_pnl, was_volume, now_at, now_pnl, now_volume)
SELECT coalesce(user_id, id), known.created_at, minus_pnl, minus_volume,
    figures.created_at, -overall_pnl, -total_volume
FROM (SELECT * FROM standings WHERE period = %(period)s) AS known
FULL JOIN ({figures}) AS figures ON figures.id = known.user_id
WHERE (known.created_at, minus_pnl, minus_volume) IS DISTINCT FROM (figures.created_at, -overall_pnl, -total_volume)
LIMIT %(limit)s
"""
COMPARE_STALE = """
INSERT INTO pg_temp.moves (user_id, was_at, was_pnl, was_volume, now_at, now_pnl, now_volume)
SELECT stale.user_id, known.created_at, minus_pnl, minus_volume, figures.created_at, -overall_pnl, -total_volume
FROM (SELECT DISTINCT user_id FROM stale_standings WHERE id <= %(newest)s) AS stale
LEFT JOIN standings AS known ON known.period = %(period)s AND known.user_id = stale.user_id
LEFT JOIN LATERAL ({figures}) AS figures ON true
WHERE (known.created_at, minus_pnl, minus_volume) IS DISTINCT FROM (figures.created_at, -overall_pnl, -total_volume)
LIMIT %(limit)s
"""
ANALYZE_MOVES = "ANALYZE pg_temp.moves"
COUNT_MOVES = "SELECT count(*), count(now_at) - count(was_at) FROM pg_temp.moves"

MOVE = """
UPDATE standings SET created_at = now_at, minus_pnl = now_pnl, minus_volume = now_volume FROM pg_temp.moves
WHERE standings.user_id = moves.user_id AND period = %(period)s AND was_at IS NOT NULL AND now_at IS NOT NULL
"""
LEAVE = """
DELETE FROM standings USING pg_temp.moves
WHERE standings.user_id = moves.user_id AND period = %(period)s AND now_at IS NULL
"""
JOIN = """
INSERT INTO standings (period, user_id, created_at, minus_pnl, minus_volume)
SELECT %(period)s, user_id, now_at, now_pnl, now_volume FROM pg_temp.moves WHERE was_at IS NULL
"""
# Who came to stand before a milestone, less who no longer does. Who is at its very place isn't before it.
SHIFT = """
WITH steps AS (
    SELECT now_{order} AS figure, now_at AS created_at, user_id, 1 AS step FROM pg_temp.moves WHERE now_at IS NOT NULL
    UNION ALL SELECT was_{order}, was_at, user_id, -1 FROM pg_temp.moves WHERE was_at IS NOT NULL
    UNION ALL SELECT figure, created_at, user_id, 0 FROM milestones
        WHERE period = %(period)s AND milestones.order = '{order}'
), summed AS (
    SELECT *, sum(step) OVER (ORDER BY figure, created_at, user_id, abs(step) ROWS UNBOUNDED PRECEDING) AS shift
    FROM steps
)
UPDATE milestones SET passed = passed + shift FROM summed
WHERE step = 0 AND shift <> 0 AND period = %(period)s AND milestones.order = '{order}'
AND (milestones.figure, milestones.created_at, milestones.user_id) = (summed.figure, summed.created_at, summed.user_id)
"""
# Every other one of those that stand close: never two neighbours, so that what is left apart is bounded.
THIN = """
DELETE FROM milestones USING (
    SELECT figure, created_at, user_id, row_number() OVER places AS place,
        lead(passed) OVER places - lag(passed) OVER places AS apart
    FROM milestones WHERE period = %(period)s AND milestones.order = '{order}'
    WINDOW places AS (ORDER BY figure, created_at, user_id)
) AS close
WHERE apart <= %(spacing)s AND place %% 2 = 0 AND period = %(period)s AND milestones.order = '{order}'
AND (milestones.figure, milestones.created_at, milestones.user_id) = (close.figure, close.created_at, close.user_id)
"""
# The start of the order: nobody's figure is so good.
FORGET_MILESTONES = "DELETE FROM milestones WHERE period = %(period)s"
BEGIN = """
INSERT INTO milestones (period, "order", figure, created_at, user_id, passed)
VALUES (%(period)s, '{order}', -9999999999999999.99, '0001-01-01Z', '00000000-0000-0000-0000-000000000000', 0)
"""
# Where milestones are too far apart, new ones between them, each at the place of a standing of the table.
LAY = """
INSERT INTO milestones (period, "order", figure, created_at, user_id, passed)
SELECT %(period)s, '{order}', behind.figure, behind.created_at, behind.user_id, gap.passed + behind.place - 1
FROM (
    SELECT figure, created_at, user_id, passed, lead(passed, 1, %(total)s) OVER (ORDER BY figure, created_at, user_id)
        - passed AS width
    FROM milestones WHERE period = %(period)s AND milestones.order = '{order}'
) AS gap CROSS JOIN LATERAL (
    SELECT minus_{order} AS figure, created_at, user_id,
        row_number() OVER (ORDER BY minus_{order}, created_at, user_id) AS place
    FROM {table}
    WHERE period = %(period)s AND (minus_{order}, created_at, user_id) >= (gap.figure, gap.created_at, gap.user_id)
    ORDER BY minus_{order}, created_at, user_id LIMIT gap.width
) AS behind
WHERE gap.width > %(farthest)s AND behind.place > 1 AND behind.place %% %(spacing)s = 1
"""
ANALYZE_MILESTONES = "ANALYZE milestones"

RECORD = """
INSERT INTO boards (period, first_day, total, updated_at) VALUES (%(period)s, %(first_day)s, %(total)s, %(now)s)
ON CONFLICT (period) DO UPDATE
SET first_day = excluded.first_day, total = excluded.total, updated_at = excluded.updated_at
"""

# A whole table anew: with most figures different that is far cheaper than changing its rows.
TABLE_IN_USE = """
SELECT inhrelid::regclass::text FROM pg_inherits
WHERE inhparent = 'standings'::regclass AND inhrelid IN (to_regclass(%(a)s), to_regclass(%(b)s))
"""
CREATE = (
    "CREATE TABLE {new} (LIKE standings INCLUDING CONSTRAINTS, CONSTRAINT {new}_period CHECK (period = '{period}'))"
)
FILL = """
INSERT INTO {new} (period, user_id, created_at, minus_pnl, minus_volume)
SELECT %(period)s, id, created_at, -overall_pnl, -total_volume FROM ({figures}) AS figures
"""
INDEX = """
ALTER TABLE {new} ADD CONSTRAINT {new}_pkey PRIMARY KEY (user_id, period);
CREATE INDEX {new}_by_pnl ON {new} (minus_pnl, created_at, user_id) INCLUDE (period);
CREATE INDEX {new}_by_volume ON {new} (minus_volume, created_at, user_id) INCLUDE (period);
ANALYZE {new}
"""
# Who reads waits for as long as this takes: some milliseconds.
SWAP = """
ALTER TABLE standings DETACH PARTITION {old};
ALTER TABLE standings ATTACH PARTITION {new} FOR VALUES IN ('{period}');
DROP TABLE {old}
"""
