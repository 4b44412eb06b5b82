"""The rules of the economy, those of stocks among them. Those that an operator may change are environment variables.

Read them through the module (`rules.STARTING_CREDITS`), so that a test can set another value.
"""

from decimal import Decimal
from enum import StrEnum

from core.environment import env

STARTING_CREDITS = Decimal(env.int("STARTING_CREDITS", default=1_000))
# For bringing a new user, and for how many of them a referrer is paid in a UTC day.
REFERRAL_BONUS_CREDITS = Decimal(env.int("REFERRAL_BONUS_CREDITS", default=200))
REFERRAL_DAILY_CAP = env.int("REFERRAL_DAILY_CAP", default=50)
# Credits of the first, second … consecutive day; from the last of them on it stays.
DAILY_REWARDS = [*(Decimal(1_000 + 500 * day) for day in range(17)), Decimal(10_000)]
# For how many UTC days that have ended the nightly run makes good what an earlier run missed; at most as many as
# `accounts.activity` keeps.
DAYS_REWARDED_LATE = 7
# Credits that one of the staff may give a user, or take, in a UTC day without a second.
ADMIN_ADJUSTMENT_LIMIT = Decimal(env.int("ADMIN_ADJUSTMENT_LIMIT", default=10_000))
# Where anchors of the ledger are published, besides the log: a file that lines are added to, and an address that gets
# each as JSON. Neither should be in reach of who owns the database.
ANCHOR_FILE = env.str("ANCHOR_FILE", default="")
ANCHOR_URL = env.str("ANCHOR_URL", default="")
ANCHORS_SHOWN = 24  # besides the newest


class StockPricePolicy(StrEnum):
    """Who moves the prices of stocks besides staff: `economy.stocks.price_policy`."""

    MANUAL = "manual"
    ACTIVITY = "activity"
    WALK = "walk"  # at random, in development alone


_development = env.bool("DEBUG", default=False)
STOCK_PRICE_POLICY = StockPricePolicy(
    env.choice(
        "STOCK_PRICE_POLICY",
        list(StockPricePolicy) if _development else [StockPricePolicy.MANUAL, StockPricePolicy.ACTIVITY],
        default=StockPricePolicy.WALK if _development else StockPricePolicy.MANUAL,
    )
)
STOCK_WALK_SECONDS = 20

# The database's constraints have these too: another value needs a migration.
LEVERAGE_MAX = 100
# What a column holds ends below it. NaN, which PostgreSQL takes for greater than any number, isn't below it.
TOO_MANY_SHARES = 10**10
# No price, supply and leverage may make a value that a column of credits can't hold.
GREATEST_WORTH = 10**15

LIST_LIMIT, LIST_LIMIT_MAX = 50, 200
OFFSET_MAX = 1_000_000  # deeper pages are for cursors, which cost the same at any depth
NEWEST_REFERRED = 25
