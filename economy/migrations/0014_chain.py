"""What the database refuses from now on: an entry without its hash, and a user's head that isn't the last entry's hash.

The triggers are those of `0002_books`, which says how they work. Of a batch a sixteenth of the hashes is computed again,
chosen at random: one formula makes them all. Of few entries all are. The audit computes each.

The foreign key of the entries goes: its insert side asks what `credit_transactions_check_chain` asks as well, and its other
side is now a trigger. It cost what the hashes do.
"""

from django.conf import settings
from django.db import migrations, models

CHECKS = """
CREATE OR REPLACE FUNCTION credit_transactions_check_chain() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    wrong record;
    few boolean := (SELECT count(*) FROM (SELECT FROM new_rows LIMIT 101) AS counted) <= 100;
BEGIN
    SELECT added.user_id, added.sequence INTO wrong
    FROM new_rows AS added LEFT JOIN credit_transactions AS previous
    ON previous.user_id = added.user_id AND previous.sequence = added.sequence - 1
    WHERE added.sequence > coalesce((SELECT journal_length FROM users WHERE users.id = added.user_id), 0)
    OR added.balance_after IS DISTINCT FROM
        added.amount + CASE added.sequence WHEN 1 THEN 0 ELSE previous.balance_after END
    OR (few OR random() < 0.0625) AND added.hash IS DISTINCT FROM ledger_hash(previous.hash, added.user_id, ledger_content(
        added.sequence, added.id, added.amount, added.balance_after, added.transaction_type, added.counterparty,
        added.reference_id, added.occurrence, added.created_at, added.description
    ))
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Row % of the journal of user % continues nothing.', wrong.sequence, wrong.user_id
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'credit_transactions_chain';
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION users_check_journal() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_nestloop = off AS $$
DECLARE
    wrong uuid;
BEGIN
    SELECT changed.id INTO wrong FROM new_rows AS changed LEFT JOIN old_rows AS before ON before.id = changed.id
    WHERE (before.id IS NULL OR changed.credit_balance <> before.credit_balance
        OR changed.journal_length <> before.journal_length
        OR changed.ledger_head IS DISTINCT FROM before.ledger_head)
    AND (before.id IS NULL
        OR NOT CASE changed.journal_length WHEN 0 THEN changed.credit_balance = 0 AND changed.ledger_head IS NULL
        ELSE coalesce((
            SELECT last.balance_after = changed.credit_balance AND last.hash = changed.ledger_head
            FROM credit_transactions AS last
            WHERE last.user_id = changed.id AND last.sequence = changed.journal_length
        ), false) END
        OR (changed.journal_length <= before.journal_length AND EXISTS (
            SELECT FROM credit_transactions AS later
            WHERE later.user_id = changed.id AND later.sequence = changed.journal_length + 1
        )))
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The balance of user % is not that of the journal.', wrong
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'users_balance_follows_journal';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION users_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'User % has a journal.', OLD.id
    USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'users_with_entries_stay';
END
$$;
CREATE TRIGGER users_with_entries_stay BEFORE DELETE ON users FOR EACH ROW
WHEN (OLD.journal_length > 0) EXECUTE FUNCTION users_refuse_delete();
ALTER TABLE users ENABLE ALWAYS TRIGGER users_with_entries_stay;

DROP TRIGGER users_begin_with_nothing ON users;
CREATE TRIGGER users_begin_with_nothing BEFORE INSERT ON users FOR EACH ROW
WHEN (NEW.credit_balance <> 0 OR NEW.held_credits <> 0 OR NEW.locked_credits <> 0 OR NEW.expended_credits <> 0
    OR NEW.total_volume <> 0 OR NEW.overall_pnl <> 0 OR NEW.referral_credits_earned <> 0 OR NEW.journal_length <> 0
    OR NEW.ledger_head IS NOT NULL)
EXECUTE FUNCTION users_refuse_credits();
"""


class Migration(migrations.Migration):
    dependencies = [("economy", "0013_chain_entries")]
    operations = [
        migrations.AlterField(
            model_name="credittransaction",
            name="hash",
            field=models.BinaryField(editable=False, max_length=32),
        ),
        migrations.AlterField(
            model_name="credittransaction",
            name="user",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=models.PROTECT,
                related_name="transactions",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunSQL(CHECKS, migrations.RunSQL.noop),
    ]
