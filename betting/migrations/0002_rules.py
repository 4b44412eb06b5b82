"""What the database refuses of bets and their sales besides the constraints: other terms, a way back, wrong sums."""

from django.db import migrations

RULES = """
CREATE FUNCTION bets_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$$;

CREATE TRIGGER bets_begin_pending BEFORE INSERT ON bets FOR EACH ROW
WHEN (NEW.status <> 'pending' OR NEW.sale_count <> 0 OR NEW.settlement_count <> 0)
EXECUTE FUNCTION bets_refuse('a new bet is pending, and nothing of it is sold.');

CREATE TRIGGER bets_terms_never_change BEFORE UPDATE ON bets FOR EACH ROW
WHEN ((OLD.id, OLD.user_id, OLD.market_id, OLD.side, OLD.amount, OLD.odds_at_bet, OLD.potential_payout, OLD.placed_at)
    IS DISTINCT FROM
    (NEW.id, NEW.user_id, NEW.market_id, NEW.side, NEW.amount, NEW.odds_at_bet, NEW.potential_payout, NEW.placed_at))
EXECUTE FUNCTION bets_refuse('the terms of a bet never change.');

-- Only pending bets are sold or settled; a settlement can be undone, a sale can't.
CREATE TRIGGER bets_never_go_back BEFORE UPDATE ON bets FOR EACH ROW
WHEN (NEW.sold_amount < OLD.sold_amount OR NEW.sold_payout < OLD.sold_payout OR NEW.sale_count < OLD.sale_count
    OR NEW.settlement_count < OLD.settlement_count
    OR (OLD.status <> 'pending' AND (NEW.sale_count <> OLD.sale_count OR NEW.sold_amount <> OLD.sold_amount
        OR NEW.sold_payout <> OLD.sold_payout))
    OR (OLD.status <> 'pending' AND NEW.status <> OLD.status AND (NEW.status <> 'pending' OR OLD.status = 'sold')))
EXECUTE FUNCTION bets_refuse('what was sold stays sold, and what is settled is first to be pending again.');

CREATE TRIGGER bets_never_deleted BEFORE DELETE ON bets FOR EACH STATEMENT
EXECUTE FUNCTION bets_refuse('bets are kept.');
CREATE TRIGGER bets_never_emptied BEFORE TRUNCATE ON bets FOR EACH STATEMENT
EXECUTE FUNCTION bets_refuse('bets are kept.');
CREATE TRIGGER bet_sales_append_only BEFORE UPDATE OR DELETE ON bet_sales FOR EACH STATEMENT
EXECUTE FUNCTION bets_refuse('sales are kept as they were.');
CREATE TRIGGER bet_sales_never_emptied BEFORE TRUNCATE ON bet_sales FOR EACH STATEMENT
EXECUTE FUNCTION bets_refuse('sales are kept as they were.');

-- Runs at the end of the statement, and sees all of it: a bet and its sales change together.
CREATE FUNCTION bet_sales_check_sums() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    checked uuid := CASE TG_TABLE_NAME WHEN 'bets' THEN (to_jsonb(NEW) ->> 'id')::uuid
        ELSE (to_jsonb(NEW) ->> 'bet_id')::uuid END;
BEGIN
    IF EXISTS (
        SELECT FROM bets CROSS JOIN LATERAL (
            SELECT count(*) AS sales, coalesce(sum(amount), 0) AS amount, coalesce(sum(payout), 0) AS payout,
                coalesce(bool_and(sale.payout = trunc(sale.amount * sale.odds / bets.odds_at_bet, 2)), true) AS priced,
                coalesce(max(occurrence) + 1, 0) AS next
            FROM bet_sales AS sale WHERE sale.bet_id = bets.id
        ) AS sold
        WHERE bets.id = checked AND NOT (sold.priced AND sold.next = sold.sales
            AND (sold.sales, sold.amount, sold.payout) = (bets.sale_count, bets.sold_amount, bets.sold_payout))
    ) THEN
        RAISE EXCEPTION 'Bet % and its sales disagree.', checked
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER bet_sales_agree_with_bet AFTER INSERT ON bet_sales
FOR EACH ROW EXECUTE FUNCTION bet_sales_check_sums();
CREATE TRIGGER bets_agree_with_sales AFTER UPDATE ON bets FOR EACH ROW
WHEN ((OLD.sale_count, OLD.sold_amount, OLD.sold_payout) IS DISTINCT FROM
    (NEW.sale_count, NEW.sold_amount, NEW.sold_payout))
EXECUTE FUNCTION bet_sales_check_sums();

ALTER TABLE bets ENABLE ALWAYS TRIGGER bets_begin_pending;
ALTER TABLE bets ENABLE ALWAYS TRIGGER bets_terms_never_change;
ALTER TABLE bets ENABLE ALWAYS TRIGGER bets_never_go_back;
ALTER TABLE bets ENABLE ALWAYS TRIGGER bets_never_deleted;
ALTER TABLE bets ENABLE ALWAYS TRIGGER bets_never_emptied;
ALTER TABLE bets ENABLE ALWAYS TRIGGER bets_agree_with_sales;
ALTER TABLE bet_sales ENABLE ALWAYS TRIGGER bet_sales_append_only;
ALTER TABLE bet_sales ENABLE ALWAYS TRIGGER bet_sales_never_emptied;
ALTER TABLE bet_sales ENABLE ALWAYS TRIGGER bet_sales_agree_with_bet;
"""
UNDO = """
DROP TRIGGER bet_sales_agree_with_bet ON bet_sales;
DROP TRIGGER bets_agree_with_sales ON bets;
DROP FUNCTION bet_sales_check_sums();
DROP TRIGGER bet_sales_never_emptied ON bet_sales;
DROP TRIGGER bet_sales_append_only ON bet_sales;
DROP TRIGGER bets_never_emptied ON bets;
DROP TRIGGER bets_never_deleted ON bets;
DROP TRIGGER bets_never_go_back ON bets;
DROP TRIGGER bets_terms_never_change ON bets;
DROP TRIGGER bets_begin_pending ON bets;
DROP FUNCTION bets_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("betting", "0001_initial")]
    operations = [
        migrations.RunSQL(RULES, UNDO),
        # A bet is settled once at least: room on the page keeps part of those changes there.
        migrations.RunSQL("ALTER TABLE bets SET (fillfactor = 85)", "ALTER TABLE bets RESET (fillfactor)"),
    ]
