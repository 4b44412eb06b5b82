"""Chains what settlements came to: a row is added when one is finished or reversed, by a trigger.

The settlement's own row changes with every batch, so that chaining it would hold the chain for each. This one is written
in the last statement but few of a transaction, and the chain's lock is held from there to its end.
"""

from django.db import migrations, models

CHAIN = """
CREATE FUNCTION settlement_records_hash(previous bytea, link settlement_records) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(convert_to(coalesce(encode(previous, 'hex'), '') || E'\\n' || jsonb_build_array(
        link.sequence, link.settlement_id, link.state
    ), 'UTF8'))
$$;
CREATE FUNCTION settlement_state(settlement settlements) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_object(
        'market_id', settlement.market_id, 'generation', settlement.generation, 'resolution', settlement.resolution,
        'won', settlement.won, 'lost', settlement.lost, 'cancelled', settlement.cancelled, 'paid', settlement.paid,
        'refunded', settlement.refunded,
        'started_at', to_char(settlement.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
        'finished_at', to_char(settlement.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
        'reversed_at', to_char(settlement.reversed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
        'reversed_by', settlement.reversed_by_id, 'reversal_reason', settlement.reversal_reason
    )
$$;
CREATE FUNCTION settlement_records_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    previous record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('chain:settlement_records', 0));
    SELECT sequence, hash INTO previous FROM settlement_records ORDER BY sequence DESC LIMIT 1;
    NEW.sequence := coalesce(previous.sequence, 0) + 1;
    NEW.hash := settlement_records_hash(previous.hash, NEW);
    RETURN NEW;
END
$$;
CREATE TRIGGER settlement_records_chain BEFORE INSERT ON settlement_records
    FOR EACH ROW EXECUTE FUNCTION settlement_records_link();

CREATE FUNCTION settlement_records_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What settlements came to is never changed: % refused.', TG_OP
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'settlement_records_append_only';
END
$$;
CREATE TRIGGER settlement_records_append_only BEFORE UPDATE OR DELETE ON settlement_records
    FOR EACH STATEMENT EXECUTE FUNCTION settlement_records_refuse_change();
CREATE TRIGGER settlement_records_never_emptied BEFORE TRUNCATE ON settlement_records
    FOR EACH STATEMENT EXECUTE FUNCTION settlement_records_refuse_change();
ALTER TABLE settlement_records ENABLE ALWAYS TRIGGER settlement_records_append_only;
ALTER TABLE settlement_records ENABLE ALWAYS TRIGGER settlement_records_never_emptied;

CREATE FUNCTION settlements_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO settlement_records (settlement_id, state) VALUES (NEW.id, settlement_state(NEW));
    RETURN NULL;
END
$$;
CREATE TRIGGER settlements_record AFTER UPDATE ON settlements FOR EACH ROW
WHEN ((OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) OR (OLD.reversed_at IS NULL AND NEW.reversed_at IS NOT NULL))
EXECUTE FUNCTION settlements_record();

INSERT INTO settlement_records (settlement_id, state)
SELECT id, settlement_state(settlements) FROM settlements WHERE finished_at IS NOT NULL OR reversed_at IS NOT NULL
ORDER BY started_at, id;
"""
UNDO = """
DROP TRIGGER settlements_record ON settlements;
DROP FUNCTION settlements_record();
DROP FUNCTION settlement_state(settlements);
DROP FUNCTION settlement_records_hash(bytea, settlement_records);
DROP TRIGGER settlement_records_chain ON settlement_records;
DROP FUNCTION settlement_records_link();
DROP TRIGGER settlement_records_append_only ON settlement_records;
DROP TRIGGER settlement_records_never_emptied ON settlement_records;
DROP FUNCTION settlement_records_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("betting", "0008_numbers")]
    operations = [
        migrations.CreateModel(
            name="SettlementRecord",
            fields=[
                ("sequence", models.BigIntegerField(primary_key=True, serialize=False)),
                ("settlement_id", models.UUIDField(db_index=True)),
                ("state", models.JSONField()),
                ("hash", models.BinaryField(max_length=32)),
            ],
            options={"db_table": "settlement_records"},
        ),
        migrations.RunSQL(CHAIN, UNDO),
    ]
