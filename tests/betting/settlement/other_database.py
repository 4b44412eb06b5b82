"""The same users, market and bets on a database of its own: `build` makes one and prints the market's id, `check <id>` settles what is
left there and prints what became of it, as JSON.
"""

import json
import sys


def build() -> str:
    from tests.betting.settlement.bulk import add_users
    from tests.betting.settlement.test_kills import USERS, add_ended_market

    add_users(USERS)
    return str(add_ended_market(0).pk)


def check(market_id: str) -> str:
    from economy.ledger.audit import audit
    from markets.models import Market
    from tests.betting.settlement.factories import settle
    from tests.betting.settlement.test_kills import check_paid_once, left

    market = Market.objects.get(pk=market_id)
    before = left(market)
    settle(market)
    check_paid_once(market)
    return json.dumps({"left": before, "audit": audit().passed})


if __name__ == "__main__":
    import django

    django.setup()
    print(build() if sys.argv[1] == "build" else check(sys.argv[2]))  # noqa: T201 - the response
