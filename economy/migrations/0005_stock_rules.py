"""What the database refuses of stocks besides the constraints: other history, a price without its row, broken chains."""

from django.db import migrations

RULES = """
CREATE FUNCTION stocks_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$$;

CREATE TRIGGER stock_transactions_append_only BEFORE UPDATE OR DELETE ON stock_transactions FOR EACH STATEMENT
EXECUTE FUNCTION stocks_refuse('trades are kept as they were.');
CREATE TRIGGER stock_transactions_never_emptied BEFORE TRUNCATE ON stock_transactions FOR EACH STATEMENT
EXECUTE FUNCTION stocks_refuse('trades are kept as they were.');
CREATE TRIGGER stock_prices_append_only BEFORE UPDATE OR DELETE ON stock_prices FOR EACH STATEMENT
EXECUTE FUNCTION stocks_refuse('prices are kept as they were.');
CREATE TRIGGER stock_prices_never_emptied BEFORE TRUNCATE ON stock_prices FOR EACH STATEMENT
EXECUTE FUNCTION stocks_refuse('prices are kept as they were.');

CREATE TRIGGER stock_holdings_terms_never_change BEFORE UPDATE ON stock_holdings FOR EACH ROW
WHEN ((OLD.id, OLD.user_id, OLD.stock_id, OLD.leverage, OLD.created_at)
    IS DISTINCT FROM (NEW.id, NEW.user_id, NEW.stock_id, NEW.leverage, NEW.created_at))
EXECUTE FUNCTION stocks_refuse('owner, stock and leverage of a holding never change.');

-- Each of these runs at the end of the statement, and sees all of it: a price and its row come together.
CREATE FUNCTION stock_prices_check() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    checked uuid := CASE TG_TABLE_NAME WHEN 'stocks' THEN (to_jsonb(NEW) ->> 'id')::uuid
        ELSE (to_jsonb(NEW) ->> 'stock_id')::uuid END;
BEGIN
    IF NOT EXISTS (
        SELECT FROM stocks JOIN stock_prices AS row
            ON row.stock_id = stocks.id AND row.sequence = stocks.price_sequence AND row.price = stocks.current_price
        WHERE stocks.id = checked
        AND NOT EXISTS (SELECT FROM stock_prices WHERE stock_id = checked AND sequence > row.sequence)
        AND (row.sequence = 1
            OR EXISTS (SELECT FROM stock_prices WHERE stock_id = checked AND sequence = row.sequence - 1))
    ) THEN
        RAISE EXCEPTION 'The price of stock % is not that of its history.', checked
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'stocks_price_follows_history';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER stocks_begin_with_history AFTER INSERT ON stocks FOR EACH ROW EXECUTE FUNCTION stock_prices_check();
CREATE TRIGGER stocks_price_follows_history AFTER UPDATE ON stocks FOR EACH ROW
WHEN ((OLD.id, OLD.current_price, OLD.price_sequence) IS DISTINCT FROM (NEW.id, NEW.current_price, NEW.price_sequence))
EXECUTE FUNCTION stock_prices_check();
CREATE TRIGGER stock_prices_are_the_stocks AFTER INSERT ON stock_prices FOR EACH ROW
EXECUTE FUNCTION stock_prices_check();

CREATE FUNCTION stock_transactions_check_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.sequence > 1 AND NOT EXISTS (
        SELECT FROM stock_transactions AS before
        WHERE before.user_id = NEW.user_id AND before.sequence = NEW.sequence - 1
        AND before.transaction_hash = NEW.previous_hash
    ) THEN
        RAISE EXCEPTION 'Trade % of user % continues nothing.', NEW.sequence, NEW.user_id
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'stock_transactions_chain';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER stock_transactions_chain AFTER INSERT ON stock_transactions FOR EACH ROW
EXECUTE FUNCTION stock_transactions_check_chain();

ALTER TABLE stock_transactions ENABLE ALWAYS TRIGGER stock_transactions_append_only;
ALTER TABLE stock_transactions ENABLE ALWAYS TRIGGER stock_transactions_never_emptied;
ALTER TABLE stock_transactions ENABLE ALWAYS TRIGGER stock_transactions_chain;
ALTER TABLE stock_prices ENABLE ALWAYS TRIGGER stock_prices_append_only;
ALTER TABLE stock_prices ENABLE ALWAYS TRIGGER stock_prices_never_emptied;
ALTER TABLE stock_prices ENABLE ALWAYS TRIGGER stock_prices_are_the_stocks;
ALTER TABLE stock_holdings ENABLE ALWAYS TRIGGER stock_holdings_terms_never_change;
ALTER TABLE stocks ENABLE ALWAYS TRIGGER stocks_begin_with_history;
ALTER TABLE stocks ENABLE ALWAYS TRIGGER stocks_price_follows_history;
"""
UNDO = """
DROP TRIGGER stock_transactions_chain ON stock_transactions;
DROP FUNCTION stock_transactions_check_chain();
DROP TRIGGER stock_prices_are_the_stocks ON stock_prices;
DROP TRIGGER stocks_price_follows_history ON stocks;
DROP TRIGGER stocks_begin_with_history ON stocks;
DROP FUNCTION stock_prices_check();
DROP TRIGGER stock_holdings_terms_never_change ON stock_holdings;
DROP TRIGGER stock_prices_never_emptied ON stock_prices;
DROP TRIGGER stock_prices_append_only ON stock_prices;
DROP TRIGGER stock_transactions_never_emptied ON stock_transactions;
DROP TRIGGER stock_transactions_append_only ON stock_transactions;
DROP FUNCTION stocks_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("economy", "0004_stocks")]
    operations = [
        migrations.RunSQL(RULES, UNDO),
        # Supply moves with every trade, and is in no index: room on the page keeps its changes there (HOT).
        migrations.RunSQL("ALTER TABLE stocks SET (fillfactor = 20)", "ALTER TABLE stocks RESET (fillfactor)"),
    ]
