"""Chains what staff did: each row has the SHA-256 of itself and the one before, so that a history that was rewritten shows.

A trigger makes both under a lock of the chain, which a transaction holds from its insert to its end: the rows are few, and
are written last. Rows that exist are chained in the order of their ids, one by one. `users.ledger_head` is filled by the
economy's migrations.
"""

from django.db import migrations, models

CHAIN = """
CREATE FUNCTION staff_actions_hash(previous bytea, link staff_actions) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT sha256(convert_to(coalesce(encode(previous, 'hex'), '') || E'\\n' || jsonb_build_array(
        link.sequence, link.id, to_char(link.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), link.staff_id,
        host(link.ip), link.action, link.target_type, link.target_id, link.reason, link.before, link.after
    ), 'UTF8'))
$$;
CREATE FUNCTION staff_actions_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    previous record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('chain:staff_actions', 0));
    SELECT sequence, hash INTO previous FROM staff_actions ORDER BY sequence DESC LIMIT 1;
    NEW.sequence := coalesce(previous.sequence, 0) + 1;
    NEW.hash := staff_actions_hash(previous.hash, NEW);
    RETURN NEW;
END
$$;
CREATE TRIGGER staff_actions_chain BEFORE INSERT ON staff_actions
    FOR EACH ROW EXECUTE FUNCTION staff_actions_link();
"""
FILL = """
ALTER TABLE staff_actions DISABLE TRIGGER staff_actions_append_only;
DO $$
DECLARE
    link staff_actions;
    previous bytea;
    place bigint := 0;
BEGIN
    FOR link IN SELECT * FROM staff_actions ORDER BY id LOOP
        place := place + 1;
        link.sequence := place;
        previous := staff_actions_hash(previous, link);
        UPDATE staff_actions SET sequence = place, hash = previous WHERE id = link.id;
    END LOOP;
END
$$;
ALTER TABLE staff_actions ENABLE ALWAYS TRIGGER staff_actions_append_only;
"""
UNDO = """
DROP TRIGGER staff_actions_chain ON staff_actions;
DROP FUNCTION staff_actions_link();
DROP FUNCTION staff_actions_hash(bytea, staff_actions);
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_numbers")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="ledger_head",
            field=models.BinaryField(editable=False, max_length=32, null=True),
        ),
        migrations.AddField(
            model_name="staffaction",
            name="sequence",
            field=models.BigIntegerField(db_default=0, editable=False),
        ),
        migrations.AddField(
            model_name="staffaction",
            name="hash",
            field=models.BinaryField(db_default=models.Value(b""), editable=False, max_length=32),
        ),
        migrations.RunSQL(CHAIN, UNDO),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="staffaction",
            constraint=models.UniqueConstraint(fields=("sequence",), name="staff_actions_sequence_unique"),
        ),
    ]
