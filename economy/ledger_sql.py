"""The ledger's statements.

What a transfer does to the users' columns is said once, in EFFECTS, for one transfer as for many.
"""

# Each column's change by a transfer; docs/ledger.md has them in words, and the audit derives them from the journal.
EFFECTS = {
    "credit_balance": "amount",
    "journal_length": "CASE WHEN amount <> 0 THEN 1 ELSE 0 END",
    "locked_credits": "CASE WHEN counterparty = 'escrow' THEN staked ELSE 0 END",
    "expended_credits": "CASE WHEN transaction_type IN ('bet_placed', 'stock_purchase') THEN -amount ELSE 0 END",
    "total_volume": "CASE WHEN transaction_type = 'bet_placed' THEN -amount ELSE 0 END",
    "overall_pnl": "CASE WHEN counterparty IN ('escrow', 'stocks') THEN amount + staked ELSE 0 END",
    "referral_credits_earned": "CASE WHEN transaction_type = 'referral_bonus' THEN amount ELSE 0 END",
}
CHANGED = ", ".join(f"{column} = users.{column} + change.{column}" for column in EFFECTS)
OF_ONE = ", ".join(f"{effect} AS {column}" for column, effect in EFFECTS.items())
OF_MANY = ", ".join(f"sum({effect}) AS {column}" for column, effect in EFFECTS.items())
# Who gets credits and has debts, repays; a loan isn't repaid from itself. There are hardly ever debts.
OWES = """amount > 0 AND counterparty <> 'house'
AND {user} IN (SELECT debts.user_id FROM debts WHERE debts.repaid < debts.lent)"""
OWES_OF_ONE, OWES_OF_MANY = OWES.format(user="moved.user_id"), OWES.format(user="user_id")
JOURNAL = """
INSERT INTO credit_transactions (
    id, user_id, sequence, amount, balance_after,
    transaction_type, counterparty, reference_id, occurrence, description, created_at
)
"""

# In READ COMMITTED the UPDATE waits for the row, then judges its newest version.
POST = f"""
WITH transfer AS (
    SELECT %(ledger_user_id)s::uuid AS user_id, %(ledger_amount)s::numeric AS amount,
        %(ledger_transaction_type)s::text AS transaction_type, %(ledger_counterparty)s::text AS counterparty,
        %(ledger_reference_id)s::uuid AS reference_id, %(ledger_occurrence)s::integer AS occurrence,
        %(ledger_staked)s::numeric AS staked, %(ledger_description)s::text AS description,
        %(ledger_now)s::timestamptz AS created_at
), moved AS (
    UPDATE users SET {CHANGED} FROM (SELECT user_id, amount AS asked, {OF_ONE} FROM transfer) AS change
    WHERE users.id = change.user_id AND (asked > 0 OR users.credit_balance - users.held_credits + asked >= 0)
    RETURNING users.id AS user_id, users.credit_balance AS balance_after, users.journal_length AS sequence,
        %(ledger_now)s::timestamptz AS now
), written AS (
    {JOURNAL}
    SELECT new_id(), user_id, sequence, amount, balance_after,
        transaction_type, counterparty, reference_id, occurrence, description, created_at
    FROM moved JOIN transfer USING (user_id)
    RETURNING id
){{also}}
SELECT written.id, moved.user_id, moved.sequence, moved.balance_after, {OWES_OF_ONE}
FROM moved, written, transfer
"""  # noqa: S608 - constants of this module
EXISTS = "SELECT 1 FROM users WHERE id = %(ledger_user_id)s"

# Whose rows are locked, in the order of ids: those whom the transfers name, unless the caller says whom.
NAMED = """
SELECT id, credit_balance, held_credits, journal_length FROM users
WHERE id IN (SELECT user_id FROM transfers) ORDER BY id FOR NO KEY UPDATE
"""
TRANSFERS = """
transfers AS MATERIALIZED (
    SELECT place, user_id, amount, transaction_type, counterparty, reference_id, occurrence, staked, description
    FROM ({source}) AS source
)
"""
LOCKED = "locked AS MATERIALIZED ({users})"
# Running balances and sequence numbers from what was locked. `begin` makes `transfers` and `locked`.
POST_MANY = f"""
WITH {{begin}}, running AS MATERIALIZED (
    SELECT new_id() AS id, transfers.*, held_credits,
        credit_balance + sum(amount) OVER history AS balance_after,
        journal_length + count(*) FILTER (WHERE amount <> 0) OVER history AS sequence
    FROM transfers LEFT JOIN locked ON locked.id = user_id
    WINDOW history AS (PARTITION BY user_id ORDER BY place ROWS UNBOUNDED PRECEDING)
), moved AS (
    UPDATE users SET {CHANGED}{{columns}} FROM (SELECT user_id, {OF_MANY} FROM running GROUP BY user_id) AS change
    WHERE users.id = change.user_id
), written AS (
    {JOURNAL}
    SELECT id, user_id, sequence, amount, balance_after,
        transaction_type, counterparty, reference_id, occurrence, description, %(ledger_now)s
    FROM running WHERE amount <> 0 AND balance_after IS NOT NULL
){{also}}
{{answer}}
"""  # noqa: S608 - constants of this module


def post_many(source: str, answer: str, *, users: str = "", columns: str = "", also: str = "") -> str:
    """The statement for many transfers; `economy.ledger.post_from` says what each part is."""
    transfers = TRANSFERS.format(source=source)
    begin = [LOCKED.format(users=users), transfers] if users else [transfers, LOCKED.format(users=NAMED)]
    return POST_MANY.format(
        begin=", ".join(begin),
        columns=f", {columns}" if columns else "",
        also=f", {also}" if also else "",
        answer=answer,
    )


GIVEN = """
SELECT * FROM unnest(
    %(ledger_user_id)s::uuid[], %(ledger_amount)s::numeric[], %(ledger_transaction_type)s::text[],
    %(ledger_counterparty)s::text[], %(ledger_reference_id)s::uuid[], %(ledger_occurrence)s::integer[],
    %(ledger_staked)s::numeric[], %(ledger_description)s::text[]
) WITH ORDINALITY AS given (
    user_id, amount, transaction_type, counterparty, reference_id, occurrence, staked, description, place
)
"""
SHORT = "amount < 0 AND balance_after < held_credits"
ROWS = f"SELECT id, user_id, sequence, balance_after, {SHORT}, {OWES_OF_MANY} FROM running ORDER BY place"  # noqa: S608
SUMMARY = f"""
SELECT count(*) FILTER (WHERE amount <> 0), count(DISTINCT user_id), coalesce(sum(amount), 0),
    count(*) FILTER (WHERE balance_after IS NULL),
    count(*) FILTER (WHERE {SHORT}),
    count(*) FILTER (WHERE pg_typeof(amount) <> 'numeric'::regtype OR pg_typeof(staked) <> 'numeric'::regtype
        OR amount <> round(amount::numeric, 2) OR staked <> round(staked::numeric, 2)
        OR (staked <> 0 AND counterparty NOT IN ('escrow', 'stocks'))),
    array_agg(DISTINCT user_id) FILTER (WHERE {OWES_OF_MANY})
FROM running
"""  # noqa: S608 - constants of this module
# The oldest debts first, from what is available. The users are locked: they have just been paid.
REPAYMENTS = """
SELECT row_number() OVER (ORDER BY created_at, reference_id) AS place, user_id, -due AS amount, transaction_type,
    'house' AS counterparty, reference_id, entries AS occurrence, 0::numeric AS staked, 'Debt repaid' AS description
FROM (
    SELECT debts.*, least(lent - repaid, users.available_credits - coalesce(sum(lent - repaid) OVER older, 0)) AS due
    FROM debts JOIN users ON users.id = debts.user_id
    WHERE debts.user_id = ANY(%(debtors)s::uuid[]) AND repaid < lent
    WINDOW older AS (
        PARTITION BY user_id ORDER BY debts.created_at, reference_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
) AS debt WHERE due > 0
"""
REPAID = "SELECT user_id, -sum(amount) FROM running GROUP BY user_id"
HOLD = """
UPDATE users SET held_credits = held_credits + %(ledger_change)s WHERE id = %(ledger_user_id)s
RETURNING id IN (SELECT debts.user_id FROM debts WHERE debts.repaid < debts.lent)
"""

# From `audit_expected`, for users whose journal is whole.
REBUILD = """
UPDATE users SET credit_balance = expected.credit_balance, journal_length = expected.journal_length,
    locked_credits = expected.locked_credits, expended_credits = expected.expended_credits,
    total_volume = expected.total_volume, overall_pnl = expected.overall_pnl,
    referral_credits_earned = expected.referral_credits_earned
FROM audit_expected AS expected
WHERE users.id = expected.user_id AND expected.whole AND
    (users.credit_balance, users.journal_length, users.locked_credits, users.expended_credits, users.total_volume,
        users.overall_pnl, users.referral_credits_earned)
    IS DISTINCT FROM (expected.credit_balance, expected.journal_length, expected.locked_credits,
        expected.expended_credits, expected.total_volume, expected.overall_pnl, expected.referral_credits_earned)
"""
