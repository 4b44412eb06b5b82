"""Comparing the model with what the database holds, committed: after each step what it touched, at times everything."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from tests.simulation.actions import Violation, expect
from tests.simulation.model.bets import OVER
from tests.simulation.model.ledger import User
from tests.simulation.model.stocks import Stock
from tests.simulation.model.world import World
from tests.simulation.truth import (
    ACTIVITY,
    BET_COLUMNS,
    COUNTS,
    HOLDINGS,
    MARKETS,
    PURCHASES,
    STOCKS,
    USER_COLUMNS,
    Truth,
)


class Comparison:
    """`dropped`: how many bets the model had and doesn't hold any more."""

    def __init__(self, world: World, truth: Truth) -> None:
        self.world, self.truth = world, truth
        self.dropped = 0
        self._touched_bets: set[str] = set()
        self._touched_stocks: set[str] = set()

    def touch_bets(self, *bets: str) -> None:
        self._touched_bets.update(bets)

    def touch_stock(self, stock: str) -> None:
        self._touched_stocks.add(stock)

    def sync_activity(self, users: Iterable[str], now: datetime) -> None:
        """Take over when users were last active: a row that is locked at the moment isn't written for that."""
        touched = [user for user in users if user in self.world.users]
        for id_, moment in self.truth.rows(ACTIVITY, touched):
            user = self.world.users[id_]
            if moment not in (user.last_active_at, user.active_before, now):
                raise Violation("activity is noted when it happens", f"user {user.number}: {moment}")
            user.was_last_active(moment)

    def verify(self, users: Iterable[str]) -> None:
        """Compare users, their new ledger entries, bets and stocks that were touched."""
        touched = [user for user in users if user in self.world.users]
        if touched:
            self.verify_users(touched, self.truth.users(touched))
            # An entry that a user's number of entries doesn't count is found when everything is compared.
            self.verify_entries([user for user in map(self.world.users.__getitem__, touched) if user.new_entries])
        if self._touched_bets:
            self.verify_bets(self._touched_bets)
            self._touched_bets = set()
        for stock in self._touched_stocks:
            self.verify_stock(self.world.stocks[stock])
        self._touched_stocks = set()

    def verify_users(self, ids: list[str], found: dict[str, tuple[Any, ...]]) -> None:
        for id_ in ids:
            user = self.world.users[id_]
            expected = (
                user.balance,
                user.held,
                user.locked,
                user.expended,
                user.volume,
                user.profit,
                user.referral_earned,
                user.referral_count,
                user.streak,
                user.last_reward_at,
                user.is_active,
                user.deletion_due_at,
                user.sessions_ended,
                user.entries,
            )
            if found[id_] != expected:
                raise Violation(
                    f"what user {user.number} has follows from what happened",
                    differences(found[id_], expected, USER_COLUMNS),
                )

    def verify_entries(self, users: list[User]) -> None:
        """Compare the new entries; one without a reference here has one that only the service knows."""
        if not users:
            return
        known = [(user.id, user.entries - len(user.new_entries)) for user in users]
        rows = self.truth.entries(known)
        found: dict[str, list[tuple[Any, ...]]] = {user.id: [] for user in users}
        for row in rows:
            found[row[0]].append(row[1:])
        for user in users:
            expected = [
                (e.sequence, e.amount, e.balance_after, e.type, e.counterparty, e.reference, e.occurrence)
                for e in user.new_entries
            ]
            got = [row[:7] for row in found[user.id]]
            shown = [(*row[:5], want[5] and row[5], row[6]) for row, want in zip(got, expected, strict=False)] + got[
                len(expected) :
            ]
            if shown != expected:
                text = "; ".join(map(plain, shown)) or "none"
                raise Violation(
                    f"the ledger has what happened to user {user.number}, once",
                    f"expected {'; '.join(map(plain, expected)) or 'none'}, found {text}",
                )
            user.new_entries.clear()

    def verify_bets(self, ids: Iterable[str]) -> None:
        wanted = list(ids)
        found = self.truth.bets(wanted)
        for id_ in wanted:
            bet = self.world.bets[id_]
            expected = (
                bet.user,
                bet.market,
                bet.side,
                bet.amount,
                bet.odds,
                bet.payout,
                bet.status,
                bet.sold_amount,
                bet.sold_payout,
                bet.sales,
                bet.settled,
                bet.actual_payout,
                bet.placed_at,
                bet.resolved_at,
            )
            if found.get(id_) != expected:
                raise Violation(
                    f"bet {bet.number} is what happened to it", differences(found.get(id_, ()), expected, BET_COLUMNS)
                )

    def verify_stock(self, stock: Stock) -> None:
        rows = self.truth.rows(HOLDINGS, stock.id)
        found = {user: (shares, invested, cost, leverage) for user, shares, invested, cost, leverage in rows}
        expected = {
            user: (held.shares, held.invested, held.exact_cost, held.leverage) for user, held in stock.holdings.items()
        }
        expect(f"what is held of {stock.symbol} was bought and not sold", found, expected)

    def compare_everything(self) -> None:
        """Compare all that the model holds."""
        self.verify_users(list(self.world.users), self.truth.users(None))
        self.verify_entries(list(self.world.users.values()))
        self.verify_bets(self.world.bets)
        rows = self.truth.rows(STOCKS)
        for id_, symbol, price, _, circulating, _, status in rows:
            stock = self.world.stocks[id_]
            expect(
                f"{symbol} is as it was set",
                (price, circulating, status),
                (stock.price, stock.circulating, stock.status),
            )
            self.verify_stock(stock)
        found = {row[0]: row[2:4] for row in self.truth.rows(MARKETS)}
        for market in self.world.markets.values():
            expect(f"market {market.number} is as it ended", found[market.id], (market.status, market.resolution))
        purchases = {id_: purchase.status for id_, purchase in self.world.purchases.items()}
        expect("purchases are what happened to them", dict(self.truth.rows(PURCHASES)), purchases)
        bets, users = self.truth.rows(COUNTS)[0]
        expect("there are no bets but those that were placed", bets, len(self.world.bets) + self.dropped)
        others = len(self.world.staff) + 1
        expect("there are no users but those who signed up", users, len(self.world.users) + others)

    def drop_what_is_over(self, before: datetime) -> None:
        """Drop markets that are over and settled, and their bets, which were compared just now."""
        for market in list(self.world.markets.values()):
            long_ago = market.ended_at is not None and market.ended_at < before
            if market.status in OVER and long_ago and not market.pending:
                for id_ in market.bets:
                    del self.world.bets[id_]
                self.dropped += len(market.bets)
                del self.world.markets[market.id]


def differences(found: tuple[Any, ...], expected: tuple[Any, ...], columns: Sequence[str]) -> str:
    """Return what differs, by the columns' names."""
    if len(found) != len(expected):
        return f"expected {plain(expected)}, found {plain(found) or 'nothing'}"
    rows = zip(columns, expected, found, strict=True)
    return ", ".join(f"{name}: expected {want}, found {got}" for name, want, got in rows if want != got)


def plain(row: Iterable[Any]) -> str:
    return " ".join(map(str, row))
