"""A bet buys shares that pay 1 credit each. What a bet may pay is what it is called: `shares`, to the cent.

Of bets that were sold in part, the shares that are open are what the rest of the stake pays, as settlement computed it.
"""

from django.db import migrations, models

import django.db.models.expressions

import core.columns

FILL = """
UPDATE bets SET sold_shares = shares - trunc((amount - sold_amount) / odds_at_bet, 2) WHERE sale_count > 0;
ALTER TABLE bet_sales DISABLE TRIGGER bet_sales_append_only;
UPDATE bet_sales SET shares = part.shares FROM (
    SELECT sale.id, trunc((bets.amount - coalesce(sum(sale.amount) OVER earlier, 0)) / odds_at_bet, 2)
        - trunc((bets.amount - coalesce(sum(sale.amount) OVER earlier, 0) - sale.amount) / odds_at_bet, 2) AS shares
    FROM bet_sales AS sale JOIN bets ON bets.id = sale.bet_id
    WINDOW earlier AS (PARTITION BY sale.bet_id ORDER BY occurrence ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
) AS part WHERE part.id = bet_sales.id;
ALTER TABLE bet_sales ENABLE ALWAYS TRIGGER bet_sales_append_only;
"""

TRIGGERS = """
DROP TRIGGER bets_terms_never_change ON bets;
CREATE TRIGGER bets_terms_never_change BEFORE UPDATE ON bets FOR EACH ROW
WHEN ((OLD.id, OLD.user_id, OLD.market_id, OLD.side, OLD.amount, OLD.odds_at_bet, OLD.shares, {old_curve}OLD.placed_at)
    IS DISTINCT FROM
    (NEW.id, NEW.user_id, NEW.market_id, NEW.side, NEW.amount, NEW.odds_at_bet, NEW.shares, {new_curve}NEW.placed_at))
EXECUTE FUNCTION bets_refuse('the terms of a bet never change.');
ALTER TABLE bets ENABLE ALWAYS TRIGGER bets_terms_never_change;

CREATE OR REPLACE FUNCTION bet_sales_check_sums() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    checked uuid := CASE TG_TABLE_NAME WHEN 'bets' THEN (to_jsonb(NEW) ->> 'id')::uuid
        ELSE (to_jsonb(NEW) ->> 'bet_id')::uuid END;
BEGIN
    IF EXISTS (
        SELECT FROM bets CROSS JOIN LATERAL (
            SELECT count(*) AS sales, coalesce(sum(amount), 0) AS amount, coalesce(sum(payout), 0) AS payout,{shares}
                coalesce(bool_and({priced}), true) AS priced,
                coalesce(max(occurrence) + 1, 0) AS next
            FROM bet_sales AS sale WHERE sale.bet_id = bets.id
        ) AS sold
        WHERE bets.id = checked AND NOT (sold.priced AND sold.next = sold.sales
            AND (sold.sales, sold.amount, sold.payout{sold}) = (bets.sale_count, bets.sold_amount, bets.sold_payout{of_bet}))
    ) THEN
        RAISE EXCEPTION 'Bet % and its sales disagree.', checked
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;
DROP TRIGGER bets_agree_with_sales ON bets;
CREATE TRIGGER bets_agree_with_sales AFTER UPDATE ON bets FOR EACH ROW
WHEN ((OLD.sale_count, OLD.sold_amount, OLD.sold_payout{old_sold}) IS DISTINCT FROM
    (NEW.sale_count, NEW.sold_amount, NEW.sold_payout{new_sold}))
EXECUTE FUNCTION bet_sales_check_sums();
ALTER TABLE bets ENABLE ALWAYS TRIGGER bets_agree_with_sales;
"""
AT_ODDS = "sale.payout = trunc(sale.amount * sale.odds / bets.odds_at_bet, 2)"
# Along a curve the odds of a sale are an average, rounded down to be shown.
PRICED = f"""CASE WHEN bets.on_curve
                    THEN sale.odds = greatest(trunc(sale.payout / nullif(sale.shares, 0), 4), 0.0001)
                    ELSE {AT_ODDS} END"""
NEW_TRIGGERS = TRIGGERS.format(
    old_curve="OLD.on_curve, ", new_curve="NEW.on_curve, ", shares=" coalesce(sum(shares), 0) AS shares,",
    priced=PRICED, sold=", sold.shares", of_bet=", bets.sold_shares", old_sold=", OLD.sold_shares",
    new_sold=", NEW.sold_shares",
)  # fmt: skip
OLD_TRIGGERS = TRIGGERS.format(
    old_curve="", new_curve="", shares="", priced=AT_ODDS, sold="", of_bet="", old_sold="", new_sold=""
)


class Migration(migrations.Migration):
    dependencies = [("betting", "0010_vacuum_bets_sooner")]
    operations = [
        migrations.RemoveConstraint(model_name="bet", name="bets_hold_numbers"),
        migrations.RemoveConstraint(model_name="bet", name="bets_payout_is_stake_over_odds"),
        migrations.RemoveConstraint(model_name="bet", name="bets_status_and_outcome"),
        migrations.RemoveConstraint(model_name="bet", name="bets_sales_in_range"),
        migrations.RenameField(model_name="bet", old_name="potential_payout", new_name="shares"),
        migrations.AddField(
            model_name="bet", name="on_curve", field=models.BooleanField(db_default=False, default=False)
        ),
        migrations.AddField(
            model_name="bet", name="sold_shares", field=core.columns.credits_column(default=0, db_default=0)
        ),
        migrations.AddField(model_name="betsale", name="shares", field=core.columns.credits_column(null=True)),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AlterField(model_name="betsale", name="shares", field=core.columns.credits_column()),
        migrations.AddConstraint(
            model_name='bet',
            constraint=models.CheckConstraint(condition=models.Q(('actual_payout__lt', 10000000000000000), ('shares__lt', 10000000000000000), ('sold_amount__lt', 10000000000000000), ('sold_payout__lt', 10000000000000000), ('sold_shares__lt', 10000000000000000)), name='bets_hold_numbers'),
        ),
        migrations.AddConstraint(
            model_name='bet',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('on_curve', False), ('shares', models.Func(django.db.models.expressions.CombinedExpression(models.F('amount'), '/', models.F('odds_at_bet')), function='trunc', output_field=models.DecimalField(decimal_places=2, max_digits=18), template='trunc(%(expressions)s, 2)'))), models.Q(('odds_at_bet', models.Func(django.db.models.expressions.CombinedExpression(models.F('amount'), '/', models.F('shares')), function='ceil', output_field=models.DecimalField(decimal_places=4, max_digits=5), template='(ceil((%(expressions)s) * 10000) / 10000)')), ('on_curve', True), ('shares__gt', models.F('amount'))), _connector='OR'), name='bets_payout_is_stake_over_odds'),
        ),
        migrations.AddConstraint(
            model_name='bet',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('on_curve', False), ('sold_shares', django.db.models.expressions.CombinedExpression(models.F('shares'), '-', models.Func(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('amount'), '-', models.F('sold_amount')), '/', models.F('odds_at_bet')), function='trunc', output_field=models.DecimalField(decimal_places=2, max_digits=18), template='trunc(%(expressions)s, 2)')))), models.Q(('on_curve', True), ('sold_shares', django.db.models.expressions.CombinedExpression(models.F('shares'), '-', models.Func(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('shares'), '*', django.db.models.expressions.CombinedExpression(models.F('amount'), '-', models.F('sold_amount'))), '/', models.F('amount')), function='trunc', output_field=models.DecimalField(decimal_places=2, max_digits=18), template='trunc(%(expressions)s, 2)')))), _connector='OR'), name='bets_sold_shares_follow_the_stake'),
        ),
        migrations.AddConstraint(
            model_name='bet',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('actual_payout__isnull', True), ('resolved_at__isnull', True), ('status', 'pending')), models.Q(('actual_payout__isnull', True), ('resolved_at__isnull', False), ('status', 'sold')), models.Q(('actual_payout', django.db.models.expressions.CombinedExpression(models.F('shares'), '-', models.F('sold_shares'))), ('actual_payout__isnull', False), ('resolved_at__isnull', False), ('status', 'won')), models.Q(('actual_payout', 0), ('actual_payout__isnull', False), ('resolved_at__isnull', False), ('status', 'lost')), models.Q(('actual_payout', django.db.models.expressions.CombinedExpression(models.F('amount'), '-', models.F('sold_amount'))), ('actual_payout__isnull', False), ('resolved_at__isnull', False), ('status', 'cancelled')), models.Q(('actual_payout__isnull', False), ('actual_payout__range', (0, django.db.models.expressions.CombinedExpression(models.F('amount'), '-', models.F('sold_amount')))), ('on_curve', True), ('resolved_at__isnull', False), ('status', 'cancelled')), _connector='OR'), name='bets_status_and_outcome'),
        ),
        migrations.AddConstraint(
            model_name='bet',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('sale_count', 0), ('sold_amount', 0), ('sold_payout', 0)), models.Q(('sale_count__gt', 0), ('sold_amount__gt', 0), ('sold_amount__lte', models.F('amount')), ('sold_payout__gte', 0), ('sold_payout__lte', models.F('sold_shares'))), _connector='OR'), name='bets_sales_in_range'),
        ),
        migrations.AddConstraint(
            model_name='betsale',
            constraint=models.CheckConstraint(condition=models.Q(('shares__gte', 0), ('shares__lt', 10000000000000000)), name='bet_sales_shares_not_negative'),
        ),
        migrations.RunSQL(NEW_TRIGGERS, OLD_TRIGGERS),
    ]
