"""The rules of betting. Those that an operator may change are environment variables.

Read them through the module (`rules.MIN_BET_AMOUNT`), so that a test can set another value.
"""

from datetime import timedelta
from decimal import Decimal

from core.environment import env

MIN_BET_AMOUNT = Decimal(env.int("MIN_BET_AMOUNT", default=10))
MAX_BET_AMOUNT = Decimal(env.int("MAX_BET_AMOUNT", default=10_000))
# How long after an order arrived its price is good: it waits for the order book, then perhaps for locks.
FILL_MAX_AGE = env.seconds("MARKET_FILL_MAX_AGE", default=5)

# How far above the price before it a bet on a market maker may be priced on average, unless its order says `maxOdds`.
MAX_SLIPPAGE = env.spread("MARKET_MAX_SLIPPAGE", default="0.10")
# What staff may subsidize a house market with: the most that the house can lose on it.
MIN_SUBSIDY, MAX_SUBSIDY = Decimal(100), Decimal(1_000_000)

LIST_LIMIT, LIST_LIMIT_MAX = 50, 200
OFFSET_MAX = 1_000_000
# At most this many users are listed in the preview of a settlement or reversal, largest amounts first.
PREVIEW_LIMIT = 200
# Markets with open bets are watched for so long at a time; the sweep comes round well before.
WATCHED_FOR = timedelta(minutes=15)
# A market that was bet on is noted as watched once in so many seconds, however many bets come.
WATCH_NOTED_SECONDS = 300
# Users with an open bet on a market are told so long before it ends.
CLOSING_SOON = timedelta(hours=1)
