"""Chains the entries that exist: set-based, for a thousand users a transaction, and where it stopped when started again.

Every entry is written anew once. Of a large ledger that is long, and takes as much room again until VACUUM has been:
156,500 entries took up to 25 s on a busy machine, so 100,000,000 may take hours. Nothing may be posted from here to
the end of the next migration: stop web and workers first. The entries' guard is off inside each transaction only, which
holds a lock on the table that keeps everybody else from writing.
"""

from uuid import UUID

from django.db import migrations, transaction

USERS = 1_000
OFF = "ALTER TABLE credit_transactions DISABLE TRIGGER credit_transactions_append_only"
ON = "ALTER TABLE credit_transactions ENABLE ALWAYS TRIGGER credit_transactions_append_only"
CHOSEN = """
SELECT id FROM users WHERE id > %s AND journal_length > 0 AND ledger_head IS NULL ORDER BY id LIMIT %s
"""
CHAIN = """
WITH chained AS MATERIALIZED (
    SELECT id, user_id, sequence, ledger_chain(NULL, user_id, ledger_content(
        sequence, id, amount, balance_after, transaction_type, counterparty, reference_id, occurrence, created_at,
        description
    )) OVER (PARTITION BY user_id ORDER BY sequence ROWS UNBOUNDED PRECEDING) AS hash
    FROM credit_transactions WHERE user_id = ANY(%s::uuid[])
), written AS (
    UPDATE credit_transactions SET hash = chained.hash FROM chained WHERE credit_transactions.id = chained.id
)
UPDATE users SET ledger_head = last.hash
FROM (SELECT DISTINCT ON (user_id) user_id, hash FROM chained ORDER BY user_id, sequence DESC) AS last
WHERE users.id = last.user_id
"""


def chain_entries(apps, schema_editor):
    connection, after = schema_editor.connection, UUID(int=0)
    while True:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(CHOSEN, [after, USERS])
            chosen = [user_id for (user_id,) in cursor.fetchall()]
            if not chosen:
                return
            cursor.execute(OFF)
            cursor.execute(CHAIN, [chosen])
            cursor.execute(ON)
        after = chosen[-1]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("economy", "0012_entry_hashes")]
    operations = [migrations.RunPython(chain_entries, migrations.RunPython.noop)]
