"""What the audit derives from the journal, in one pass, and what breaks each promise."""

from economy.ledger_sql import EFFECTS

# One pass over the journal, in order: each row against the one before it, and sums by user.
TOTALS = f"""
CREATE TEMPORARY TABLE audit_totals ON COMMIT DROP AS
SELECT user_id, count(*) AS length, max(sequence) AS last_sequence, sum(amount) AS balance,
    sum(balance_after) FILTER (WHERE is_last) AS last_balance, count(*) FILTER (WHERE NOT follows) AS breaks,
    sum({EFFECTS["expended_credits"]}) AS expended_credits, sum({EFFECTS["total_volume"]}) AS total_volume,
    sum({EFFECTS["referral_credits_earned"]}) AS referral_credits_earned,
    sum(CASE WHEN counterparty IN ('escrow', 'stocks') THEN amount ELSE 0 END) AS returned
FROM (
    SELECT user_id, sequence, amount, balance_after, transaction_type, counterparty,
        lead(sequence) OVER history IS NULL AS is_last,
        sequence = lag(sequence, 1, 0::bigint) OVER history + 1
        AND balance_after = lag(balance_after, 1, 0::numeric) OVER history + amount AS follows
    FROM credit_transactions WINDOW history AS (PARTITION BY user_id ORDER BY sequence)
) AS journal
GROUP BY user_id
"""  # noqa: S608 - constants of the ledger
NO_POSITIONS = "SELECT NULL::uuid AS user_id, NULL::text AS counterparty, NULL::numeric AS staked WHERE false"
POSITIONS = """
CREATE TEMPORARY TABLE audit_positions ON COMMIT DROP AS
SELECT user_id, coalesce(sum(staked) FILTER (WHERE counterparty = 'escrow'), 0) AS locked, sum(staked) AS staked
FROM ({sources}) AS positions GROUP BY user_id
"""
EXPECTED = """
CREATE TEMPORARY TABLE audit_expected ON COMMIT DROP AS
SELECT users.id AS user_id, coalesce(balance, 0) AS credit_balance, coalesce(length, 0) AS journal_length,
    coalesce(last_balance, 0) AS last_balance, coalesce(last_sequence, 0) AS last_sequence,
    coalesce(locked, 0) AS locked_credits, coalesce(totals.expended_credits, 0) AS expended_credits,
    coalesce(totals.total_volume, 0) AS total_volume, coalesce(returned, 0) + coalesce(staked, 0) AS overall_pnl,
    coalesce(totals.referral_credits_earned, 0) AS referral_credits_earned,
    coalesce(breaks = 0 AND length = last_sequence AND balance = last_balance AND balance >= 0, true) AS whole
FROM users LEFT JOIN audit_totals AS totals ON totals.user_id = users.id
LEFT JOIN audit_positions AS positions ON positions.user_id = users.id
"""
FORGET = "DROP TABLE IF EXISTS audit_totals, audit_positions, audit_expected"

ROWS = "SELECT coalesce(sum(length), 0) FROM audit_totals"
USERS = "SELECT count(*) FROM audit_expected"
BROKEN_CHAINS = """
SELECT id FROM (
    SELECT id, sequence = lag(sequence, 1, 0::bigint) OVER history + 1
        AND balance_after = lag(balance_after, 1, 0::numeric) OVER history + amount AS follows
    FROM credit_transactions WHERE user_id IN (SELECT user_id FROM audit_totals WHERE breaks > 0)
    WINDOW history AS (PARTITION BY user_id ORDER BY sequence)
) AS journal WHERE NOT follows
"""
OWNERLESS = "SELECT user_id AS id FROM audit_totals WHERE user_id NOT IN (SELECT id FROM users)"
WRONG_BALANCES = """
SELECT user_id AS id FROM audit_expected AS expected JOIN users ON users.id = user_id
WHERE (users.credit_balance, users.credit_balance, users.journal_length, users.journal_length)
IS DISTINCT FROM (expected.credit_balance, last_balance, expected.journal_length, last_sequence)
"""
# Of one column.
DIFFERENT = """
SELECT user_id AS id FROM audit_expected AS expected JOIN users ON users.id = user_id
WHERE users.{column} IS DISTINCT FROM expected.{column}
"""
BONUSES = "SELECT count(*) FROM credit_transactions WHERE transaction_type IN ('signup_bonus', 'referral_bonus')"
STRANGE_BONUSES = """
SELECT id FROM credit_transactions AS bonus
WHERE transaction_type = 'signup_bonus' AND reference_id <> user_id
UNION ALL
SELECT bonus.id FROM credit_transactions AS bonus LEFT JOIN users AS newcomer ON newcomer.id = reference_id
WHERE transaction_type = 'referral_bonus' AND newcomer.referred_by_id IS DISTINCT FROM user_id
"""
DEBTS = "SELECT count(*) FROM debts"
DEBTS_UNLIKE_JOURNAL = """
SELECT coalesce(debt.reference_id, journal.reference_id) AS id FROM debts AS debt FULL JOIN (
    SELECT reference_id, transaction_type, user_id, count(*) AS entries,
        coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS lent,
        coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS repaid
    FROM credit_transactions WHERE counterparty = 'house' GROUP BY reference_id, transaction_type, user_id
) AS journal USING (reference_id, transaction_type, user_id)
WHERE (debt.lent, debt.repaid, debt.entries) IS DISTINCT FROM (journal.lent, journal.repaid, journal.entries)
"""
