"""Rules are recorded from here on. What was given before is taken as it was: no rule of that time is known."""

import django.contrib.postgres.fields
import django.db.models.expressions
from django.db import migrations, models

from economy import rules

KEPT = """
CREATE FUNCTION recorded_rules_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Recorded rules are never changed: % refused.', TG_OP
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$$;
CREATE TRIGGER recorded_rules_append_only BEFORE UPDATE OR DELETE ON recorded_rules
    FOR EACH STATEMENT EXECUTE FUNCTION recorded_rules_refuse_change();
CREATE TRIGGER recorded_rules_never_emptied BEFORE TRUNCATE ON recorded_rules
    FOR EACH STATEMENT EXECUTE FUNCTION recorded_rules_refuse_change();
ALTER TABLE recorded_rules ENABLE ALWAYS TRIGGER recorded_rules_append_only;
ALTER TABLE recorded_rules ENABLE ALWAYS TRIGGER recorded_rules_never_emptied;
"""
NOT_KEPT = """
DROP TRIGGER recorded_rules_never_emptied ON recorded_rules;
DROP TRIGGER recorded_rules_append_only ON recorded_rules;
DROP FUNCTION recorded_rules_refuse_change();
"""
RULES_OF_WHAT_IS_THERE = """
INSERT INTO recorded_rules (name, numbers, recorded_at)
SELECT 'daily_reward', %(schedule)s::numeric[], now()
UNION ALL
SELECT DISTINCT transaction_type, ARRAY[amount], now() FROM credit_transactions
WHERE transaction_type IN ('signup_bonus', 'referral_bonus')
UNION ALL
SELECT 'referral_daily_cap', ARRAY[greatest(%(cap)s, coalesce(max(paid), 0))], now() FROM (
    SELECT count(*) AS paid FROM credit_transactions WHERE transaction_type = 'referral_bonus'
    GROUP BY user_id, (created_at AT TIME ZONE 'UTC')::date
) AS days
UNION ALL
SELECT 'stock ' || symbol, ARRAY[total_supply, max_leverage], now() FROM stocks
"""
# A limit of that time isn't known: the one of today, or what was moved alone in that day.
FILL_LIMITS = """
ALTER TABLE credit_adjustments DISABLE TRIGGER credit_adjustments_final;
UPDATE credit_adjustments AS adjustment SET limit_in_force = greatest(%(limit)s, moved) FROM (
    SELECT id, coalesce(sum(abs(amount)) FILTER (WHERE status = 'applied') OVER (
        PARTITION BY user_id, requested_by_id, (created_at AT TIME ZONE 'UTC')::date
    ), 0) AS moved FROM credit_adjustments
) AS day WHERE day.id = adjustment.id;
ALTER TABLE credit_adjustments ENABLE ALWAYS TRIGGER credit_adjustments_final;
"""
TERMS_NEVER_CHANGE = """
CREATE OR REPLACE FUNCTION credit_adjustments_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status = 'pending' AND
        (NEW.id, NEW.request_id, NEW.user_id, NEW.amount, NEW.limit_in_force, NEW.reason, NEW.requested_by_id,
            NEW.created_at)
        IS NOT DISTINCT FROM
        (OLD.id, OLD.request_id, OLD.user_id, OLD.amount, OLD.limit_in_force, OLD.reason, OLD.requested_by_id,
            OLD.created_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'What was asked for and decided is never changed: % refused.', TG_OP
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'credit_adjustments_final';
END
$$;
"""
TERMS_BEFORE = TERMS_NEVER_CHANGE.replace("NEW.limit_in_force, ", "").replace("OLD.limit_in_force, ", "")


def record_rules(apps, schema_editor):
    numbers = {"schedule": rules.DAILY_REWARDS, "cap": rules.REFERRAL_DAILY_CAP}
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(RULES_OF_WHAT_IS_THERE, numbers)


def fill_limits(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(FILL_LIMITS.replace("%(limit)s", str(int(rules.ADMIN_ADJUSTMENT_LIMIT))))


class Migration(migrations.Migration):

    dependencies = [
        ('economy', '0009_stock_status_changes'),
    ]

    operations = [
        migrations.CreateModel(
            name='RecordedRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('numbers', django.contrib.postgres.fields.ArrayField(base_field=models.DecimalField(decimal_places=8, max_digits=26), size=None)),
                ('recorded_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'recorded_rules',
            },
        ),
        migrations.AddField(
            model_name='creditadjustment',
            name='limit_in_force',
            field=models.DecimalField(decimal_places=2, default=0, max_digits=18),
            preserve_default=False,
        ),
        migrations.RunPython(fill_limits, migrations.RunPython.noop),
        migrations.RunSQL(TERMS_NEVER_CHANGE, TERMS_BEFORE),
        migrations.AddConstraint(
            model_name='creditadjustment',
            constraint=models.CheckConstraint(condition=models.Q(('limit_in_force__gte', 0), ('limit_in_force__lt', 10000000000000000)), name='credit_adjustments_limit_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='creditadjustment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'applied'), _negated=True), models.Q(('amount__gte', django.db.models.expressions.CombinedExpression(models.F('limit_in_force'), '*', models.Value(-1))), ('amount__lte', models.F('limit_in_force'))), _connector='OR'), name='credit_adjustments_alone_within_limit'),
        ),
        migrations.AddConstraint(
            model_name='recordedrule',
            constraint=models.UniqueConstraint(fields=('name', 'numbers'), name='recorded_rules_once'),
        ),
        migrations.AddConstraint(
            model_name='recordedrule',
            constraint=models.CheckConstraint(condition=models.Q(models.Func(models.F('numbers'), output_field=models.BooleanField(), template='1e18 > ALL (%(expressions)s)'), ('numbers__len__gt', 0)), name='recorded_rules_are_numbers'),
        ),
        migrations.RunSQL(KEPT, NOT_KEPT),
        migrations.RunPython(record_rules, migrations.RunPython.noop),
    ]
