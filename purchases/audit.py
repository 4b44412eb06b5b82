"""The ledger audit's invariants about purchases."""

from economy.ledger.audit import by_sql, register

PURCHASES = "SELECT count(*) FROM credit_purchases"
# Of the ledger entries with the store: the grant, and what a refund took back. Loans of the house are apart.
PURCHASES_UNLIKE_LEDGER = """
SELECT coalesce(purchase.id, reference_id) AS id FROM (
    SELECT id, user_id,
        CASE WHEN completed_at IS NOT NULL THEN credits ELSE 0 END AS granted,
        CASE WHEN status = 'refunded' AND completed_at IS NOT NULL THEN -credits ELSE 0 END AS taken_back
    FROM credit_purchases
) AS purchase FULL JOIN (
    SELECT reference_id, user_id,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'credit_purchase'), 0) AS granted,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'purchase_refund'), 0) AS taken_back
    FROM credit_transactions WHERE counterparty = 'store' GROUP BY reference_id, user_id
) AS entries ON reference_id = purchase.id AND entries.user_id = purchase.user_id
WHERE purchase.id IS NULL
OR (purchase.granted, purchase.taken_back) IS DISTINCT FROM
    (coalesce(entries.granted, 0), coalesce(entries.taken_back, 0))
"""
# A refund is the provider's own, or a staff action.
TRAILS = """
SELECT purchase.id FROM credit_purchases AS purchase LEFT JOIN (
    SELECT purchase_id, count(*) FILTER (WHERE kind = 'completed') AS completed,
        count(*) FILTER (WHERE kind = 'refunded' AND (provider_event_id <> '' OR EXISTS (
            SELECT FROM staff_actions WHERE target_type = 'purchases.creditpurchase'
            AND target_id = purchase_id::text AND action = 'refund_purchase'
        ))) AS refunded
    FROM purchase_events GROUP BY purchase_id
) AS trail ON purchase_id = purchase.id
WHERE (coalesce(completed, 0), coalesce(refunded, 0)) IS DISTINCT FROM
    (CASE WHEN completed_at IS NULL THEN 0 ELSE 1 END::bigint, CASE WHEN status = 'refunded' THEN 1 ELSE 0 END::bigint)
"""

register(
    by_sql(
        "purchases",
        "Every purchase was granted once and only when paid, taken back once and only by a refund; nothing else was.",
        examined=PURCHASES,
        breaches=PURCHASES_UNLIKE_LEDGER,
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
