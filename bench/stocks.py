"""Times trades through the services, and proving them: `python -m bench.stocks`.

A database of its own in var/bench-stocks-<process>, removed afterwards. Trades stand beside single posts of the ledger,
which each of them contains, in the same run.
"""

import argparse
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

from bench.database import own_database


def timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def run(trades: int, holders: int) -> None:
    from django.utils import timezone

    from accounts.models import User
    from accounts.staff import COMMAND_LINE
    from core.db.transactions import run_transaction
    from economy.ledger import Transfer, post
    from economy.ledger.audit import audit
    from economy.models import TransactionType
    from economy.stocks import trading
    from economy.stocks.models import Stock
    from economy.stocks.prices import set_price
    from economy.stocks.signing import verify_stock_transactions
    from economy.stocks.trading import close_worthless_holdings
    from tests.economy.factories import record_adjustments

    users = [User.objects.create_user(email=f"{n}@example.com", username=f"user{n}").pk for n in range(holders)]
    stock = Stock.objects.get(symbol="HYPE")

    def give(n: int) -> None:
        kind = TransactionType.ADMIN_ADJUSTMENT
        transfer = Transfer(
            user_id=users[n % holders], amount=Decimal(1000), transaction_type=kind, reference_id=uuid4()
        )
        run_transaction(lambda: post(transfer, now=timezone.now()))

    def buy(n: int) -> None:
        order: dict[str, Any] = {"stock_id": stock.pk, "shares": Decimal("1.5"), "leverage": 5}
        run_transaction(lambda: trading.buy_shares(**order, user_id=users[n % holders], clock=timezone.now))

    posts = timed(lambda: [give(n) for n in range(trades)])
    bought = timed(lambda: [buy(n) for n in range(trades)])
    print(f"{trades:,} purchases: {trades / bought:,.0f}/s, {bought / posts:.2f} times a post of the ledger")
    checked = timed(lambda: print(f"verified: {not verify_stock_transactions().breaches}"))
    print(f"verifying {trades:,} signatures: {trades / checked:,.0f}/s")
    now = timezone.now()
    changed = timed(
        lambda: set_price(stock_id=stock.pk, price=Decimal("0.01"), by=COMMAND_LINE, reason="Fall", now=now)
    )
    closed = timed(lambda: print(f"closed: {close_worthless_holdings(now=now)}"))
    print(f"a price change: {changed * 1000:.0f} ms")
    print(f"closing {holders:,} holdings: {closed:.2f} s, {holders / closed:,.0f}/s")
    record_adjustments()
    print(f"the audit passes: {audit().passed}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trades", type=int, default=4_000)
    parser.add_argument("--holders", type=int, default=2_000)
    arguments = parser.parse_args()
    with own_database("stocks"):
        from django.core.management import call_command

        call_command("seed_stocks", verbosity=0)
        run(arguments.trades, arguments.holders)


if __name__ == "__main__":
    main()
