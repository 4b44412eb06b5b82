"""What the owner of the tables tries, who can switch every guard off, and which invariant finds it.

Each statement has the tables whose triggers are off meanwhile, and on again before the audit. `published_anchors` is no
invariant of the audit's own, but the comparison with a copy of what was published (`audit_ledger --anchors FILE`).
"""

from economy.ledger.anchors import HEADS_HASH
from tests.hostile.forging import forge
from tests.hostile.outcomes import Found, Refused

# What an owner who knows the recipe does after a change: all hashes of a user anew, and the head.
CHAIN_ANEW = """;
WITH chained AS (
    SELECT id, sequence, ledger_chain(NULL, user_id, ledger_content(sequence, id, amount, balance_after,
        transaction_type, counterparty, reference_id, occurrence, created_at, description))
        OVER (PARTITION BY user_id ORDER BY sequence) AS hash
    FROM credit_transactions WHERE user_id = :ann
), written AS (
    UPDATE credit_transactions AS entry SET hash = chained.hash FROM chained WHERE entry.id = chained.id
)
UPDATE users SET ledger_head = (SELECT hash FROM chained ORDER BY sequence DESC LIMIT 1) WHERE id = :ann
"""
# And all hashes of the chain of staff actions.
ACTIONS_ANEW = """;
DO $$
DECLARE link staff_actions; previous bytea;
BEGIN
    FOR link IN SELECT * FROM staff_actions ORDER BY sequence LOOP
        previous := staff_actions_hash(previous, link);
        UPDATE staff_actions SET hash = previous WHERE id = link.id;
    END LOOP;
END
$$
"""
# And all of the anchors, of which there is one.
ANCHORS_ANEW = f""";
DELETE FROM ledger_anchor_heads;
INSERT INTO ledger_anchor_heads (anchor, user_id, sequence, hash)
    SELECT sequence, id, journal_length, ledger_head FROM users, ledger_anchors WHERE journal_length > 0;
UPDATE ledger_anchors SET heads_hash = hashed.heads_hash
    FROM ({HEADS_HASH.format(heads="ledger_anchor_heads")}) AS hashed WHERE sequence = anchor;
UPDATE ledger_anchors SET chains = jsonb_set(chains, '{{staff_actions}}', (
    SELECT jsonb_build_object('length', sequence, 'head', encode(hash, 'hex')) FROM staff_actions
    ORDER BY sequence DESC LIMIT 1
));
UPDATE ledger_anchors SET hash = ledger_anchors_hash(NULL, ledger_anchors)
"""
LAST_ENTRY = "user_id = :ann AND sequence = (SELECT journal_length FROM users WHERE id = :ann)"
LAST_ACTION = "sequence = (SELECT max(sequence) FROM staff_actions)"

STATEMENTS: list[tuple[str, Refused | Found, str]] = [
    # With every guard on
    ("", Refused("23001", "credit_transactions_append_only"), "UPDATE credit_transactions SET amount = 5"),
    ("", Refused("23001", "credit_transactions_append_only"), "DELETE FROM credit_transactions"),
    ("", Refused("23001", "credit_transactions_append_only"), "TRUNCATE credit_transactions"),
    ("", Refused("23503", "users_with_entries_stay"), "DELETE FROM users WHERE id = :eve"),
    ("", Refused("23001", "bets_never_deleted"), "DELETE FROM bets"),
    ("", Refused("23001", "bet_sales_append_only"), "UPDATE bet_sales SET payout = payout + 1"),
    ("", Refused("23001", "staff_actions_append_only"), "UPDATE staff_actions SET reason = 'Other.'"),
    ("", Refused("23001", "staff_actions_append_only"), "TRUNCATE staff_actions"),
    ("", Refused("23001", "ledger_anchors_append_only"), "UPDATE ledger_anchors SET entries = 1"),
    ("", Refused("23001", "ledger_anchors_append_only"), "DELETE FROM ledger_anchors"),
    ("", Refused("23001", "ledger_anchors_append_only"), "TRUNCATE ledger_anchors"),
    ("", Refused("23001", "ledger_anchor_heads_append_only"), "UPDATE ledger_anchor_heads SET hash = sha256('')"),
    ("", Refused("23001", "ledger_anchor_heads_append_only"), "DELETE FROM ledger_anchor_heads"),
    ("", Refused("23001", "ledger_anchor_heads_append_only"), "TRUNCATE ledger_anchor_heads"),
    (
        "",
        Refused("23001", "ledger_anchors_append_only"),
        "UPDATE ledger_anchors SET filed_at = now(); UPDATE ledger_anchors SET filed_at = now() + interval '1 day'",
    ),
    ("", Refused("23001", "recorded_rules_append_only"), "UPDATE recorded_rules SET numbers = '{1000000}'"),
    ("", Refused("23001", "market_resolutions_append_only"), "DELETE FROM market_resolutions"),
    ("", Refused("23001", "purchase_events_append_only"), "DELETE FROM purchase_events"),
    ("", Refused("23001", "settlement_records_append_only"), "UPDATE settlement_records SET state = '{}'"),
    ("", Refused("23001", "users_referrer_never_changes"), "UPDATE users SET referred_by_id = :ann WHERE id = :eve"),
    ("", Refused("42501"), "SET session_replication_role = replica"),
    ("", Refused("42501"), "ALTER TABLE bets DISABLE TRIGGER ALL"),
    ("", Refused("42501"), "ALTER ROLE thisthat_owner SUPERUSER"),
    ("", Refused("42501"), "COPY users TO PROGRAM 'cat'"),
    # History rewritten: an amount, with all that follows from it; then also with right hashes
    (
        "users credit_transactions",
        Found("bonus_rules", "ledger_chain", "stock_journal"),
        "UPDATE credit_transactions SET amount = amount + 100 WHERE user_id = :ann AND sequence = 1; UPDATE credit_transactions SET balance_after = balance_after + 100 WHERE user_id = :ann; UPDATE users SET credit_balance = credit_balance + 100 WHERE id = :ann",
    ),
    (
        "users credit_transactions",
        Found("anchors", "bonus_rules", "stock_journal"),
        "UPDATE credit_transactions SET amount = amount + 100 WHERE user_id = :ann AND sequence = 1; UPDATE credit_transactions SET balance_after = balance_after + 100 WHERE user_id = :ann; UPDATE users SET credit_balance = credit_balance + 100 WHERE id = :ann"
        + CHAIN_ANEW,
    ),
    (
        "users credit_transactions",
        Found("ledger_chain"),
        "UPDATE credit_transactions SET description = 'A gift' WHERE user_id = :ann",
    ),
    (
        "users credit_transactions",
        Found("anchors"),
        "UPDATE credit_transactions SET description = 'A gift' WHERE user_id = :ann" + CHAIN_ANEW,
    ),
    (
        "users credit_transactions",
        Found("anchors"),
        "UPDATE credit_transactions SET created_at = created_at - interval '1 minute' WHERE user_id = :ann"
        + CHAIN_ANEW,
    ),
    (
        "users credit_transactions",
        Found("adjustments", "anchors"),
        "UPDATE credit_transactions SET reference_id = gen_random_uuid() WHERE user_id = :ann AND transaction_type = 'admin_adjustment'"
        + CHAIN_ANEW,
    ),
    (
        "users credit_transactions",
        Found("ledger_chain"),
        f"UPDATE credit_transactions SET id = gen_random_uuid() WHERE {LAST_ENTRY}",
    ),
    (
        "users credit_transactions",
        Found("anchors"),
        f"UPDATE credit_transactions SET id = gen_random_uuid() WHERE {LAST_ENTRY}" + CHAIN_ANEW,
    ),
    (
        "users credit_transactions",
        Found("anchors", "balances", "chains", "expended", "ledger_chain", "profit", "stock_journal"),
        f"UPDATE credit_transactions SET user_id = :carl, sequence = 2 WHERE {LAST_ENTRY}",
    ),
    (
        "users credit_transactions",
        Found("anchors", "balances", "expended", "ledger_chain", "profit", "stock_journal"),
        f"DELETE FROM credit_transactions WHERE {LAST_ENTRY}",
    ),
    (
        "users credit_transactions",
        Found("anchors", "expended", "profit", "stock_journal"),
        f"DELETE FROM credit_transactions WHERE {LAST_ENTRY}; UPDATE users SET (credit_balance, journal_length, ledger_head) = (SELECT balance_after, sequence, hash FROM credit_transactions WHERE user_id = :ann ORDER BY sequence DESC LIMIT 1) WHERE id = :ann",
    ),
    ("users credit_transactions", Found("balances"), "UPDATE users SET credit_balance = 1000000 WHERE id = :bob"),
    ("users credit_transactions", Found("ledger_chain"), "UPDATE users SET ledger_head = sha256('') WHERE id = :bob"),
    ("users credit_transactions debts", Found("debts"), forge("1000000", "settlement_reversal", "house")),
    # Records of staff: changed, cut, made anew
    (
        "staff_actions",
        Found("staff_actions_chain"),
        f"UPDATE staff_actions SET reason = 'I was told to.' WHERE {LAST_ACTION}",
    ),
    (
        "staff_actions",
        Found("staff_actions_chain"),
        "UPDATE staff_actions SET created_at = created_at - interval '1 microsecond' WHERE sequence = 3",
    ),
    ("staff_actions", Found("staff_actions_chain"), "UPDATE staff_actions SET ip = '10.0.0.1' WHERE sequence = 3"),
    (
        "staff_actions",
        Found("staff_actions_chain", "suspensions"),
        "UPDATE staff_actions SET after = '{}' WHERE action = 'suspend_user'",
    ),
    ("staff_actions", Found("holds", "staff_actions_chain"), "DELETE FROM staff_actions WHERE action = 'hold_credits'"),
    ("staff_actions", Found("anchors", "purchase_trails"), f"DELETE FROM staff_actions WHERE {LAST_ACTION}"),
    ("staff_actions", Found("anchors"), f"UPDATE staff_actions SET reason = 'No.' WHERE {LAST_ACTION}" + ACTIONS_ANEW),
    (
        "staff_actions",
        Found("adjustment_records", "anchors"),
        "UPDATE staff_actions SET staff_id = NULL WHERE action = 'approve_adjustment'" + ACTIONS_ANEW,
    ),
    (
        "staff_actions",
        Found("adjustment_records", "staff_actions_chain"),
        "DELETE FROM staff_actions WHERE action = 'adjust_credits'",
    ),
    (
        "staff_actions",
        Found("staff_actions_chain", "staff_roles"),
        "DELETE FROM staff_actions WHERE action = 'set_roles'",
    ),
    # Anchors
    (
        "ledger_anchors ledger_anchor_heads",
        Found("anchors", "published_anchors"),
        "UPDATE ledger_anchors SET entries = entries + 1",
    ),
    (
        "ledger_anchors ledger_anchor_heads",
        Found("anchors", "published_anchors"),
        "UPDATE ledger_anchors SET anchored_at = anchored_at - interval '1 day'",
    ),
    (
        "ledger_anchors ledger_anchor_heads",
        Found("anchors"),
        "UPDATE ledger_anchors SET circulation = 0, counterparties = '{}', hash = ledger_anchors_hash(NULL, ledger_anchors)",
    ),
    ("ledger_anchors ledger_anchor_heads", Found("anchors"), "DELETE FROM ledger_anchor_heads WHERE user_id = :ann"),
    (
        "ledger_anchors ledger_anchor_heads",
        Found("anchors"),
        "UPDATE ledger_anchor_heads SET hash = sha256('') WHERE user_id = :ann",
    ),
    ("ledger_anchors ledger_anchor_heads", Found("anchors", "published_anchors"), "DELETE FROM ledger_anchors"),
    # Everything anew, the anchors too: only who kept what was published can tell
    (
        "users credit_transactions ledger_anchors ledger_anchor_heads",
        Found("published_anchors"),
        "UPDATE credit_transactions SET description = 'A gift' WHERE user_id = :ann" + CHAIN_ANEW + ANCHORS_ANEW,
    ),
    (
        "staff_actions ledger_anchors ledger_anchor_heads",
        Found("published_anchors"),
        f"UPDATE staff_actions SET reason = 'No.' WHERE {LAST_ACTION}" + ACTIONS_ANEW + ANCHORS_ANEW,
    ),
    (
        "ledger_anchors ledger_anchor_heads",
        Found("published_anchors"),
        "DELETE FROM ledger_anchor_heads; DELETE FROM ledger_anchors",
    ),
    # Adjustments, holds, rewards, bonuses
    (
        "credit_adjustments",
        Found("adjustment_approvals", "schema"),
        "ALTER TABLE credit_adjustments DROP CONSTRAINT credit_adjustments_alone_within_limit; UPDATE credit_adjustments SET limit_in_force = 49.99 WHERE id = :small",
    ),
    (
        "credit_adjustments",
        Found("adjustment_approvals", "adjustment_records", "schema"),
        "ALTER TABLE credit_adjustments DROP CONSTRAINT credit_adjustments_decided_by_another; UPDATE credit_adjustments SET decided_by_id = requested_by_id WHERE id = :large",
    ),
    (
        "credit_adjustments",
        Found("adjustment_times"),
        "UPDATE credit_adjustments SET decided_at = created_at - interval '1 day' WHERE id = :large",
    ),
    ("credit_adjustments", Found("adjustments"), "DELETE FROM credit_adjustments WHERE id = :large"),
    ("users", Found("holds"), "UPDATE users SET held_credits = 0 WHERE id = :ann"),
    ("daily_rewards", Found("reward_amounts", "rewards"), "UPDATE daily_rewards SET credits = 1000000"),
    ("daily_rewards", Found("reward_amounts", "streaks"), "UPDATE daily_rewards SET streak = 2"),
    (
        "daily_rewards",
        Found("reward_days", "schema"),
        "ALTER TABLE daily_rewards DROP CONSTRAINT daily_rewards_day_has_begun; UPDATE daily_rewards SET day = day + 2",
    ),
    (
        "recorded_rules",
        Found("bonus_rules"),
        "UPDATE recorded_rules SET numbers = '{0}' WHERE name = 'referral_daily_cap'",
    ),
    ("recorded_rules", Found("bonus_rules"), "DELETE FROM recorded_rules WHERE name = 'signup_bonus'"),
    ("users", Found("bonus_rules"), "UPDATE users SET created_at = created_at - interval '1 day' WHERE id = :bob"),
    ("users", Found("referral_counts"), "UPDATE users SET referred_by_id = :ann WHERE id = :eve"),
    (
        "users",
        Found("bonus_rules"),
        "UPDATE users SET referred_by_id = :ann WHERE id = :eve; UPDATE users SET referral_count = referral_count + 1 WHERE id = :ann;"
        + forge(
            "200",
            "referral_bonus",
            "issuance",
            reference=":eve",
            moved="credit_balance = credit_balance + 200, referral_credits_earned = referral_credits_earned + 200",
            at="now() + interval '1 hour'",
        ),
    ),
    # Bets, settlements, markets
    (
        "bets",
        Found("bet_terms", "sales", "schema"),
        "ALTER TABLE bets DROP CONSTRAINT bets_odds_in_range, DROP CONSTRAINT bets_payout_is_stake_over_odds, DROP CONSTRAINT bets_sold_shares_follow_the_stake, DROP CONSTRAINT bets_sales_in_range, DROP CONSTRAINT bets_status_and_outcome; UPDATE bets SET odds_at_bet = 1.5 WHERE status = 'won'",
    ),
    (
        "bets",
        Found("bet_terms", "schema"),
        "ALTER TABLE bets DROP CONSTRAINT bets_payout_is_stake_over_odds, DROP CONSTRAINT bets_sold_shares_follow_the_stake, DROP CONSTRAINT bets_status_and_outcome; UPDATE bets SET shares = shares + 1 WHERE status = 'won'",
    ),
    ("bets", Found("settlements"), "UPDATE bets SET side = 'that' WHERE status = 'won'"),
    ("bets", Found("bets"), "UPDATE bets SET user_id = :bob WHERE status = 'won'"),
    ("bets", Found("bet_times"), "UPDATE bets SET resolved_at = placed_at - interval '1 day' WHERE status = 'won'"),
    ("bets bet_sales", Found("sales"), "UPDATE bet_sales SET payout = payout + 1"),
    ("bets bet_sales", Found("sales"), "UPDATE bet_sales SET odds = 0.9"),
    ("bets bet_sales", Found("bet_times"), "UPDATE bet_sales SET created_at = created_at - interval '1 day'"),
    ("bets bet_sales", Found("sales"), "DELETE FROM bet_sales"),
    (
        "settlements",
        Found("bet_times", "settlements_chain"),
        "UPDATE settlements SET finished_at = started_at - interval '1 day' WHERE reversed_at IS NULL",
    ),
    (
        "settlements settlement_records",
        Found("anchors", "settlements", "settlements_chain"),
        "UPDATE settlements SET paid = paid + 1 WHERE reversed_at IS NULL; DELETE FROM settlement_records",
    ),
    ("settlement_records", Found("settlements_chain"), "UPDATE settlement_records SET state = '{}'"),
    (
        "market_resolutions",
        Found("resolutions"),
        "UPDATE market_resolutions SET decision = 'that' WHERE decision = 'this'",
    ),
    ("market_resolutions", Found("resolutions"), "DELETE FROM market_resolutions WHERE decision = 'this'"),
    ("market_resolutions", Found("resolutions"), "DELETE FROM market_resolutions WHERE decision = 'reopened'"),
    (
        "markets",
        Found("resolutions", "settlements"),
        "UPDATE markets SET resolution = 'that' WHERE resolution IS NOT NULL",
    ),
    (
        "markets",
        Found("market_terms"),
        "UPDATE markets SET this_option = that_option, that_option = this_option WHERE id = :rain",
    ),
    # Stocks, purchases
    ("stocks", Found("stock_terms_recorded"), "UPDATE stocks SET total_supply = 2 * total_supply"),
    ("stocks", Found("stock_terms_recorded"), "UPDATE stocks SET max_leverage = 50"),
    ("stocks stock_prices", Found("stock_terms"), "UPDATE stock_prices SET price = 1 WHERE sequence = 1"),
    (
        "stock_transactions",
        Found("stock_holdings", "stock_signatures", "stock_terms"),
        "UPDATE stock_transactions SET shares = 50",
    ),
    (
        "credit_purchases",
        Found("purchase_payments"),
        "UPDATE credit_purchases SET provider = 'stripe', checkout_id = 'cs_' || id",
    ),
    ("credit_purchases", Found("purchase_packages"), "UPDATE credit_purchases SET usd_amount = 0.01"),
    (
        "credit_purchases",
        Found("purchase_times"),
        "UPDATE credit_purchases SET completed_at = created_at - interval '1 day'",
    ),
    ("purchase_events", Found("purchase_trails"), "DELETE FROM purchase_events"),
    # Who may do what
    ("users", Found("staff_roles"), "UPDATE users SET is_superuser = true WHERE id = :bob"),
    (
        "auth_group_permissions",
        Found("role_permissions"),
        "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT auth_group.id, auth_permission.id FROM auth_group, auth_permission WHERE auth_group.name = 'support' AND codename = 'adjust_credits'",
    ),
    (
        "auth_permission",
        Found("role_permissions"),
        "UPDATE auth_permission SET codename = codename || '_' WHERE codename = 'adjust_credits'; UPDATE auth_permission SET codename = 'adjust_credits' WHERE codename = 'view_people'",
    ),
    ("auth_group", Found("role_permissions"), "UPDATE auth_group SET name = 'helpers' WHERE name = 'support'"),
    # The schema itself, left so
    ("", Found("schema"), "ALTER TABLE credit_transactions DISABLE TRIGGER credit_transactions_append_only"),
    ("", Found("schema"), "ALTER TABLE credit_transactions ENABLE TRIGGER credit_transactions_append_only"),
    ("", Found("schema"), "DROP TRIGGER users_balance_follows_journal ON users"),
    (
        "",
        Found("schema"),
        "CREATE OR REPLACE FUNCTION credit_transactions_refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS 'BEGIN RETURN NULL; END'",
    ),
    (
        "",
        Found("ledger_chain", "schema"),
        "CREATE OR REPLACE FUNCTION ledger_hash(previous bytea, user_id uuid, content text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT sha256('''')'",
    ),
    ("", Found("schema"), "ALTER FUNCTION users_check_journal() SET search_path = pg_temp, public"),
    ("", Found("schema"), "ALTER TABLE users DROP CONSTRAINT users_balance_not_negative"),
    (
        "",
        Found("schema"),
        "ALTER TABLE users DROP CONSTRAINT users_balance_not_negative, ADD CONSTRAINT users_balance_not_negative CHECK (credit_balance >= 0) NOT VALID",
    ),
    (
        "",
        Found("schema"),
        "ALTER TABLE users DROP CONSTRAINT users_balance_not_negative, ADD CONSTRAINT users_balance_not_negative CHECK (credit_balance >= -1000000)",
    ),
    ("", Found("schema"), "DROP INDEX users_email_unique"),
    ("", Found("schema"), "ALTER TABLE credit_transactions DROP CONSTRAINT credit_transactions_once"),
    ("", Found("schema"), "CREATE RULE mine AS ON INSERT TO ledger_anchors DO INSTEAD NOTHING"),
    (
        "",
        Found("schema"),
        "CREATE TRIGGER mine BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION users_refuse_credits()",
    ),
    (
        "",
        Found("schema"),
        "CREATE FUNCTION thief() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM credit_transactions'",
    ),
    ("", Found("schema"), "CREATE TABLE mine (id uuid)"),
    ("", Found("schema"), "ALTER TABLE users ADD COLUMN mine text"),
    ("", Found("schema"), "ALTER TABLE stocks ALTER COLUMN name TYPE text"),
    ("", Found("schema"), "ALTER TABLE credit_transactions ALTER COLUMN hash DROP NOT NULL"),
    ("", Found("bonuses", "owners", "schema"), "ALTER TABLE users ENABLE ROW LEVEL SECURITY"),
    ("", Found("schema"), "ALTER TABLE credit_transactions SET UNLOGGED"),
    ("", Found("schema"), "GRANT DELETE, UPDATE ON credit_transactions TO thisthat"),
    ("", Found("schema"), "GRANT UPDATE (amount) ON credit_transactions TO thisthat"),
    ("", Found("schema"), "GRANT TRUNCATE, TRIGGER ON users TO thisthat"),
    ("", Found("schema"), "GRANT ALL ON credit_transactions TO PUBLIC"),
    ("", Found("schema"), "GRANT CREATE ON SCHEMA public TO thisthat"),
    ("", Found("schema"), "GRANT INSERT ON auth_group_permissions TO thisthat"),
    ("", Found("schema"), "REVOKE UPDATE ON settlements FROM thisthat"),
]
