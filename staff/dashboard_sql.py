"""The statements that count for the dashboard, each set-based, each writing only what differs."""

# By the BRIN on the journal's time: no more is read than the span has.
OF_SPAN = "FROM credit_transactions WHERE created_at >= %(from_at)s AND created_at < %(until_at)s"
COUNT_HOURS = f"""
INSERT INTO ledger_hours AS known (begins_at, transaction_type, counterparty, transfers, given, taken)
SELECT date_trunc('hour', created_at, 'UTC'), transaction_type, counterparty, count(*),
    coalesce(sum(amount) FILTER (WHERE amount > 0), 0), coalesce(-sum(amount) FILTER (WHERE amount < 0), 0)
{OF_SPAN} GROUP BY 1, 2, 3
ON CONFLICT (begins_at, transaction_type, counterparty)
DO UPDATE SET transfers = excluded.transfers, given = excluded.given, taken = excluded.taken
WHERE known.transfers <> excluded.transfers
"""
NOTE_ACTIVE = f"""
INSERT INTO active_users (day, user_id)
SELECT DISTINCT %(day)s::date, user_id {OF_SPAN} AND transaction_type = ANY(%(deeds)s::text[])
ON CONFLICT (day, user_id) DO NOTHING
"""
# The journal only grows: a day never has fewer than it had.
COUNT_DAY = """
INSERT INTO ledger_days AS known (day, transaction_type, counterparty, transfers, given, taken)
SELECT %(day)s, transaction_type, counterparty, sum(transfers), sum(given), sum(taken) FROM ledger_hours
WHERE begins_at >= %(begins_at)s AND begins_at < %(until_at)s GROUP BY transaction_type, counterparty
ON CONFLICT (day, transaction_type, counterparty)
DO UPDATE SET transfers = excluded.transfers, given = excluded.given, taken = excluded.taken
WHERE known.transfers < excluded.transfers
"""
COUNT_ACTIVE = """
INSERT INTO counted_days AS known (day, active_users, counted_at)
SELECT %(day)s, count(*), %(now)s FROM active_users WHERE day = %(day)s
ON CONFLICT (day) DO UPDATE
SET active_users = greatest(known.active_users, excluded.active_users), counted_at = excluded.counted_at
"""
FORGET_HOURS = "DELETE FROM ledger_hours WHERE begins_at < %(before)s"
FORGET_ACTIVE = "DELETE FROM active_users WHERE day < %(day)s"
# What users do themselves; the rest happens to them.
DEEDS = ["bet_placed", "position_sold", "stock_purchase", "stock_sale", "credit_purchase"]

# Where bets changed since. A bet that is lost has no row in the journal: its market is over, and goes for that.
TOUCHED = """
SELECT bets.market_id FROM credit_transactions AS journal JOIN bets ON bets.id = journal.reference_id
WHERE journal.created_at >= %(since)s AND journal.counterparty = 'escrow'
UNION SELECT market_id FROM settlements WHERE reversed_at >= %(since)s
"""
EVERY = "SELECT DISTINCT market_id FROM bets WHERE status = 'pending'"
# What a bet pays is said in betting.settlement_sql: the rest of the stake over its odds, rounded down.
COUNT_EXPOSURES = """
WITH touched AS MATERIALIZED ({touched}), owed AS MATERIALIZED (
    SELECT market_id, count(*) AS bets, sum(amount - sold_amount) AS stake,
        coalesce(sum(trunc((amount - sold_amount) / odds_at_bet, 2)) FILTER (WHERE side = 'this'), 0) AS this_payout,
        coalesce(sum(trunc((amount - sold_amount) / odds_at_bet, 2)) FILTER (WHERE side = 'that'), 0) AS that_payout
    FROM bets
    WHERE status = 'pending' AND market_id IN (
        SELECT id FROM touched JOIN markets ON id = market_id WHERE status IN ('open', 'closed')
    ) GROUP BY market_id
), gone AS (
    DELETE FROM market_exposures AS known USING markets
    WHERE markets.id = known.market_id AND (
        markets.status IN ('resolved', 'cancelled')
        OR known.market_id IN (SELECT market_id FROM touched EXCEPT SELECT market_id FROM owed)
    )
)
INSERT INTO market_exposures AS known (market_id, bets, stake, this_payout, that_payout)
SELECT market_id, bets, stake, this_payout, that_payout FROM owed
ON CONFLICT (market_id) DO UPDATE
SET bets = excluded.bets, stake = excluded.stake, this_payout = excluded.this_payout, that_payout = excluded.that_payout
WHERE (known.bets, known.stake, known.this_payout, known.that_payout)
    IS DISTINCT FROM (excluded.bets, excluded.stake, excluded.this_payout, excluded.that_payout)
"""
