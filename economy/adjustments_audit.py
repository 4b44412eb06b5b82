"""What the audit of the ledger checks of the credits that staff gave and took."""

from economy.ledger.audit import by_sql, register

ADJUSTMENTS = "SELECT count(*) FROM credit_adjustments"
# Nothing that waits or was declined is in the journal.
ADJUSTMENTS_UNLIKE_JOURNAL = """
SELECT coalesce(adjustment.id, reference_id) AS id
FROM (SELECT * FROM credit_adjustments WHERE status IN ('applied', 'approved')) AS adjustment
FULL JOIN (
    SELECT reference_id, user_id, amount FROM credit_transactions WHERE transaction_type = 'admin_adjustment'
) AS journal ON reference_id = adjustment.id
WHERE (adjustment.user_id, adjustment.amount) IS DISTINCT FROM (journal.user_id, journal.amount)
"""

register(
    by_sql(
        "adjustments",
        "What staff gave and took was asked for and, beyond the limit, approved; and is in the journal once.",
        examined=ADJUSTMENTS,
        breaches=ADJUSTMENTS_UNLIKE_JOURNAL,
    )
)
