"""Entries that are whole: with numbers that follow, the hash that they should have, and the user moved on to them."""

FORGED_ENTRY = """
WITH given AS MATERIALIZED (
    SELECT gen_random_uuid() AS id, {at} AS created_at, users.id AS user_id, journal_length + {steps} AS sequence,
        {amount}::numeric AS amount, credit_balance + {counted} AS balance_after, '{type}' AS transaction_type,
        '{counterparty}' AS counterparty, {reference} AS reference_id, ledger_head AS head
    FROM users WHERE users.id = {user}
), hashed AS MATERIALIZED (
    SELECT given.*, ledger_chain(head, user_id, ledger_content(
        sequence, id, amount, balance_after, transaction_type, counterparty, reference_id, 0, created_at, ''
    )) OVER (PARTITION BY user_id ORDER BY sequence) AS hash FROM given
), moved AS (
    UPDATE users SET {moved}, journal_length = journal_length + 1, ledger_head = hash FROM hashed
    WHERE users.id = {whose}
){more}
INSERT INTO credit_transactions (id, user_id, sequence, amount, balance_after, transaction_type, counterparty,
    reference_id, description, created_at, hash)
SELECT id, user_id, sequence, amount, balance_after, transaction_type, counterparty, reference_id, '', created_at, {hash}
FROM hashed
"""


def forge(amount: str = "5", kind: str = "admin_adjustment", counterparty: str = "staff", **changes: str) -> str:
    """Return the statement that gives ann the amount, from the counterparty; `changes` bend it."""
    given = {
        "amount": amount,
        "type": kind,
        "counterparty": counterparty,
        "reference": "gen_random_uuid()",
        "at": "now()",
        "steps": "1",
        "counted": amount,
        "user": ":ann",
        "whose": changes.get("user", ":ann"),
        "moved": f"credit_balance = credit_balance + {amount}",
        "more": "",
        "hash": "hash",
    }
    return FORGED_ENTRY.format(**given | changes)
