"""What the audit of the ledger checks of settled bets, beside `betting.audit`."""

from economy.ledger.audit import by_sql, register

SETTLED_EVER = "SELECT count(*) FROM bets WHERE settlement_count > 0"
# Of each settlement of a bet: what was undone has its payout and the reversal of just that; what is in force has the
# one row that its outcome asks for; and there are no others.
WRONG_ROWS = """
WITH journal AS MATERIALIZED (
    SELECT reference_id, occurrence,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'bet_payout'), 0) AS paid,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'bet_refund'), 0) AS refunded,
        coalesce(-sum(amount) FILTER (WHERE transaction_type = 'settlement_reversal'), 0) AS reversed
    FROM credit_transactions
    WHERE counterparty = 'escrow' AND transaction_type IN ('bet_payout', 'bet_refund', 'settlement_reversal')
    GROUP BY reference_id, occurrence
)
SELECT bet.id FROM journal JOIN bets AS bet ON bet.id = reference_id
WHERE occurrence >= settlement_count OR (
    (occurrence < settlement_count - 1 OR status IN ('pending', 'sold')) AND paid + refunded <> reversed
)
UNION
SELECT bet.id FROM bets AS bet LEFT JOIN journal ON reference_id = bet.id AND occurrence = settlement_count - 1
WHERE status IN ('won', 'lost', 'cancelled')
AND (coalesce(paid, 0), coalesce(refunded, 0), coalesce(reversed, 0)) IS DISTINCT FROM (
    CASE status WHEN 'won' THEN actual_payout ELSE 0 END, CASE status WHEN 'cancelled' THEN actual_payout ELSE 0 END, 0
)
"""

SETTLEMENTS = "SELECT count(*) FROM settlements"
# Figures of the settlement in force against the bets; bets that it left over, or that ended unlike their market.
WRONG_SETTLEMENTS = """
WITH settled AS MATERIALIZED (
    SELECT market_id, count(*) FILTER (WHERE status = 'won') AS won, count(*) FILTER (WHERE status = 'lost') AS lost,
        count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
        coalesce(sum(actual_payout) FILTER (WHERE status = 'won'), 0) AS paid,
        coalesce(sum(actual_payout) FILTER (WHERE status = 'cancelled'), 0) AS refunded,
        count(*) FILTER (WHERE (status = 'won' AND side <> resolution) OR (status = 'lost' AND side = resolution)
            OR (status = 'cancelled' AND resolution <> 'invalid') OR resolution IS NULL) AS wrong
    FROM bets JOIN (SELECT id AS market_id, resolution FROM markets) AS market USING (market_id)
    WHERE status IN ('won', 'lost', 'cancelled') GROUP BY market_id
)
SELECT coalesce(settlement.market_id, settled.market_id) AS id
FROM (SELECT * FROM settlements WHERE reversed_at IS NULL) AS settlement FULL JOIN settled USING (market_id)
WHERE settlement.id IS NULL OR wrong > 0
OR (settlement.won, settlement.lost, settlement.cancelled, settlement.paid, settlement.refunded) IS DISTINCT FROM (
    coalesce(settled.won, 0), coalesce(settled.lost, 0), coalesce(settled.cancelled, 0),
    coalesce(settled.paid, 0), coalesce(settled.refunded, 0)
)
"""
LEFT_OVER = """
SELECT bets.id FROM settlements JOIN bets USING (market_id)
WHERE finished_at IS NOT NULL AND reversed_at IS NULL AND bets.status = 'pending'
AND NOT EXISTS (SELECT FROM settlement_failures WHERE bet_id = bets.id)
"""

register(
    by_sql(
        "settled_bets",
        "Every settled bet has exactly the rows in the journal that its outcome asks for, and undone ones cancel out.",
        examined=SETTLED_EVER,
        breaches=WRONG_ROWS,
    )
)
register(
    by_sql(
        "settlements",
        "Every settlement's figures are those of its bets, which ended as their market did.",
        examined=SETTLEMENTS,
        breaches=WRONG_SETTLEMENTS,
    )
)
register(
    by_sql(
        "left_over",
        "No bet is left pending by a finished settlement, but those set aside.",
        examined=SETTLEMENTS,
        breaches=LEFT_OVER,
    )
)
