"""Settlement's statements. What a bet is paid is said once, in OUTCOMES, for the journal as for the bet.

All but QUEUE, SUMMARY and the previews run while the market's row is locked: nobody else places, sells or settles its
bets meanwhile.
"""

# The rest of the stake pays `rest / odds`, rounded down: betting.pricing.potential_payout, and bets_status_and_outcome.
OUTCOMES = """
SELECT id, user_id, settlement_count, amount - sold_amount AS at_stake,
    CASE WHEN %(resolution)s = 'invalid' THEN amount - sold_amount
        WHEN side = %(resolution)s THEN trunc((amount - sold_amount) / odds_at_bet, 2) ELSE 0::numeric END AS payout
FROM bets WHERE market_id = %(market_id)s AND status = 'pending'
"""
TRANSFERS = f"""
SELECT row_number() OVER (ORDER BY id)::integer AS place, user_id, payout AS amount,
    CASE %(resolution)s WHEN 'invalid' THEN 'bet_refund' ELSE 'bet_payout' END AS transaction_type,
    'escrow' AS counterparty, id AS reference_id, settlement_count AS occurrence, -at_stake AS staked,
    CASE %(resolution)s WHEN 'invalid' THEN 'Stake returned' ELSE 'Bet won' END AS description
FROM ({OUTCOMES} AND id = ANY(%(bets)s::uuid[])) AS settled
"""  # noqa: S608 - constants of this module
# In the ledger's own statement: settles the bets with what was computed for the journal, and counts them.
RECORD = """
settled AS (
    UPDATE bets SET actual_payout = running.amount, resolved_at = %(now)s, settlement_count = settlement_count + 1,
        status = CASE WHEN %(resolution)s = 'invalid' THEN 'cancelled' WHEN side = %(resolution)s THEN 'won'
            ELSE 'lost' END
    FROM running WHERE bets.id = running.reference_id
    RETURNING bets.status, bets.actual_payout
), counted AS (
    SELECT count(*) FILTER (WHERE status = 'won') AS won, count(*) FILTER (WHERE status = 'lost') AS lost,
        count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
        coalesce(sum(actual_payout) FILTER (WHERE status = 'won'), 0) AS paid,
        coalesce(sum(actual_payout) FILTER (WHERE status = 'cancelled'), 0) AS refunded
    FROM settled
), summed AS (
    UPDATE settlements SET won = settlements.won + counted.won, lost = settlements.lost + counted.lost,
        cancelled = settlements.cancelled + counted.cancelled, paid = settlements.paid + counted.paid,
        refunded = settlements.refunded + counted.refunded
    FROM counted WHERE settlements.id = %(settlement_id)s
)
"""

LOCK_MARKET = "SELECT status, resolution FROM markets WHERE id = %(market_id)s FOR NO KEY UPDATE"
IN_FORCE = """
SELECT id, resolution, finished_at FROM settlements WHERE market_id = %(market_id)s AND reversed_at IS NULL
"""
BEGIN = """
INSERT INTO settlements (id, market_id, generation, resolution, won, lost, cancelled, paid, refunded, started_at,
    reversal_reason)
SELECT new_id(), %(market_id)s, coalesce(max(generation) + 1, 0), %(resolution)s, 0, 0, 0, 0, 0, %(now)s, ''
FROM settlements WHERE market_id = %(market_id)s
RETURNING id
"""
NEXT = """
SELECT id FROM bets WHERE market_id = %(market_id)s AND status = 'pending' AND id > %(after)s
AND NOT EXISTS (SELECT FROM settlement_failures WHERE bet_id = bets.id)
ORDER BY id LIMIT %(size)s
"""
FINISH = "UPDATE settlements SET finished_at = coalesce(finished_at, %(now)s) WHERE id = %(settlement_id)s"
SET_ASIDE = """
INSERT INTO settlement_failures (bet_id, market_id, error, failed_at)
SELECT id, market_id, %(error)s, %(now)s FROM bets WHERE id = %(bet_id)s AND status = 'pending'
ON CONFLICT (bet_id) DO NOTHING
"""
TAKE_UP_AGAIN = """
WITH taken_up AS (DELETE FROM settlement_failures WHERE market_id = %(market_id)s RETURNING bet_id)
UPDATE settlements SET finished_at = NULL
WHERE market_id = %(market_id)s AND reversed_at IS NULL AND EXISTS (SELECT FROM taken_up)
"""

# Markets that are over and have bets to settle, or a settlement to finish. A loose index scan: one look-up a market
# with open bets, however many bets there are.
QUEUE = """
WITH RECURSIVE open AS (
    (SELECT market_id FROM bets WHERE status = 'pending' ORDER BY market_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT bets.market_id FROM bets WHERE status = 'pending' AND bets.market_id > open.market_id
        ORDER BY bets.market_id LIMIT 1
    ) FROM open WHERE open.market_id IS NOT NULL
)
SELECT markets.id FROM markets
WHERE id IN (SELECT market_id FROM open) AND status IN ('resolved', 'cancelled') AND EXISTS (
    SELECT FROM bets WHERE market_id = markets.id AND status = 'pending'
    AND NOT EXISTS (SELECT FROM settlement_failures WHERE bet_id = bets.id)
)
UNION
SELECT markets.id FROM settlements JOIN markets ON markets.id = market_id
WHERE finished_at IS NULL AND reversed_at IS NULL AND status IN ('resolved', 'cancelled')
ORDER BY id
"""
SUMMARY = """
SELECT generation, resolution, won, lost, cancelled, paid, refunded,
    (SELECT count(*) FROM settlement_failures WHERE market_id = settlements.market_id), started_at, finished_at
FROM settlements WHERE market_id = %(market_id)s AND reversed_at IS NULL
"""

PREVIEW_TOTALS = f"""
SELECT count(*), count(DISTINCT user_id), coalesce(sum(at_stake), 0), coalesce(sum(payout), 0)
FROM ({OUTCOMES}) AS outcome
"""  # noqa: S608 - constants of this module
# By user, those who would get most first.
PREVIEW = f"""
SELECT user_id, username, bets, payout FROM (
    SELECT user_id, count(*) AS bets, sum(payout) AS payout FROM ({OUTCOMES}) AS outcome WHERE payout > 0
    GROUP BY user_id ORDER BY payout DESC, user_id LIMIT %(limit)s
) AS receivers JOIN users ON users.id = user_id ORDER BY payout DESC, user_id
"""  # noqa: S608 - constants of this module
