"""Anchors: rows that are only added; of one, only when it was published may be written later, and once."""

from django.db import migrations, models

ANCHORS = """
CREATE FUNCTION ledger_anchors_hash(previous bytea, link ledger_anchors) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(convert_to(coalesce(encode(previous, 'hex'), '') || E'\\n' || jsonb_build_array(
        link.sequence, to_char(link.anchored_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), link.users,
        link.entries, link.circulation, link.counterparties, link.chains, encode(link.heads_hash, 'hex')
    ), 'UTF8'))
$$;
CREATE FUNCTION ledger_anchors_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    previous record;
BEGIN
    SELECT sequence, hash INTO previous FROM ledger_anchors ORDER BY sequence DESC LIMIT 1;
    NEW.sequence := coalesce(previous.sequence, 0) + 1;
    NEW.hash := ledger_anchors_hash(previous.hash, NEW);
    RETURN NEW;
END
$$;
CREATE TRIGGER ledger_anchors_chain BEFORE INSERT ON ledger_anchors
    FOR EACH ROW EXECUTE FUNCTION ledger_anchors_link();

CREATE FUNCTION ledger_anchors_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'ledger_anchors' THEN
        IF to_jsonb(NEW) - '{filed_at,posted_at}'::text[] = to_jsonb(OLD) - '{filed_at,posted_at}'::text[]
            AND (OLD.filed_at IS NULL OR NEW.filed_at = OLD.filed_at)
            AND (OLD.posted_at IS NULL OR NEW.posted_at = OLD.posted_at)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'Anchors are never changed: % refused.', TG_OP
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_TABLE_NAME || '_append_only';
END
$$;
CREATE TRIGGER ledger_anchors_append_only BEFORE UPDATE OR DELETE ON ledger_anchors
    FOR EACH ROW EXECUTE FUNCTION ledger_anchors_refuse_change();
CREATE TRIGGER ledger_anchors_never_emptied BEFORE TRUNCATE ON ledger_anchors
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_anchors_refuse_change();
CREATE TRIGGER ledger_anchor_heads_append_only BEFORE UPDATE OR DELETE ON ledger_anchor_heads
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_anchors_refuse_change();
CREATE TRIGGER ledger_anchor_heads_never_emptied BEFORE TRUNCATE ON ledger_anchor_heads
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_anchors_refuse_change();
ALTER TABLE ledger_anchors ENABLE ALWAYS TRIGGER ledger_anchors_append_only;
ALTER TABLE ledger_anchors ENABLE ALWAYS TRIGGER ledger_anchors_never_emptied;
ALTER TABLE ledger_anchor_heads ENABLE ALWAYS TRIGGER ledger_anchor_heads_append_only;
ALTER TABLE ledger_anchor_heads ENABLE ALWAYS TRIGGER ledger_anchor_heads_never_emptied;
"""
UNDO = """
DROP FUNCTION ledger_anchors_hash(bytea, ledger_anchors);
DROP TRIGGER ledger_anchors_chain ON ledger_anchors;
DROP FUNCTION ledger_anchors_link();
DROP TRIGGER ledger_anchors_append_only ON ledger_anchors;
DROP TRIGGER ledger_anchors_never_emptied ON ledger_anchors;
DROP TRIGGER ledger_anchor_heads_append_only ON ledger_anchor_heads;
DROP TRIGGER ledger_anchor_heads_never_emptied ON ledger_anchor_heads;
DROP FUNCTION ledger_anchors_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("economy", "0014_chain")]
    operations = [
        migrations.CreateModel(
            name="LedgerAnchor",
            fields=[
                ("sequence", models.BigIntegerField(primary_key=True, serialize=False)),
                ("anchored_at", models.DateTimeField()),
                ("users", models.BigIntegerField()),
                ("entries", models.BigIntegerField()),
                ("circulation", models.DecimalField(decimal_places=2, max_digits=24)),
                ("counterparties", models.JSONField()),
                ("chains", models.JSONField()),
                ("heads_hash", models.BinaryField(max_length=32)),
                ("hash", models.BinaryField(max_length=32)),
                ("filed_at", models.DateTimeField(null=True)),
                ("posted_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "ledger_anchors",
                "indexes": [
                    models.Index(
                        condition=models.Q(("filed_at__isnull", True)),
                        fields=["sequence"],
                        name="ledger_anchors_unfiled",
                    ),
                    models.Index(
                        condition=models.Q(("posted_at__isnull", True)),
                        fields=["sequence"],
                        name="ledger_anchors_unposted",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("circulation__lt", 10**22)), name="ledger_anchors_hold_numbers"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerAnchorHead",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "user_id", "sequence", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("user_id", models.UUIDField()),
                ("sequence", models.BigIntegerField()),
                ("anchor", models.BigIntegerField()),
                ("hash", models.BinaryField(max_length=32)),
            ],
            options={"db_table": "ledger_anchor_heads"},
        ),
        migrations.RunSQL(ANCHORS, UNDO),
    ]
