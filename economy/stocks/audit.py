"""What the audit of the ledger checks of stocks: supply, prices, statuses, holdings, trades and their signatures."""

from economy.ledger.audit import Invariant, by_sql, register, register_positions
from economy.models import Counterparty
from economy.stocks.signing import find_forgeries

STOCKS = "SELECT count(*) FROM stocks"
SUPPLY_UNLIKE_HOLDINGS = """
SELECT stocks.id FROM stocks
LEFT JOIN (SELECT stock_id, sum(shares) AS shares FROM stock_holdings GROUP BY stock_id) AS held ON stock_id = stocks.id
WHERE circulating_supply <> coalesce(held.shares, 0)
"""
HOLDINGS = "SELECT count(*) FROM stock_holdings"
# What was bought less what was sold, of whom holds it and of whom holds nothing any more.
HOLDINGS_UNLIKE_TRADES = """
SELECT coalesce(holding.id, traded.last_id) AS id FROM stock_holdings AS holding FULL JOIN (
    SELECT user_id, stock_id, sum(sign * shares) AS shares, sum(sign * invested) AS invested,
        sum(sign * exact_cost) AS exact_cost, (array_agg(id ORDER BY sequence DESC))[1] AS last_id,
        (array_agg(leverage ORDER BY sequence DESC))[1] AS leverage
    FROM (SELECT *, CASE type WHEN 'buy' THEN 1 ELSE -1 END AS sign FROM stock_transactions) AS signed
    GROUP BY user_id, stock_id
) AS traded ON traded.user_id = holding.user_id AND traded.stock_id = holding.stock_id
WHERE (coalesce(holding.shares, 0), coalesce(holding.invested, 0), coalesce(holding.exact_cost, 0))
    IS DISTINCT FROM (traded.shares, traded.invested, traded.exact_cost)
OR (holding.id IS NOT NULL AND holding.leverage <> traded.leverage)
"""
TRADES = "SELECT count(*) FROM stock_transactions"
# A trade that moved nothing has no ledger entry; every other has one, with the balance that it says.
TRADES_UNLIKE_LEDGER = """
WITH entries AS MATERIALIZED (
    SELECT id, reference_id, user_id, amount, balance_after FROM credit_transactions WHERE counterparty = 'stocks'
)
SELECT coalesce(trade.id, entries.id) AS id FROM (SELECT * FROM stock_transactions WHERE total_amount <> 0) AS trade
FULL JOIN entries ON entries.reference_id = trade.id AND entries.user_id = trade.user_id
WHERE (entries.amount, entries.balance_after) IS DISTINCT FROM
    (CASE trade.type WHEN 'buy' THEN -trade.total_amount ELSE trade.total_amount END, trade.balance_after)
"""
# At prices that were the stock's.
TRADES_UNLIKE_PRICES = """
SELECT trade.id FROM stock_transactions AS trade WHERE NOT EXISTS (
    SELECT FROM stock_prices WHERE stock_id = trade.stock_id AND price = price_per_share
)
UNION
SELECT id FROM stock_transactions
WHERE type = 'buy' AND (exact_cost <> shares * price_per_share OR invested <> ceil(exact_cost * 100) / 100)
"""
# Nothing changes the supply or the greatest leverage of a stock that is listed.
UNLIKE_LISTED = """
SELECT stocks.id FROM stocks
LEFT JOIN recorded_rules AS rule ON rule.name = 'stock ' || symbol AND numbers = ARRAY[total_supply, max_leverage]
WHERE rule.id IS NULL
"""
PRICES_UNLIKE_HISTORY = """
SELECT stocks.id FROM stocks LEFT JOIN (
    SELECT stock_id, count(*) AS changes, max(sequence) AS last FROM stock_prices GROUP BY stock_id
) AS history ON history.stock_id = stocks.id
LEFT JOIN stock_prices AS row ON row.stock_id = stocks.id AND row.sequence = last
WHERE (price_sequence, price_sequence, current_price) IS DISTINCT FROM (changes, last, row.price)
"""
STATUSES_UNLIKE_HISTORY = """
SELECT stocks.id FROM stocks LEFT JOIN (
    SELECT DISTINCT ON (stock_id) stock_id, status, sequence FROM stock_status_changes ORDER BY stock_id, sequence DESC
) AS last ON stock_id = stocks.id
WHERE stocks.status <> coalesce(last.status, 'active')
OR coalesce(last.sequence, 0) <> (SELECT count(*) FROM stock_status_changes WHERE stock_id = stocks.id)
"""
# The first price comes with the listing. Nobody of the staff is behind a price that a trade moved, and was made at, nor
# behind one of a walk at random, which production refuses.
CHANGES = "SELECT (SELECT count(*) FROM stock_prices WHERE sequence > 1) + (SELECT count(*) FROM stock_status_changes)"
CHANGES_WITHOUT_ACTION = """
SELECT change.id FROM (
    SELECT id, stock_id, set_by_id, created_at, 'set_stock_price' AS action, price::text AS value FROM stock_prices
    WHERE sequence > 1
    UNION ALL
    SELECT id, stock_id, set_by_id, created_at, 'set_stock_status', status FROM stock_status_changes
) AS change LEFT JOIN staff_actions AS act ON target_type = 'economy.stock' AND target_id = stock_id::text
    AND act.action = change.action AND act.created_at = change.created_at
    AND staff_id IS NOT DISTINCT FROM set_by_id
    AND CASE change.action WHEN 'set_stock_status' THEN after ->> 'status' = value
        ELSE (after ->> 'price')::numeric = value::numeric END
WHERE act.id IS NULL AND NOT (
    change.action = 'set_stock_price' AND set_by_id IS NULL AND (
        EXISTS (
            SELECT FROM stock_transactions AS trade WHERE trade.stock_id = change.stock_id
            AND trade.created_at = change.created_at AND price_per_share = value::numeric
        ) OR EXISTS (
            SELECT FROM recorded_rules WHERE name = 'stock_price_walk' AND recorded_at <= change.created_at
        )
    )
)
"""

register_positions(Counterparty.STOCKS, "SELECT user_id, invested AS staked FROM stock_holdings")
register(
    by_sql(
        "stock_supply",
        "What circulates of a stock is what users hold of it.",
        examined=STOCKS,
        breaches=SUPPLY_UNLIKE_HOLDINGS,
    )
)
register(
    by_sql(
        "stock_holdings",
        "What is held is what was bought less what was sold.",
        examined=HOLDINGS,
        breaches=HOLDINGS_UNLIKE_TRADES,
    )
)
register(
    by_sql(
        "stock_journal",
        "Every trade is in the ledger, and stocks have no entry there without a trade of that user.",
        examined=TRADES,
        breaches=TRADES_UNLIKE_LEDGER,
    )
)
register(
    by_sql(
        "stock_terms",
        "Every trade was at a price that the stock had, and what was bought cost shares times price, rounded up.",
        examined=TRADES,
        breaches=TRADES_UNLIKE_PRICES,
    )
)
register(
    by_sql(
        "stock_terms_recorded",
        "Every stock has the supply and the greatest leverage that were recorded when it was listed.",
        examined=STOCKS,
        breaches=UNLIKE_LISTED,
    )
)
register(
    by_sql(
        "stock_prices",
        "Every stock's price is the last of its history, which has no gaps.",
        examined=STOCKS,
        breaches=PRICES_UNLIKE_HISTORY,
    )
)
register(
    by_sql(
        "stock_changes",
        "Every change of a stock's price or status has the staff action of who made it, or the trade that moved the "
        "price; none of prices once they walked at random.",
        examined=CHANGES,
        breaches=CHANGES_WITHOUT_ACTION,
    )
)
register(
    by_sql(
        "stock_statuses",
        "Every stock's status is the last of its history, which has no gaps; without one it is active.",
        examined=STOCKS,
        breaches=STATUSES_UNLIKE_HISTORY,
    )
)
register(
    Invariant(
        name="stock_signatures",
        statement="Every trade is as it was signed, and follows the user's trade before it.",
        find=find_forgeries,
    )
)
