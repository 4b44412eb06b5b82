"""What the audit of the ledger checks of purchases."""

from economy.audit import by_sql, register

PURCHASES = "SELECT count(*) FROM credit_purchases"
# Of the journal's rows with the store: the grant, and what a refund took back. Loans of the house are apart.
PURCHASES_UNLIKE_JOURNAL = """
SELECT coalesce(purchase.id, reference_id) AS id FROM (
    SELECT id, user_id,
        CASE WHEN status IN ('completed', 'refunded') THEN credits ELSE 0 END AS granted,
        CASE WHEN status = 'refunded' THEN -credits ELSE 0 END AS taken_back
    FROM credit_purchases
) AS purchase FULL JOIN (
    SELECT reference_id, user_id,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'credit_purchase'), 0) AS granted,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'purchase_refund'), 0) AS taken_back
    FROM credit_transactions WHERE counterparty = 'store' GROUP BY reference_id, user_id
) AS journal ON reference_id = purchase.id AND journal.user_id = purchase.user_id
WHERE purchase.id IS NULL
OR (purchase.granted, purchase.taken_back) IS DISTINCT FROM
    (coalesce(journal.granted, 0), coalesce(journal.taken_back, 0))
"""
TRAILS = """
SELECT purchase.id FROM credit_purchases AS purchase LEFT JOIN (
    SELECT purchase_id, count(*) FILTER (WHERE kind = 'completed') AS completed,
        count(*) FILTER (WHERE kind = 'refunded' AND actor_id IS NOT NULL) AS refunded
    FROM purchase_events GROUP BY purchase_id
) AS trail ON purchase_id = purchase.id
WHERE (coalesce(completed, 0), coalesce(refunded, 0)) IS DISTINCT FROM CASE status
    WHEN 'completed' THEN (1::bigint, 0::bigint) WHEN 'refunded' THEN (1::bigint, 1::bigint)
    ELSE (0::bigint, 0::bigint) END
"""

register(
    by_sql(
        "purchases",
        "Every purchase was granted once and only when paid, taken back once and only by a refund; nothing else was.",
        examined=PURCHASES,
        breaches=PURCHASES_UNLIKE_JOURNAL,
    )
)
register(
    by_sql(
        "purchase_trails",
        "Every purchase has the trail of its state: who refunded it, and when it was completed.",
        examined=PURCHASES,
        breaches=TRAILS,
    )
)
