"""What the audit of the ledger checks of bets: their stakes, sales and settlements against the ledger's entries.

`locked` and `profit`, two checks of the economy's, follow from the stakes that are registered here.
"""

from economy.ledger.anchors import register_chain
from economy.ledger.audit import by_sql, register, register_positions
from economy.models import Counterparty

OPEN_STAKES = "SELECT user_id, amount - sold_amount AS staked FROM bets WHERE status = 'pending'"

BETS = "SELECT count(*) FROM bets"
# Of each bet: its stake went to escrow once, its sales and its outcome came back, less what reversals took again.
BETS_UNLIKE_LEDGER = """
WITH entries AS MATERIALIZED (
    SELECT reference_id, user_id,
        coalesce(-sum(amount) FILTER (WHERE transaction_type = 'bet_placed'), 0) AS placed,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'position_sold'), 0) AS sold,
        coalesce(sum(amount) FILTER (WHERE transaction_type NOT IN ('bet_placed', 'position_sold')), 0) AS settled
    FROM credit_transactions WHERE counterparty = 'escrow' GROUP BY reference_id, user_id
)
SELECT coalesce(bet.id, reference_id) AS id
FROM bets AS bet FULL JOIN entries ON reference_id = bet.id AND entries.user_id = bet.user_id
WHERE bet.id IS NULL OR reference_id IS NULL
OR (placed, sold, settled) IS DISTINCT FROM (bet.amount, bet.sold_payout, coalesce(bet.actual_payout, 0))
"""

SALES = "SELECT count(*) FROM bet_sales"
# A sale that brought nothing has no ledger entry.
SALES_UNLIKE_BETS = """
SELECT bet.id FROM bets AS bet LEFT JOIN (
    SELECT bet_id, count(*) AS sales, sum(amount) AS amount, sum(payout) AS payout, max(occurrence) + 1 AS next
    FROM bet_sales GROUP BY bet_id
) AS sold ON sold.bet_id = bet.id
WHERE (bet.sale_count, bet.sold_amount, bet.sold_payout) IS DISTINCT FROM
    (coalesce(sales, 0), coalesce(sold.amount, 0), coalesce(sold.payout, 0)) OR next <> sales
UNION
SELECT bet.id FROM bet_sales AS sale JOIN bets AS bet ON bet.id = sale.bet_id
LEFT JOIN credit_transactions AS entry ON entry.reference_id = bet.id AND entry.transaction_type = 'position_sold'
    AND entry.counterparty = 'escrow' AND entry.occurrence = sale.occurrence
WHERE sale.payout <> trunc(sale.amount * sale.odds / bet.odds_at_bet, 2) OR coalesce(entry.amount, 0) <> sale.payout
"""

SETTLED_EVER = "SELECT count(*) FROM bets WHERE settlement_count > 0"
# Of each settlement of a bet: one that was reversed has its payout and the reversal of just that; the one in force
# has the one entry that its outcome asks for; and there are no others.
WRONG_ROWS = """
WITH entries AS MATERIALIZED (
    SELECT reference_id, occurrence,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'bet_payout'), 0) AS paid,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'bet_refund'), 0) AS refunded,
        coalesce(-sum(amount) FILTER (WHERE transaction_type = 'settlement_reversal'), 0) AS reversed
    FROM credit_transactions
    WHERE counterparty = 'escrow' AND transaction_type IN ('bet_payout', 'bet_refund', 'settlement_reversal')
    GROUP BY reference_id, occurrence
)
SELECT bet.id FROM entries JOIN bets AS bet ON bet.id = reference_id
WHERE occurrence >= settlement_count OR (
    (occurrence < settlement_count - 1 OR status IN ('pending', 'sold')) AND paid + refunded <> reversed
)
UNION
SELECT bet.id FROM bets AS bet LEFT JOIN entries ON reference_id = bet.id AND occurrence = settlement_count - 1
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

# A settlement that is finished or reversed is as it was recorded last, and none that was recorded is gone.
UNLIKE_RECORDS = """
SELECT 'settlements ' || coalesce(settlement.id, settlement_id) AS id
FROM settlements AS settlement FULL JOIN (
    SELECT DISTINCT ON (settlement_id) settlement_id, state FROM settlement_records
    ORDER BY settlement_id, sequence DESC
) AS record ON settlement_id = settlement.id
WHERE settlement.id IS NULL OR (
    (finished_at IS NOT NULL OR reversed_at IS NOT NULL) AND state IS DISTINCT FROM settlement_state(settlement)
)
"""

register_positions(Counterparty.ESCROW, OPEN_STAKES)
register(
    by_sql(
        "bets",
        "Every bet's stake, sales and outcome are in the ledger, and escrow has no entry without a bet of that user.",
        examined=BETS,
        breaches=BETS_UNLIKE_LEDGER,
    )
)
register(
    by_sql(
        "sales",
        "What is sold of a bet is the sum of its sales, each at its odds, and each paid once.",
        examined=SALES,
        breaches=SALES_UNLIKE_BETS,
    )
)
register(
    by_sql(
        "settled_bets",
        "Every settled bet has exactly the ledger entries that its outcome asks for, and reversed ones cancel out.",
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
        "No bet is left pending by a finished settlement, but failed settlements.",
        examined=SETTLEMENTS,
        breaches=LEFT_OVER,
    )
)
register_chain(
    "settlements_chain",
    "The hash of every settlement's record covers it and all before, and settlements are as they were recorded.",
    table="settlement_records",
    breaches=UNLIKE_RECORDS,
)
