"""What the database itself refuses, besides the constraints: a journal that is edited, and balances without a journal.

Two statement triggers hold the chain. Of a journal row: its balance is the previous one plus its amount, and its user
has been moved on to it. Of a user whose balance changed: it is that of the journal's row of that number. Both run at the
end of the statement, and see all of it: a statement has to change the two together, as `economy.ledger` does.

The trigger on users may only let through what ends at the journal's last row: that is how a repair passes.
"""

from django.db import migrations

# `enable_*`: a plan is kept for later statements, and what suits one row must not be used for 5,000, nor the plan for an
# empty table for a full one.
BOOKS = """
CREATE FUNCTION credit_transactions_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The journal is never changed: % refused.', TG_OP
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'credit_transactions_append_only';
END
$$;
CREATE TRIGGER credit_transactions_append_only BEFORE UPDATE OR DELETE ON credit_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION credit_transactions_refuse_change();
CREATE TRIGGER credit_transactions_never_emptied BEFORE TRUNCATE ON credit_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION credit_transactions_refuse_change();
ALTER TABLE credit_transactions ENABLE ALWAYS TRIGGER credit_transactions_append_only;
ALTER TABLE credit_transactions ENABLE ALWAYS TRIGGER credit_transactions_never_emptied;

CREATE FUNCTION credit_transactions_check_chain() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    wrong record;
BEGIN
    SELECT added.user_id, added.sequence INTO wrong FROM new_rows AS added
    WHERE added.sequence > coalesce((SELECT journal_length FROM users WHERE users.id = added.user_id), 0)
    OR added.balance_after IS DISTINCT FROM added.amount + CASE added.sequence WHEN 1 THEN 0 ELSE (
        SELECT previous.balance_after FROM credit_transactions AS previous
        WHERE previous.user_id = added.user_id AND previous.sequence = added.sequence - 1
    ) END
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Row % of the journal of user % continues nothing.', wrong.sequence, wrong.user_id
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'credit_transactions_chain';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER credit_transactions_chain AFTER INSERT ON credit_transactions
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION credit_transactions_check_chain();

CREATE FUNCTION users_check_journal() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_nestloop = off AS $$
DECLARE
    wrong uuid;
BEGIN
    SELECT changed.id INTO wrong FROM new_rows AS changed LEFT JOIN old_rows AS before ON before.id = changed.id
    WHERE (before.id IS NULL OR changed.credit_balance <> before.credit_balance
        OR changed.journal_length <> before.journal_length)
    AND (before.id IS NULL
        OR changed.credit_balance IS DISTINCT FROM CASE changed.journal_length WHEN 0 THEN 0 ELSE (
            SELECT last.balance_after FROM credit_transactions AS last
            WHERE last.user_id = changed.id AND last.sequence = changed.journal_length
        ) END
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
CREATE TRIGGER users_balance_follows_journal AFTER UPDATE ON users
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION users_check_journal();

CREATE FUNCTION users_refuse_credits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'User % begins with credits that no journal knows.', NEW.id
    USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'users_begin_with_nothing';
END
$$;
CREATE TRIGGER users_begin_with_nothing BEFORE INSERT ON users FOR EACH ROW
WHEN (NEW.credit_balance <> 0 OR NEW.held_credits <> 0 OR NEW.locked_credits <> 0 OR NEW.expended_credits <> 0
    OR NEW.total_volume <> 0 OR NEW.overall_pnl <> 0 OR NEW.referral_credits_earned <> 0 OR NEW.journal_length <> 0)
EXECUTE FUNCTION users_refuse_credits();
"""
UNDO = """
DROP TRIGGER users_begin_with_nothing ON users;
DROP FUNCTION users_refuse_credits();
DROP TRIGGER users_balance_follows_journal ON users;
DROP FUNCTION users_check_journal();
DROP TRIGGER credit_transactions_chain ON credit_transactions;
DROP FUNCTION credit_transactions_check_chain();
DROP TRIGGER credit_transactions_never_emptied ON credit_transactions;
DROP TRIGGER credit_transactions_append_only ON credit_transactions;
DROP FUNCTION credit_transactions_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("economy", "0001_initial"), ("accounts", "0001_initial"), ("common", "0002_idempotency")]
    operations = [
        migrations.RunSQL(BOOKS, UNDO),
        # A balance is in no index: room on the page keeps its changes there (HOT).
        migrations.RunSQL("ALTER TABLE users SET (fillfactor = 80)", "ALTER TABLE users RESET (fillfactor)"),
    ]
