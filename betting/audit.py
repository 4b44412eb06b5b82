"""What the audit of the ledger checks of bets: what is at stake, and that each bet and the journal tell one story.

`locked` and `profit`, two checks of the economy's, follow from what is registered as at stake here.
"""

from economy.ledger.audit import by_sql, register, register_positions
from economy.models import Counterparty

AT_STAKE = "SELECT user_id, amount - sold_amount AS staked FROM bets WHERE status = 'pending'"

BETS = "SELECT count(*) FROM bets"
# Of each bet: its stake went to escrow once, its sales and its outcome came back, less what reversals took again.
BETS_UNLIKE_JOURNAL = """
WITH journal AS MATERIALIZED (
    SELECT reference_id, user_id,
        coalesce(-sum(amount) FILTER (WHERE transaction_type = 'bet_placed'), 0) AS placed,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'position_sold'), 0) AS sold,
        coalesce(sum(amount) FILTER (WHERE transaction_type NOT IN ('bet_placed', 'position_sold')), 0) AS settled
    FROM credit_transactions WHERE counterparty = 'escrow' GROUP BY reference_id, user_id
)
SELECT coalesce(bet.id, reference_id) AS id
FROM bets AS bet FULL JOIN journal ON reference_id = bet.id AND journal.user_id = bet.user_id
WHERE bet.id IS NULL OR reference_id IS NULL
OR (placed, sold, settled) IS DISTINCT FROM (bet.amount, bet.sold_payout, coalesce(bet.actual_payout, 0))
"""

SALES = "SELECT count(*) FROM bet_sales"
# A sale that brought nothing has no row in the journal.
SALES_UNLIKE_BETS = """
SELECT bet.id FROM bets AS bet LEFT JOIN (
    SELECT bet_id, count(*) AS sales, sum(amount) AS amount, sum(payout) AS payout, max(occurrence) + 1 AS next
    FROM bet_sales GROUP BY bet_id
) AS sold ON sold.bet_id = bet.id
WHERE (bet.sale_count, bet.sold_amount, bet.sold_payout) IS DISTINCT FROM
    (coalesce(sales, 0), coalesce(sold.amount, 0), coalesce(sold.payout, 0)) OR next <> sales
UNION
SELECT bet.id FROM bet_sales AS sale JOIN bets AS bet ON bet.id = sale.bet_id
LEFT JOIN credit_transactions AS row ON row.reference_id = bet.id AND row.transaction_type = 'position_sold'
    AND row.counterparty = 'escrow' AND row.occurrence = sale.occurrence
WHERE sale.payout <> trunc(sale.amount * sale.odds / bet.odds_at_bet, 2) OR coalesce(row.amount, 0) <> sale.payout
"""

register_positions(Counterparty.ESCROW, AT_STAKE)
register(
    by_sql(
        "bets",
        "Every bet's stake, sales and outcome are in the journal, and escrow has no row without a bet of that user.",
        examined=BETS,
        breaches=BETS_UNLIKE_JOURNAL,
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
