"""What the audit of the ledger checks of bets: their stakes, sales and settlements against the ledger's entries.

`locked` and `profit`, two checks of the economy's, follow from the stakes that are registered here.
"""

from economy.ledger.anchors import register_chain
from economy.ledger.audit import SLACK, by_sql, register, register_positions
from economy.models import Counterparty

OPEN_STAKES = "SELECT user_id, amount - sold_amount AS staked FROM bets WHERE status = 'pending'"

BETS = "SELECT count(*) FROM bets"
# Of each bet: its stake went to escrow once, its sales and its outcome came back, less what reversals took again.
BETS_UNLIKE_LEDGER = """
WITH entries AS MATERIALIZED (
    SELECT reference_id, user_id,
        coalesce(-sum(amount) FILTER (WHERE transaction_type = 'bet_placed'), 0) AS placed,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'position_sold'), 0) AS sold,
        coalesce(sum(amount) FILTER (WHERE transaction_type NOT IN ('bet_placed', 'position_sold')), 0) AS settled
    FROM credit_transactions WHERE counterparty = 'escrow' GROUP BY reference_id, user_id
)
SELECT coalesce(bet.id, reference_id) AS id
FROM bets AS bet FULL JOIN entries ON reference_id = bet.id AND entries.user_id = bet.user_id
WHERE bet.id IS NULL OR reference_id IS NULL
OR (placed, sold, settled) IS DISTINCT FROM (bet.amount, bet.sold_payout, coalesce(bet.actual_payout, 0))
"""

# As the constraints of the table say, which whoever owns the table can drop.
IMPOSSIBLE_TERMS = """
SELECT id FROM bets WHERE NOT (odds_at_bet > 0 AND odds_at_bet < 1 AND amount > 0 AND amount < 1e16)
OR CASE WHEN on_curve
    THEN shares <= amount OR odds_at_bet <> ceil(amount / shares * 10000) / 10000
        OR sold_shares <> shares - trunc(shares * (amount - sold_amount) / amount, 2)
    ELSE shares <> trunc(amount / nullif(odds_at_bet, 0), 2)
        OR sold_shares <> shares - trunc((amount - sold_amount) / nullif(odds_at_bet, 0), 2) END
UNION
SELECT bet_id FROM bet_sales WHERE NOT (odds > 0 AND odds < 1 AND amount > 0 AND amount < 1e16)
"""
OUT_OF_ORDER = f"""
SELECT id FROM bets WHERE resolved_at < placed_at - {SLACK}
UNION
SELECT bet_id FROM bet_sales AS sale JOIN bets ON bets.id = bet_id
WHERE sale.created_at < placed_at - {SLACK} OR (status <> 'pending' AND sale.created_at > resolved_at + {SLACK})
UNION
SELECT id FROM settlements
WHERE finished_at < started_at - {SLACK} OR reversed_at < coalesce(finished_at, started_at) - {SLACK}
"""  # noqa: S608 - constants

SALES = "SELECT count(*) FROM bet_sales"
# A sale that brought nothing has no ledger entry.
SALES_UNLIKE_BETS = """
SELECT bet.id FROM bets AS bet LEFT JOIN (
    SELECT bet_id, count(*) AS sales, sum(amount) AS amount, sum(shares) AS shares, sum(payout) AS payout,
        max(occurrence) + 1 AS next
    FROM bet_sales GROUP BY bet_id
) AS sold ON sold.bet_id = bet.id
WHERE (bet.sale_count, bet.sold_amount, bet.sold_shares, bet.sold_payout) IS DISTINCT FROM
    (coalesce(sales, 0), coalesce(sold.amount, 0), coalesce(sold.shares, 0), coalesce(sold.payout, 0)) OR next <> sales
UNION
SELECT bet.id FROM bet_sales AS sale JOIN bets AS bet ON bet.id = sale.bet_id
LEFT JOIN credit_transactions AS entry ON entry.reference_id = bet.id AND entry.transaction_type = 'position_sold'
    AND entry.counterparty = 'escrow' AND entry.occurrence = sale.occurrence
WHERE coalesce(entry.amount, 0) <> sale.payout OR CASE WHEN bet.on_curve
    THEN sale.odds <> greatest(trunc(sale.payout / nullif(sale.shares, 0), 4), 0.0001)
    ELSE sale.payout <> trunc(sale.amount * sale.odds / bet.odds_at_bet, 2) END
"""

SETTLED_EVER = "SELECT count(*) FROM bets WHERE settlement_count > 0"
# Of each settlement of a bet: one that was reversed has its payout and the reversal of just that; the one in force
# has the one entry that its outcome asks for; and there are no others.
WRONG_ROWS = """
WITH entries AS MATERIALIZED (
    SELECT reference_id, occurrence,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'bet_payout'), 0) AS paid,
        coalesce(sum(amount) FILTER (WHERE transaction_type = 'bet_refund'), 0) AS refunded,
        coalesce(-sum(amount) FILTER (WHERE transaction_type = 'settlement_reversal'), 0) AS reversed
    FROM credit_transactions
    WHERE counterparty = 'escrow' AND transaction_type IN ('bet_payout', 'bet_refund', 'settlement_reversal')
    GROUP BY reference_id, occurrence
)
SELECT bet.id FROM entries JOIN bets AS bet ON bet.id = reference_id
WHERE occurrence >= settlement_count OR (
    (occurrence < settlement_count - 1 OR status IN ('pending', 'sold')) AND paid + refunded <> reversed
)
UNION
SELECT bet.id FROM bets AS bet LEFT JOIN entries ON reference_id = bet.id AND occurrence = settlement_count - 1
WHERE status IN ('won', 'lost', 'cancelled')
AND (coalesce(paid, 0), coalesce(refunded, 0), coalesce(reversed, 0)) IS DISTINCT FROM (
    CASE status WHEN 'won' THEN actual_payout ELSE 0 END, CASE status WHEN 'cancelled' THEN actual_payout ELSE 0 END, 0
)
"""

SETTLEMENTS = "SELECT count(*) FROM settlements"
# Figures of the settlement in force against the bets; bets that it left over, or that ended unlike their market.
WRONG_SETTLEMENTS = """
WITH settled AS MATERIALIZED (
    SELECT market_id, count(*) FILTER (WHERE status = 'won') AS won, count(*) FILTER (WHERE status = 'lost') AS lost,
        count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
        coalesce(sum(actual_payout) FILTER (WHERE status = 'won'), 0) AS paid,
        coalesce(sum(actual_payout) FILTER (WHERE status = 'cancelled'), 0) AS refunded,
        count(*) FILTER (WHERE (status = 'won' AND side <> resolution) OR (status = 'lost' AND side = resolution)
            OR (status = 'cancelled' AND resolution <> 'invalid') OR resolution IS NULL) AS wrong
    FROM bets JOIN (SELECT id AS market_id, resolution FROM markets) AS market USING (market_id)
    WHERE status IN ('won', 'lost', 'cancelled') GROUP BY market_id
)
SELECT coalesce(settlement.market_id, settled.market_id) AS id
FROM (SELECT * FROM settlements WHERE reversed_at IS NULL) AS settlement FULL JOIN settled USING (market_id)
WHERE settlement.id IS NULL OR wrong > 0
OR (settlement.won, settlement.lost, settlement.cancelled, settlement.paid, settlement.refunded) IS DISTINCT FROM (
    coalesce(settled.won, 0), coalesce(settled.lost, 0), coalesce(settled.cancelled, 0),
    coalesce(settled.paid, 0), coalesce(settled.refunded, 0)
)
"""
LEFT_OVER = """
SELECT bets.id FROM settlements JOIN bets USING (market_id)
WHERE finished_at IS NOT NULL AND reversed_at IS NULL AND bets.status = 'pending'
AND NOT EXISTS (SELECT FROM settlement_failures WHERE bet_id = bets.id)
"""

# A settlement that is finished or reversed is as it was recorded last, and none that was recorded is gone.
CHANGED_SINCE_RECORDED = """
SELECT 'settlements ' || coalesce(settlement.id, settlement_id) AS id
FROM settlements AS settlement FULL JOIN (
    SELECT DISTINCT ON (settlement_id) settlement_id, state FROM settlement_records
    ORDER BY settlement_id, sequence DESC
) AS record ON settlement_id = settlement.id
WHERE settlement.id IS NULL OR (
    (settlement_id IS NOT NULL OR finished_at IS NOT NULL OR reversed_at IS NOT NULL)
    AND state IS DISTINCT FROM settlement_state(settlement)
)
"""
# What decided a market is the newest record of a result, or of one undone. A settlement that was reversed has the
# record of what was undone then.
UNLIKE_RECORDS = f"""
WITH decided AS MATERIALIZED (
    SELECT DISTINCT ON (market_id) market_id, decision, seen_at FROM market_resolutions
    WHERE decision IN ('this', 'that', 'invalid', 'cancelled', 'reopened') ORDER BY market_id, id DESC
)
SELECT settlement.id FROM settlements AS settlement JOIN markets AS market ON market.id = market_id
LEFT JOIN decided USING (market_id)
WHERE reversed_at IS NULL AND (
    settlement.resolution IS DISTINCT FROM market.resolution
    OR coalesce(decision, '') <> CASE market.status WHEN 'cancelled' THEN 'cancelled' ELSE settlement.resolution END
)
UNION
SELECT settlement.id FROM settlements AS settlement LEFT JOIN market_resolutions AS undone
    ON undone.market_id = settlement.market_id AND undone.decision = 'reopened'
    AND undone.facts ->> 'undone' = settlement.resolution
    AND undone.seen_at BETWEEN settlement.reversed_at - {SLACK} AND settlement.reversed_at + {SLACK}
WHERE reversed_at IS NOT NULL AND undone.id IS NULL
"""  # noqa: S608 - constants

# Before a settlement pays for it.
MARKETS = "SELECT count(*) FROM markets WHERE status IN ('resolved', 'cancelled')"
RESULTS_WITHOUT_RECORD = """
SELECT market.id FROM markets AS market LEFT JOIN (
    SELECT DISTINCT ON (market_id) market_id, decision FROM market_resolutions
    WHERE decision IN ('this', 'that', 'invalid', 'cancelled', 'reopened') ORDER BY market_id, id DESC
) AS decided ON decided.market_id = market.id
WHERE market.status IN ('resolved', 'cancelled')
AND coalesce(decision, '') <> CASE market.status WHEN 'cancelled' THEN 'cancelled' ELSE market.resolution END
AND EXISTS (SELECT FROM bets WHERE bets.market_id = market.id AND bets.status = 'pending')
"""
TERMS = "SELECT count(*) FROM market_terms"
CHANGED_TERMS = """
SELECT market_id AS id FROM market_terms LEFT JOIN markets ON markets.id = market_id
WHERE fingerprint IS DISTINCT FROM market_fingerprint(markets)
"""
# Staff make house markets and change their odds, or bets on a market maker do; what is mirrored has the odds of its
# upstream.
HOUSE_MARKETS = "SELECT count(*) FROM markets WHERE market_type = 'credits'"
HOUSE_ODDS_UNLIKE_ACTIONS = """
SELECT market.id FROM (
    SELECT DISTINCT ON (target_id) target_id, (after ->> 'this_odds')::numeric AS this_odds FROM staff_actions
    WHERE target_type = 'markets.market' AND action IN ('create_market', 'change_odds') ORDER BY target_id, id DESC
) AS newest JOIN markets AS market ON market.id::text = target_id
WHERE market.market_type = 'credits' AND NOT market.is_lmsr AND market.this_odds <> newest.this_odds
UNION
SELECT market_id FROM market_makers JOIN markets AS market ON market.id = market_id
WHERE abs(this_odds - least(greatest(1 / (1 + exp(-tilt - (q_this - q_that) / b)), 0.0001), 0.9999)) > 0.000050001
"""

MAKERS = "SELECT count(*) FROM market_makers"
MAKERS_UNLIKE_BETS = """
SELECT coalesce(maker.market_id, market.id) AS id
FROM market_makers AS maker FULL JOIN (SELECT id FROM markets WHERE is_lmsr) AS market ON market.id = maker.market_id
LEFT JOIN (
    SELECT market_id, sum(shares - sold_shares) FILTER (WHERE side = 'this') AS q_this,
        sum(shares - sold_shares) FILTER (WHERE side = 'that') AS q_that,
        sum(amount - sold_payout) AS collected, sum(amount - sold_amount) AS open_stake
    FROM bets WHERE on_curve GROUP BY market_id
) AS traded ON traded.market_id = maker.market_id
WHERE maker.market_id IS NULL OR market.id IS NULL
OR (maker.q_this, maker.q_that, maker.collected, maker.open_stake) IS DISTINCT FROM (
    coalesce(traded.q_this, 0), coalesce(traded.q_that, 0), coalesce(traded.collected, 0),
    coalesce(traded.open_stake, 0)
)
UNION
SELECT market_id FROM bets JOIN markets ON markets.id = market_id WHERE on_curve <> is_lmsr
UNION
SELECT market_id FROM bets JOIN market_makers AS maker USING (market_id) WHERE status = 'cancelled'
AND actual_payout <> trunc((amount - sold_amount) * least(subsidy + collected, open_stake) / open_stake, 2)
"""
# What escrow has of a market maker covers what may have to be paid, and nothing is left there once it is settled.
SUBSIDIES_UNLIKE_LEDGER = """
WITH house AS (
    SELECT reference_id, sum(amount) AS held, sum(amount) FILTER (WHERE entry_type = 'subsidy') AS granted
    FROM house_entries GROUP BY reference_id
), paid AS (
    SELECT market_id, coalesce(sum(actual_payout), 0) AS paid, coalesce(sum(CASE
        WHEN bets.status <> 'pending' THEN 0
        WHEN resolution = 'invalid'
            THEN trunc((amount - sold_amount) * least(subsidy + collected, open_stake) / open_stake, 2)
        WHEN side = resolution THEN shares - sold_shares ELSE 0 END), 0) AS owed
    FROM bets JOIN market_makers USING (market_id) JOIN markets ON markets.id = market_id GROUP BY market_id
), granted AS (
    SELECT DISTINCT ON (target_id) target_id, (after ->> 'subsidy')::numeric AS subsidy FROM staff_actions
    WHERE target_type = 'markets.market' AND action IN ('create_market', 'add_liquidity') ORDER BY target_id, id DESC
)
SELECT coalesce(market_id, reference_id) AS id FROM (
    SELECT maker.market_id, reference_id, maker.subsidy, granted, granted.subsidy AS recorded,
        held + collected - coalesce(paid, 0) AS in_escrow, coalesce(paid, 0) - collected AS lost,
        CASE WHEN resolution IS NULL THEN greatest(q_this, q_that) ELSE coalesce(owed, 0) END AS owed,
        EXISTS (
            SELECT FROM settlements AS settlement WHERE settlement.market_id = maker.market_id
            AND finished_at IS NOT NULL AND reversed_at IS NULL
        ) AS is_settled
    FROM market_makers AS maker JOIN markets ON markets.id = maker.market_id
    FULL JOIN house ON reference_id = maker.market_id LEFT JOIN paid ON paid.market_id = maker.market_id
    LEFT JOIN granted ON target_id = maker.market_id::text
) AS maker
WHERE (subsidy, subsidy) IS DISTINCT FROM (granted, recorded) OR in_escrow < owed OR lost + owed > subsidy
OR (is_settled AND in_escrow <> owed)
"""

register_positions(Counterparty.ESCROW, OPEN_STAKES)
register(
    by_sql(
        "results",
        "Every market with open bets that has a result has the resolution record that decided it.",
        examined=MARKETS,
        breaches=RESULTS_WITHOUT_RECORD,
    )
)
register(
    by_sql(
        "market_terms",
        "Every market that was bet on is what it was then: its upstream, its sides, and the words of a house market.",
        examined=TERMS,
        breaches=CHANGED_TERMS,
    )
)
register(
    by_sql(
        "house_odds",
        "The odds of every house market that staff made are those of the newest staff action about them, or those to "
        "which its bets moved its market maker.",
        examined=HOUSE_MARKETS,
        breaches=HOUSE_ODDS_UNLIKE_ACTIONS,
    )
)
register(
    by_sql(
        "market_makers",
        "Every market maker has the shares and stakes of its bets, and what was paid for them less what sales brought.",
        examined=MAKERS,
        breaches=MAKERS_UNLIKE_BETS,
    )
)
register(
    by_sql(
        "subsidies",
        "Every market maker's subsidy is in escrow as staff granted it, covers with what users paid whatever may win, "
        "and is never lost beyond it; what is left is the house's again once the market is settled.",
        examined=MAKERS,
        breaches=SUBSIDIES_UNLIKE_LEDGER,
    )
)
register(
    by_sql(
        "bets",
        "Every bet's stake, sales and outcome are in the ledger, and escrow has no entry without a bet of that user.",
        examined=BETS,
        breaches=BETS_UNLIKE_LEDGER,
    )
)
register(
    by_sql(
        "bet_terms",
        "Every bet and sale is of an amount above 0 at odds between 0 and 1, a bet has the shares that its stake buys "
        "at its odds, and those that are open are of the stake that is.",
        examined=BETS,
        breaches=IMPOSSIBLE_TERMS,
    )
)
register(
    by_sql(
        "bet_times",
        "No bet was sold or settled before it was placed, or sold after it was settled, and no settlement ended before "
        "it began.",
        examined=BETS,
        breaches=OUT_OF_ORDER,
    )
)
register(
    by_sql(
        "sales",
        "What is sold of a bet is the sum of its sales, each paid once: its stake, times the bid recorded with it, "
        "over the odds of the bet; on a curve, its shares at the average recorded with it.",
        examined=SALES,
        breaches=SALES_UNLIKE_BETS,
    )
)
register(
    by_sql(
        "settled_bets",
        "Every settled bet has exactly the ledger entries that its outcome asks for, and reversed ones cancel out.",
        examined=SETTLED_EVER,
        breaches=WRONG_ROWS,
    )
)
register(
    by_sql(
        "settlements",
        "Every settlement's figures are those of its bets, which ended as their market did.",
        examined=SETTLEMENTS,
        breaches=WRONG_SETTLEMENTS,
    )
)
register(
    by_sql(
        "resolutions",
        "Every settlement is of its market's result, as the newest resolution record decided it; one that was reversed "
        "has the record of it.",
        examined=SETTLEMENTS,
        breaches=UNLIKE_RECORDS,
    )
)
register(
    by_sql(
        "left_over",
        "No bet is left pending by a finished settlement, but failed settlements.",
        examined=SETTLEMENTS,
        breaches=LEFT_OVER,
    )
)
register_chain(
    "settlements_chain",
    "The hash of every settlement's record covers it and all before, and settlements are as they were recorded.",
    table="settlement_records",
    breaches=CHANGED_SINCE_RECORDED,
)
