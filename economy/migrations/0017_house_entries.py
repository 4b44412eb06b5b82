"""Entries between house and escrow: a chain, as those of settlements and staff actions are."""

from django.db import migrations, models

CHAIN = """
CREATE FUNCTION house_entries_hash(previous bytea, link house_entries) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(convert_to(coalesce(encode(previous, 'hex'), '') || E'\\n' || jsonb_build_array(
        link.sequence, link.amount, link.entry_type, link.reference_id, link.occurrence,
        to_char(link.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
    ), 'UTF8'))
$$;
CREATE FUNCTION house_entries_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    previous record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('chain:house_entries', 0));
    SELECT sequence, hash INTO previous FROM house_entries ORDER BY sequence DESC LIMIT 1;
    NEW.sequence := coalesce(previous.sequence, 0) + 1;
    NEW.hash := house_entries_hash(previous.hash, NEW);
    RETURN NEW;
END
$$;
CREATE TRIGGER house_entries_chain BEFORE INSERT ON house_entries
    FOR EACH ROW EXECUTE FUNCTION house_entries_link();

CREATE FUNCTION house_entries_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Entries between house and escrow are never changed: % refused.', TG_OP
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'house_entries_append_only';
END
$$;
CREATE TRIGGER house_entries_append_only BEFORE UPDATE OR DELETE ON house_entries
    FOR EACH STATEMENT EXECUTE FUNCTION house_entries_refuse_change();
CREATE TRIGGER house_entries_never_emptied BEFORE TRUNCATE ON house_entries
    FOR EACH STATEMENT EXECUTE FUNCTION house_entries_refuse_change();
ALTER TABLE house_entries ENABLE ALWAYS TRIGGER house_entries_append_only;
ALTER TABLE house_entries ENABLE ALWAYS TRIGGER house_entries_never_emptied;
"""
UNDO = """
DROP FUNCTION house_entries_hash(bytea, house_entries);
DROP TRIGGER house_entries_chain ON house_entries;
DROP FUNCTION house_entries_link();
DROP TRIGGER house_entries_append_only ON house_entries;
DROP TRIGGER house_entries_never_emptied ON house_entries;
DROP FUNCTION house_entries_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("economy", "0016_rewards_of_ended_days")]
    operations = [
        migrations.CreateModel(
            name="HouseEntry",
            fields=[
                ("sequence", models.BigIntegerField(primary_key=True, serialize=False)),
                ("amount", models.DecimalField(decimal_places=2, max_digits=18)),
                (
                    "entry_type",
                    models.CharField(
                        choices=[
                            ("subsidy", "Subsidy"),
                            ("subsidy_return", "Subsidy Return"),
                            ("subsidy_reversal", "Subsidy Reversal"),
                        ],
                        max_length=20,
                    ),
                ),
                ("reference_id", models.UUIDField()),
                ("occurrence", models.IntegerField()),
                ("created_at", models.DateTimeField()),
                ("hash", models.BinaryField(max_length=32)),
            ],
            options={
                "db_table": "house_entries",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("reference_id", "entry_type", "occurrence"), name="house_entries_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount__gt", 0),
                            ("amount__lt", 10000000000000000),
                            ("entry_type__in", ["subsidy", "subsidy_reversal"]),
                        )
                        | models.Q(("amount__lt", 0), ("entry_type", "subsidy_return")),
                        name="house_entries_direction",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("occurrence__gte", 0)), name="house_entries_occurrence_not_negative"
                    ),
                ],
            },
        ),
        migrations.RunSQL(CHAIN, UNDO),
    ]
