"""What a thief with the password of the service's role tries, and what comes of it.

Each statement is refused, with its SQLSTATE and the constraint or trigger that PostgreSQL names, or found by invariants
of the audit. NO_RIGHT is a right that the role hasn't: what refuses the owner too is in `owner`.
"""

from tests.hostile.forging import forge
from tests.hostile.outcomes import Found, Refused

NO_RIGHT = Refused("42501")

_NEW_USER = """
INSERT INTO users (id, email, username, name, password, is_superuser, avatar_url, bio, x_username, is_active, is_staff,
    referral_code, {column})
VALUES (gen_random_uuid(), 'm@x.y', 'mallory', 'M', '', {superuser}, '', '', '', true, {staff}, 'ABCDEFGH', {value})
"""


def new_user(column: str, value: str, *, superuser: str = "false", staff: str = "false") -> str:
    return _NEW_USER.format(column=column, value=value, superuser=superuser, staff=staff)


STATEMENTS: list[tuple[Refused | Found, str]] = [
    # Balances, and what else the ledger keeps on a user's row
    (Refused("23514", "users_balance_follows_journal"), "UPDATE users SET credit_balance = 1000000 WHERE id = :ann"),
    (Refused("23514", "users_balance_follows_journal"), "UPDATE users SET credit_balance = credit_balance + 1"),
    (
        Refused("23514", "users_balance_follows_journal"),
        "UPDATE users SET credit_balance = credit_balance - 1 WHERE id = :bob",
    ),
    (Refused("23514", "users_available_not_negative"), "UPDATE users SET credit_balance = -1 WHERE id = :ann"),
    (Refused("23514", "users_hold_numbers"), "UPDATE users SET credit_balance = 'NaN' WHERE id = :ann"),
    (Refused("22003"), "UPDATE users SET credit_balance = 'Infinity' WHERE id = :ann"),
    (Refused("22003"), "UPDATE users SET credit_balance = 1e16 WHERE id = :ann"),
    (Refused("23514", "users_hold_numbers"), "UPDATE users SET total_volume = 'NaN' WHERE id = :ann"),
    (Refused("22003"), "UPDATE users SET overall_pnl = 'Infinity' WHERE id = :ann"),
    (
        Refused("23514", "users_balance_follows_journal"),
        """UPDATE users SET credit_balance = other.credit_balance FROM users AS other
    WHERE (users.id, other.id) IN ((:ann, :bob), (:bob, :ann))""",
    ),
    (
        Refused("23514", "users_balance_follows_journal"),
        "UPDATE users SET journal_length = journal_length + 1 WHERE id = :ann",
    ),
    (
        Refused("23514", "users_available_not_negative"),
        "UPDATE users SET credit_balance = 0, journal_length = 0 WHERE id = :ann",
    ),
    (Refused("23514", "users_balance_follows_journal"), "UPDATE users SET ledger_head = sha256('') WHERE id = :ann"),
    (Refused("23514", "users_balance_follows_journal"), "UPDATE users SET ledger_head = NULL WHERE id = :ann"),
    (Refused("23514", "users_held_not_negative"), "UPDATE users SET held_credits = -1 WHERE id = :ann"),
    (
        Refused("23514", "users_available_not_negative"),
        "UPDATE users SET held_credits = credit_balance + 1 WHERE id = :ann",
    ),
    (Found("holds"), "UPDATE users SET held_credits = 0 WHERE id = :ann"),
    (Found("holds"), "UPDATE users SET held_credits = 5 WHERE id = :bob"),
    (Refused("428C9"), "UPDATE users SET available_credits = 5 WHERE id = :ann"),
    (Found("locked"), "UPDATE users SET locked_credits = 0 WHERE id = :ann"),
    (Refused("23514", "users_locked_not_negative"), "UPDATE users SET locked_credits = -1 WHERE id = :ann"),
    (Found("expended"), "UPDATE users SET expended_credits = 5 WHERE id = :ann"),
    (Found("volume"), "UPDATE users SET total_volume = total_volume + 1000000 WHERE id = :bob"),
    (Found("profit"), "UPDATE users SET overall_pnl = 1e9 WHERE id = :bob"),
    (Found("referrals"), "UPDATE users SET referral_credits_earned = 200 WHERE id = :bob"),
    (Found("referral_counts"), "UPDATE users SET referral_count = 7 WHERE id = :bob"),
    (Refused("23001", "users_referrer_never_changes"), "UPDATE users SET referred_by_id = :ann WHERE id = :eve"),
    (Refused("23001", "users_referrer_never_changes"), "UPDATE users SET referred_by_id = NULL WHERE id = :bob"),
    (Found("streaks"), "UPDATE users SET consecutive_days_online = 17 WHERE id = :ann"),
    (Found("streaks"), "UPDATE users SET last_daily_reward_at = NULL WHERE id = :ann"),
    (Found("bonus_rules"), "UPDATE users SET created_at = created_at - interval '1 year' WHERE id = :bob"),
    (Refused("23514", "users_balance_follows_journal"), "UPDATE users SET id = gen_random_uuid() WHERE id = :bob"),
    (NO_RIGHT, "DELETE FROM users WHERE id = :eve"),
    (NO_RIGHT, "TRUNCATE users CASCADE"),
    (Refused("23514", "users_begin_with_nothing"), new_user("credit_balance", "1000")),
    (Refused("23514", "users_begin_with_nothing"), new_user("ledger_head", "sha256('')")),
    (Refused("23514", "users_begin_with_nothing"), new_user("overall_pnl", "1000")),
    # Ledger entries
    (NO_RIGHT, "UPDATE credit_transactions SET amount = 5"),
    (NO_RIGHT, "UPDATE credit_transactions SET user_id = :bob WHERE user_id = :ann AND sequence = 3"),
    (NO_RIGHT, "UPDATE credit_transactions SET description = 'nothing to see'"),
    (NO_RIGHT, "DELETE FROM credit_transactions WHERE user_id = :ann"),
    (NO_RIGHT, "TRUNCATE credit_transactions CASCADE"),
    (
        NO_RIGHT,
        """MERGE INTO credit_transactions AS old USING (SELECT 1) AS one ON old.user_id = :ann
    WHEN MATCHED THEN UPDATE SET amount = 5""",
    ),
    (
        NO_RIGHT,
        """INSERT INTO credit_transactions SELECT * FROM credit_transactions
    ON CONFLICT (id) DO UPDATE SET amount = 10000""",
    ),
    (
        Refused("23514", "credit_transactions_chain"),
        (
            "INSERT INTO credit_transactions (id, user_id, sequence, amount, balance_after, transaction_type, counterparty, "
            "reference_id, description, created_at, hash) SELECT gen_random_uuid(), id, journal_length + 1, 5, "
            "credit_balance + 5, 'admin_adjustment', 'staff', gen_random_uuid(), '', now(), sha256('') FROM users"
        ),
    ),
    (Found("adjustments"), forge()),
    (Found("bonuses"), forge("1000", "signup_bonus", "issuance")),
    (Refused("23505", "credit_transactions_once"), forge("1000", "signup_bonus", "issuance", reference=":eve")),
    (Found("bonuses", "referrals"), forge("200", "referral_bonus", "issuance", reference=":eve")),
    (Found("rewards"), forge("1000", "daily_reward", "issuance")),
    (Found("bets", "profit"), forge("100", "bet_payout", "escrow")),
    (Found("bets", "profit"), forge("100", "bet_refund", "escrow")),
    (Found("bets", "profit"), forge("100", "position_sold", "escrow")),
    (Found("profit", "stock_journal"), forge("100", "stock_sale", "stocks")),
    (Found("purchases"), forge("5000", "credit_purchase", "store")),
    (Found("debts"), forge("100", "settlement_reversal", "house")),
    (Refused("23514", "credit_transactions_amount_not_zero"), forge("0")),
    (Refused("23514", "credit_transactions_direction"), forge("-5", "daily_reward", "issuance")),
    (Refused("23514", "credit_transactions_direction"), forge("5", "daily_reward", "escrow")),
    (Refused("23514", "credit_transactions_direction"), forge("5", "pocket_money", "issuance")),
    (Refused("23514", "credit_transactions_amounts_are_numbers"), forge("'NaN'", moved="credit_balance = 'NaN'")),
    (
        Refused("23514", "credit_transactions_chain"),
        forge(counted="5000", moved="credit_balance = credit_balance + 5000"),
    ),
    (Refused("23514", "users_balance_follows_journal"), forge(moved="credit_balance = credit_balance + 5000")),
    (Refused("23514", "credit_transactions_chain"), forge(whose=":bob")),
    (Refused("23514", "credit_transactions_chain"), forge(steps="2", moved="credit_balance = credit_balance + 5")),
    (Found("adjustments", "times"), forge(at="now() - interval '1 day'")),
    (
        Refused("23505", "credit_transactions_once"),
        forge(
            "1000",
            "signup_bonus",
            "issuance",
            reference="(SELECT reference_id FROM credit_transactions WHERE user_id = :ann AND sequence = 1)",
        ),
    ),
    (
        Refused("23514", "credit_transactions_chain"),
        (
            "INSERT INTO credit_transactions (id, user_id, sequence, amount, balance_after, transaction_type, counterparty, "
            "reference_id, description, created_at, hash) SELECT gen_random_uuid(), gen_random_uuid(), 1, 5, 5, "
            "'admin_adjustment', 'staff', gen_random_uuid(), '', now(), sha256('')"
        ),
    ),
    (Refused("23514", "credit_transactions_chain"), forge(hash="sha256('')")),
    (Refused("22003"), forge("'Infinity'", moved="credit_balance = 'Infinity'")),
    (
        Refused("23514", "credit_transactions_chain"),
        (
            "CREATE FUNCTION pg_temp.ledger_hash(bytea, uuid, text) RETURNS bytea LANGUAGE sql AS $$ SELECT sha256('') $$; "
            "SET search_path = pg_temp, public; " + forge(hash="sha256('')")
        ),
    ),
    (
        Found("adjustment_records"),
        forge(
            "5000",
            more=""", asked AS (
    INSERT INTO credit_adjustments (id, request_id, user_id, amount, limit_in_force, reason, status, requested_by_id,
        created_at, decision_reason)
    SELECT reference_id, gen_random_uuid(), user_id, amount, 10000, 'For me.', 'applied', :boss, now(), '' FROM hashed)""",
        ),
    ),
    (
        Found("reward_amounts", "streaks"),
        forge(
            "10000",
            "daily_reward",
            "issuance",
            user=":eve",
            more=""", reward AS (
    INSERT INTO daily_rewards (id, user_id, day, streak, credits, created_at)
    SELECT reference_id, user_id, now()::date, 1, amount, created_at FROM hashed)""",
        ),
    ),
    # Adjustments, approvals, holds
    (Refused("23001", "credit_adjustments_final"), "UPDATE credit_adjustments SET amount = 40000 WHERE id = :waiting"),
    (
        Found("adjustment_records", "adjustments"),
        (
            "UPDATE credit_adjustments SET status = 'approved', decided_by_id = :second, decided_at = now(), "
            "decision_reason = 'Fine.' WHERE id = :waiting"
        ),
    ),
    (
        Refused("23514", "credit_adjustments_decided_by_another"),
        (
            "UPDATE credit_adjustments SET status = 'approved', decided_by_id = :boss, decided_at = now(), "
            "decision_reason = 'Fine.' WHERE id = :waiting"
        ),
    ),
    (
        Refused("23001", "credit_adjustments_final"),
        "UPDATE credit_adjustments SET status = 'declined' WHERE id = :large",
    ),
    (Refused("23001", "credit_adjustments_final"), "UPDATE credit_adjustments SET amount = 60 WHERE id = :small"),
    (
        Refused("23001", "credit_adjustments_final"),
        "UPDATE credit_adjustments SET limit_in_force = 1000000 WHERE id = :small",
    ),
    (
        Refused("23001", "credit_adjustments_final"),
        "UPDATE credit_adjustments SET requested_by_id = :second WHERE id = :large",
    ),
    (NO_RIGHT, "DELETE FROM credit_adjustments"),
    (
        Found("adjustment_records", "adjustments"),
        (
            "INSERT INTO credit_adjustments (id, request_id, user_id, amount, limit_in_force, reason, status, requested_by_id, "
            "created_at, decision_reason) VALUES (gen_random_uuid(), gen_random_uuid(), :bob, 500, 10000, 'Mine.', 'applied', :boss, now(), '')"
        ),
    ),
    (
        Refused("22003"),
        (
            "INSERT INTO credit_adjustments (id, request_id, user_id, amount, limit_in_force, reason, status, requested_by_id, "
            "created_at, decision_reason) VALUES (gen_random_uuid(), gen_random_uuid(), :bob, 50000, 'Infinity', 'Mine.', 'applied', :boss, now(), '')"
        ),
    ),
    (Refused("23514", "debts_sums_not_negative"), "UPDATE debts SET lent = 0"),
    (
        Refused("23514", "debts_repaid_at_most_what_was_lent"),
        (
            "INSERT INTO debts (reference_id, transaction_type, user_id, lent, repaid, entries, created_at) "
            "VALUES (gen_random_uuid(), 'purchase_refund', :bob, 0, 500, 1, now())"
        ),
    ),
    # Rewards, rules
    (Found("reward_amounts", "rewards"), "UPDATE daily_rewards SET credits = 10000"),
    (Refused("23514", "daily_rewards_day_has_begun"), "UPDATE daily_rewards SET day = day + 1"),
    (Found("streaks"), "UPDATE daily_rewards SET day = day - 1"),
    (Found("rewards", "streaks"), "UPDATE daily_rewards SET user_id = :bob"),
    (NO_RIGHT, "DELETE FROM daily_rewards"),
    (
        Found("rewards", "streaks"),
        (
            "INSERT INTO daily_rewards (id, user_id, day, streak, credits, created_at) "
            "VALUES (gen_random_uuid(), :bob, now()::date, 1, 1000, now())"
        ),
    ),
    (NO_RIGHT, "UPDATE recorded_rules SET numbers = '{1000000}'"),
    (NO_RIGHT, "DELETE FROM recorded_rules"),
    # Bets, sales, odds, payouts, settlements
    (Refused("23001", "bets_terms_never_change"), "UPDATE bets SET shares = 10000"),
    (Refused("23001", "bets_terms_never_change"), "UPDATE bets SET odds_at_bet = 0.0001, shares = 1000000"),
    (Refused("23001", "bets_terms_never_change"), "UPDATE bets SET odds_at_bet = 'NaN'"),
    (Refused("23001", "bets_terms_never_change"), "UPDATE bets SET amount = 100000 WHERE status = 'pending'"),
    (Refused("23001", "bets_terms_never_change"), "UPDATE bets SET side = 'that'"),
    (Refused("23001", "bets_terms_never_change"), "UPDATE bets SET user_id = :bob"),
    (Refused("23001", "bets_terms_never_change"), "UPDATE bets SET placed_at = placed_at - interval '1 day'"),
    (
        Found("bets", "locked", "profit", "settled_bets", "settlements"),
        (
            "UPDATE bets SET status = 'won', actual_payout = shares, resolved_at = now(), "
            "settlement_count = settlement_count + 1 WHERE status = 'pending' AND sale_count = 0"
        ),
    ),
    (
        Found("locked", "profit", "settlements"),
        (
            "UPDATE bets SET status = 'lost', actual_payout = 0, resolved_at = now(), settlement_count = settlement_count + 1 "
            "WHERE status = 'pending' AND sale_count = 0"
        ),
    ),
    (
        Found("bets", "left_over", "locked", "profit", "settled_bets", "settlements"),
        "UPDATE bets SET status = 'pending', resolved_at = NULL, actual_payout = NULL WHERE status = 'won'",
    ),
    (
        Refused("23514", "bets_status_and_outcome"),
        "UPDATE bets SET actual_payout = actual_payout + 1 WHERE status = 'won'",
    ),
    (
        Refused("23514", "bets_sold_shares_follow_the_stake"),
        "UPDATE bets SET sold_amount = sold_amount + 1, sold_payout = sold_payout + 1 WHERE status = 'pending'",
    ),
    (
        Found("bets", "locked", "profit", "settled_bets", "settlements"),
        (
            "UPDATE bets SET status = 'cancelled', actual_payout = amount, resolved_at = now(), "
            "settlement_count = settlement_count + 1 WHERE market_id = :rain AND user_id = :ann"
        ),
    ),
    (
        Found("bets", "locked", "profit", "sales"),
        (
            "WITH sale AS (INSERT INTO bet_sales (id, bet_id, occurrence, amount, shares, odds, payout, created_at) "
            "SELECT gen_random_uuid(), id, 0, 70, shares, 0.5, 70, now() FROM bets WHERE market_id = :rain AND user_id = :ann) "
            "UPDATE bets SET sold_amount = 70, sold_shares = shares, sold_payout = 70, sale_count = 1, status = 'sold', resolved_at = now() "
            "WHERE market_id = :rain AND user_id = :ann"
        ),
    ),
    (NO_RIGHT, "DELETE FROM bets"),
    (NO_RIGHT, "TRUNCATE bets CASCADE"),
    (
        Found("bets", "left_over", "locked", "profit"),
        (
            "INSERT INTO bets (id, user_id, market_id, side, amount, odds_at_bet, shares, placed_at) "
            "SELECT gen_random_uuid(), :bob, market_id, side, amount, odds_at_bet, shares, placed_at FROM bets LIMIT 1"
        ),
    ),
    (
        Found("bets", "locked", "profit"),
        (
            "INSERT INTO bets (id, user_id, market_id, side, amount, odds_at_bet, shares, placed_at) "
            "SELECT gen_random_uuid(), :bob, :rain, 'this', 10, 0.001, 10000, now()"
        ),
    ),
    (NO_RIGHT, "UPDATE bet_sales SET payout = payout + 1"),
    (NO_RIGHT, "DELETE FROM bet_sales"),
    (NO_RIGHT, "UPDATE house_entries SET amount = 1"),
    (NO_RIGHT, "DELETE FROM house_entries"),
    (
        Found("subsidies"),
        (
            "INSERT INTO house_entries (amount, entry_type, reference_id, occurrence, created_at) "
            "VALUES (1000, 'subsidy', :rain, 0, now())"
        ),
    ),
    (NO_RIGHT, "DELETE FROM market_makers"),
    (Found("market_makers"), "UPDATE markets SET is_lmsr = true WHERE id = :rain"),
    (
        Refused("23514", "bet_sales_agree_with_bet"),
        (
            "INSERT INTO bet_sales (id, bet_id, occurrence, amount, shares, odds, payout, created_at) "
            "SELECT gen_random_uuid(), id, 0, 10, 20, 0.5, 10, now() FROM bets WHERE market_id = :rain"
        ),
    ),
    (Found("settlements", "settlements_chain"), "UPDATE settlements SET paid = 0 WHERE reversed_at IS NULL"),
    (Found("resolutions", "settlements_chain"), "UPDATE settlements SET resolution = 'that' WHERE reversed_at IS NULL"),
    (
        Found("resolutions", "settlements"),
        "UPDATE settlements SET reversed_at = now(), reversed_by_id = :boss, reversal_reason = 'No.' WHERE reversed_at IS NULL",
    ),
    (Found("settlements_chain"), "UPDATE settlements SET finished_at = NULL WHERE reversed_at IS NULL"),
    (NO_RIGHT, "DELETE FROM settlements"),
    (NO_RIGHT, "DELETE FROM settlement_records"),
    (NO_RIGHT, "UPDATE settlement_records SET state = '{}'"),
    # Markets and their results
    (Found("resolutions", "settlements"), "UPDATE markets SET resolution = 'that' WHERE resolution = 'this'"),
    (
        Found("results"),
        "UPDATE markets SET status = 'resolved', resolution = 'that', resolved_at = now() WHERE id = :rain",
    ),
    (
        Found("results"),
        "UPDATE markets SET status = 'cancelled', resolution = 'invalid', resolved_at = now() WHERE id = :rain",
    ),
    (Found("house_odds"), "UPDATE markets SET this_odds = 0.0100, that_odds = 0.9900 WHERE id = :rain"),
    (Refused("23514", "markets_this_odds_in_range"), "UPDATE markets SET this_odds = 'NaN' WHERE id = :rain"),
    (
        Refused("23001", "markets_terms_never_change"),
        "UPDATE markets SET this_option = that_option, that_option = this_option WHERE id = :rain",
    ),
    (
        Refused("23001", "markets_house_words_never_change"),
        "UPDATE markets SET title = 'Will it snow?' WHERE id = :rain",
    ),
    (Refused("23503", "market_terms_market_id_a512944e_fk_markets_id"), "DELETE FROM markets WHERE id = :rain"),
    (NO_RIGHT, "UPDATE market_resolutions SET decision = 'that'"),
    (NO_RIGHT, "DELETE FROM market_resolutions"),
    (
        Found("resolutions"),
        (
            "INSERT INTO market_resolutions (market_id, decision, source, reason, facts, seen_at) "
            "SELECT market_id, 'that', 'staff', 'Because.', '{}', now() FROM settlements WHERE reversed_at IS NULL"
        ),
    ),
    (NO_RIGHT, "DELETE FROM market_terms"),
    # Stocks
    (Refused("23514", "stocks_price_follows_history"), "UPDATE stocks SET current_price = 99"),
    (Found("stock_terms_recorded"), "UPDATE stocks SET total_supply = total_supply * 2"),
    (Found("stock_supply"), "UPDATE stocks SET circulating_supply = 0"),
    (Found("stock_terms_recorded"), "UPDATE stocks SET max_leverage = 50"),
    (Refused("23514", "stocks_status_follows_history"), "UPDATE stocks SET status = 'halted'"),
    (
        Found("stock_changes"),
        (
            "WITH added AS (INSERT INTO stock_prices (id, stock_id, sequence, price, set_by_id, reason, created_at) "
            "SELECT gen_random_uuid(), id, price_sequence + 1, 99, :boss, 'Up.', now() FROM stocks) "
            "UPDATE stocks SET current_price = 99, price_sequence = price_sequence + 1"
        ),
    ),
    (
        Found("stock_changes"),
        (
            "WITH added AS (INSERT INTO stock_status_changes (id, stock_id, sequence, status, set_by_id, reason, created_at) "
            "SELECT gen_random_uuid(), id, 1, 'halted', :boss, 'So.', now() FROM stocks) UPDATE stocks SET status = 'halted'"
        ),
    ),
    (Found("stock_holdings", "stock_supply"), "UPDATE stock_holdings SET shares = 500"),
    (Found("profit", "stock_holdings"), "UPDATE stock_holdings SET invested = 5000"),
    (Refused("23001", "stock_holdings_terms_never_change"), "UPDATE stock_holdings SET user_id = :bob"),
    (Found("profit", "stock_holdings", "stock_supply"), "DELETE FROM stock_holdings"),
    (NO_RIGHT, "UPDATE stock_transactions SET shares = 500"),
    (NO_RIGHT, "DELETE FROM stock_prices"),
    # Notifications
    (Found("notification_counts"), "UPDATE users SET unread_notifications = unread_notifications + 1 WHERE id = :bob"),
    # Purchases
    (Found("purchase_packages", "purchases"), "UPDATE credit_purchases SET credits = 50000"),
    (Found("purchase_payments"), "UPDATE credit_purchases SET provider = 'stripe'"),
    (
        Refused("23514", "credit_purchases_state_possible"),
        "UPDATE credit_purchases SET completed_at = NULL, status = 'pending'",
    ),
    (NO_RIGHT, "DELETE FROM credit_purchases"),
    (NO_RIGHT, "DELETE FROM purchase_events"),
    (
        Refused("23505", "credit_purchases_pkey"),
        forge(
            "500",
            "credit_purchase",
            "store",
            more=""", bought AS (
    INSERT INTO credit_purchases SELECT (jsonb_populate_record(old, jsonb_build_object('id', reference_id, 'user_id', :ann,
        'external_id', 'free', 'reference', 'free'))).* FROM hashed, credit_purchases AS old)""",
        ),
    ),
    # Staff, permissions, sessions, records
    (Found("staff_roles"), "UPDATE users SET is_superuser = true WHERE id = :bob"),
    (Found("staff_roles"), "UPDATE users SET is_staff = true WHERE id = :ann"),
    (Found("suspensions"), "UPDATE users SET is_active = true WHERE id = :carl"),
    (Found("suspensions"), "UPDATE users SET is_active = false WHERE id = :second"),
    # Out of a suspension by a deletion, which a sign-in would take back
    (Found("suspensions"), "UPDATE users SET deletion_due_at = now() + interval '7 days' WHERE id = :carl"),
    (Refused("23514", "users_leaving_not_active"), "UPDATE users SET deletion_due_at = now() WHERE id = :bob"),
    (
        Found("staff_roles"),
        new_user("bio_", "''", superuser="true", staff="true")
        .replace(", bio_)", ")")
        .replace("'ABCDEFGH', '')", "'ABCDEFGH')"),
    ),
    (
        Found("staff_roles"),
        (
            "INSERT INTO users_user_permissions (user_id, permission_id) SELECT :ann, id FROM auth_permission "
            "WHERE codename = 'adjust_credits'"
        ),
    ),
    (
        Found("staff_roles"),
        "INSERT INTO users_groups (user_id, group_id) SELECT :ann, id FROM auth_group WHERE name = 'support'",
    ),
    (NO_RIGHT, "INSERT INTO auth_group (name) VALUES ('thieves')"),
    (NO_RIGHT, "UPDATE auth_group SET name = 'support ' WHERE name = 'support'"),
    (
        NO_RIGHT,
        (
            "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT auth_group.id, auth_permission.id "
            "FROM auth_group, auth_permission WHERE auth_group.name = 'support' AND codename = 'adjust_credits'"
        ),
    ),
    (NO_RIGHT, "UPDATE auth_permission SET codename = 'adjust_credits_' WHERE codename = 'adjust_credits'"),
    (NO_RIGHT, "DELETE FROM auth_group_permissions"),
    (NO_RIGHT, "UPDATE staff_actions SET staff_id = :bob"),
    (NO_RIGHT, "DELETE FROM staff_actions"),
    (NO_RIGHT, "TRUNCATE staff_actions"),
    (
        Found("staff_roles"),
        (
            "INSERT INTO staff_actions (created_at, staff_id, action, target_type, target_id, reason, before, after) "
            "SELECT now(), :boss, 'set_roles', 'accounts.user', (:bob)::text, 'Up.', '{}', '{\"staff\": true, \"superuser\": true, \"roles\": []}'"
        ),
    ),
    (
        Found("holds"),
        (
            "INSERT INTO staff_actions (created_at, staff_id, action, target_type, target_id, reason, before, after) "
            "SELECT now(), :boss, 'hold_credits', 'accounts.user', (:ann)::text, 'Up.', '{}', '{\"held\": \"0\"}'"
        ),
    ),
    # Anchors
    (Refused("23001", "ledger_anchors_append_only"), "UPDATE ledger_anchors SET hash = sha256('')"),
    (Refused("23001", "ledger_anchors_append_only"), "UPDATE ledger_anchors SET entries = 1"),
    (NO_RIGHT, "DELETE FROM ledger_anchors"),
    (NO_RIGHT, "UPDATE ledger_anchor_heads SET hash = sha256('')"),
    (NO_RIGHT, "DELETE FROM ledger_anchor_heads"),
    (NO_RIGHT, "TRUNCATE ledger_anchor_heads"),
    (
        Found("anchors"),
        (
            "INSERT INTO ledger_anchors (anchored_at, users, entries, circulation, counterparties, chains, heads_hash) "
            "SELECT now(), 1, 1, 0, '{}', '{}', sha256('')"
        ),
    ),
    (
        Found("anchors"),
        "INSERT INTO ledger_anchor_heads (anchor, user_id, sequence, hash) SELECT 1, :eve, 9, sha256('')",
    ),
]
