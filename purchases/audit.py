"""What the audit of the ledger checks of purchases: each is in the ledger, paid for, and of a package that was sold."""

from economy.ledger.audit import SLACK, by_sql, register

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
# Of what was granted; what is pending may have no session yet that can be paid.
WITHOUT_PAYMENT = """
SELECT purchase.id FROM credit_purchases AS purchase LEFT JOIN (
    SELECT DISTINCT purchase_id FROM purchase_events WHERE kind = 'completed' AND provider_event_id <> ''
) AS paid ON paid.purchase_id = purchase.id
WHERE provider = 'stripe' AND completed_at IS NOT NULL AND (checkout_id = '' OR paid.purchase_id IS NULL)
"""
UNLIKE_PACKAGE = """
SELECT purchase.id FROM credit_purchases AS purchase
LEFT JOIN recorded_rules AS rule ON rule.name = 'package ' || package_id AND numbers = ARRAY[credits, usd_amount]
WHERE rule.id IS NULL
"""
OUT_OF_ORDER = f"""
SELECT id FROM credit_purchases
WHERE completed_at < created_at - {SLACK} OR refunded_at < coalesce(completed_at, created_at) - {SLACK}
"""  # noqa: S608 - constants

register(
    by_sql(
        "purchases",
        "Every completed purchase was granted once, and taken back once if it was refunded; nothing else was.",
        examined=PURCHASES,
        breaches=PURCHASES_UNLIKE_LEDGER,
    )
)
register(
    by_sql(
        "purchase_trails",
        "Every completed purchase has its event, and every refund its own: of the provider, or with a staff action.",
        examined=PURCHASES,
        breaches=TRAILS,
    )
)
register(
    by_sql(
        "purchase_payments",
        "Every purchase that Stripe was paid for has its session, and the event by which Stripe said so.",
        examined=PURCHASES,
        breaches=WITHOUT_PAYMENT,
    )
)
register(
    by_sql(
        "purchase_packages",
        "Every purchase has the credits and the price that its package was recorded with.",
        examined=PURCHASES,
        breaches=UNLIKE_PACKAGE,
    )
)
register(
    by_sql(
        "purchase_times",
        "No purchase was completed before it was begun, or refunded before it was completed.",
        examined=PURCHASES,
        breaches=OUT_OF_ORDER,
    )
)
