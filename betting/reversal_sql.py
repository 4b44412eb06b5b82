"""The statements that undo a settlement. All but PREVIEW run while the market and the users are locked."""

SETTLED = "market_id = %(market_id)s AND status IN ('won', 'lost', 'cancelled')"
# In the order of ids, as everywhere.
LOCK_USERS = f"""
SELECT id FROM users WHERE id IN (SELECT user_id FROM bets WHERE {SETTLED}) ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - constants of this module
# What a user can't give back of a bet's payout, the bets taken one after the other.
TAKEN = f"""
SELECT id, user_id, payout, at_stake, occurrence, available_credits,
    greatest(0, least(payout, so_far - available_credits)) AS missing
FROM (
    SELECT bets.id, user_id, actual_payout AS payout, amount - sold_amount AS at_stake,
        settlement_count - 1 AS occurrence, available_credits,
        sum(actual_payout) OVER (PARTITION BY user_id ORDER BY bets.id) AS so_far
    FROM bets JOIN users ON users.id = user_id WHERE {SETTLED}
) AS settled
"""  # noqa: S608 - constants of this module
# The house lends what is missing, then the payout goes back, and the stake is locked again.
TRANSFERS = f"""
WITH taken AS MATERIALIZED ({TAKEN})
SELECT row_number() OVER (ORDER BY id, turn) AS place, user_id, amount, 'settlement_reversal' AS transaction_type,
    counterparty, id AS reference_id, occurrence, staked, description
FROM (
    SELECT id, 0 AS turn, user_id, missing AS amount, 'house' AS counterparty, coalesce((
        SELECT entries FROM debts WHERE reference_id = taken.id AND transaction_type = 'settlement_reversal'
    ), 0) AS occurrence, 0::numeric AS staked, 'Lent for a settlement undone' AS description
    FROM taken WHERE missing > 0
    UNION ALL
    SELECT id, 1, user_id, -payout, 'escrow', occurrence, at_stake, 'Settlement undone' FROM taken
) AS transfers
"""  # noqa: S608 - constants of this module
REOPEN_BETS = f"""
WITH taken_up AS (DELETE FROM settlement_failures WHERE market_id = %(market_id)s)
UPDATE bets SET status = 'pending', actual_payout = NULL, resolved_at = NULL WHERE {SETTLED}
"""  # noqa: S608 - constants of this module
RECORD = """
UPDATE settlements SET reversed_at = %(now)s, reversed_by_id = %(staff_id)s, reversal_reason = %(reason)s
WHERE market_id = %(market_id)s AND reversed_at IS NULL
"""

# By user, those who would owe most first.
PREVIEW = f"""
SELECT user_id, username, bets, taken, available, missing FROM (
    SELECT user_id, count(*) AS bets, sum(payout) AS taken, max(available_credits) AS available, sum(missing) AS missing
    FROM ({TAKEN}) AS bets GROUP BY user_id
) AS totals JOIN users ON users.id = user_id
WHERE taken > 0 ORDER BY missing DESC, taken DESC, user_id LIMIT %(limit)s
"""  # noqa: S608 - constants of this module
PREVIEW_TOTALS = f"""
SELECT count(*), count(DISTINCT user_id), coalesce(sum(payout), 0), coalesce(sum(missing), 0),
    count(DISTINCT user_id) FILTER (WHERE missing > 0)
FROM ({TAKEN}) AS bets
"""  # noqa: S608 - constants of this module
