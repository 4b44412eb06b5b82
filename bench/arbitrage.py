"""Has bots try to game the prices of the running service, and fails if any without foreknowledge makes a profit.

`python -m bench.arbitrage`: the markets and the bettors of tests/simulation, in real time over HTTP. Their books are
shown by a simulated Polymarket, moving some times a second; a database and a queue of its own are in var/. What isn't
sold is valued at the model's probability a few seconds later. `tests/simulation` has the same without network.
"""

import argparse
import json
import os
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

from bench.bets import fill
from bench.markets import environment, manage, running, web_server

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / f"bench-arbitrage-{os.getpid()}"
WEB_PORT, SIMULATOR_PORT = 8879, 8880
BASE, SIMULATOR = f"http://127.0.0.1:{WEB_PORT}/api/v1/bets", f"http://127.0.0.1:{SIMULATOR_PORT}/_control/market"
# Simulated seconds in one of ours: a market lives for about a minute, and the books move every few hundred ms.
SPEED = 2.0
THREADS = 64
# Sees moves a simulated second early, and is expected to earn.
FOREKNOWLEDGE = "has foreknowledge"


def post(url: str, body: str, **headers: str) -> tuple[int, Any]:
    """Return status and body of the response; numbers with a fraction as Decimal."""
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read(), parse_float=Decimal)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.loads(refusal.read())


@dataclass(slots=True)
class Bot:
    """A user of the service, the trades that came about, and how often which code refused an order."""

    name: str
    token: str
    trades: list[Any] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)

    def post(self, path: str, body: str) -> Any | None:
        """Return the response's body, or None where the request was refused."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": uuid4().hex}
        status, response = post(BASE + path, body, **headers)
        if status in (200, 201):
            return response
        code = response["code"]
        self.refusals[code] = self.refusals.get(code, 0) + 1
        return None


@dataclass(slots=True)
class Round:
    """One simulated market, shown as one of the upstream's from `started_at` on."""

    life: Any
    market_id: str
    condition_id: str
    started_at: float = 0.0

    @property
    def now(self) -> float:
        """The simulated time."""
        return (time.monotonic() - self.started_at) * SPEED

    def at(self, moment: float) -> float:
        """The time of a simulated one."""
        return self.started_at + moment / SPEED

    def show(self, book: Any) -> None:
        """Have the simulator show the book; an empty one where it is None."""
        sides = {"bids": as_pairs(book.bids), "asks": as_pairs(book.asks)} if book else {"bids": [], "asks": []}
        self.command(do="set_book", **sides)

    def command(self, **command: Any) -> None:
        post(SIMULATOR, json.dumps({"market": self.condition_id, **command}))


def as_pairs(levels: Any) -> list[tuple[str, str]]:
    from tests.simulation.arbitrage.upstream import as_text

    return [(as_text(price), str(shares)) for price, shares in levels]


def bet(bot: Bot, plan: Any, where: Round, timeline: "Timeline") -> None:
    """Place the planned bet and keep the trade, if it isn't refused; have it sold when that is planned."""
    from tests.simulation.arbitrage.exchange import Priced, Trade

    bound = "" if plan.max_odds is None else f', "maxOdds": {plan.max_odds}'
    with_dust(where, plan.dust)
    body = f'{{"marketId": "{where.market_id}", "side": "{plan.side}", "amount": {plan.amount}{bound}}}'
    sent_at = where.now
    placed = bot.post("", body)
    if placed is None:
        return
    payout, stake = placed["bet"]["potentialPayout"], plan.amount
    trade = Trade(where.life, plan, Priced(placed["bet"]["oddsAtBet"], (None, None), stake, payout))
    trade.expected = where.life.expected(sent_at, plan.side, payout=float(payout), stake=float(stake))
    bot.trades.append(trade)
    if plan.sell_at is not None:
        timeline.add(where.at(plan.sell_at), partial(sell, bot, trade, placed["bet"]["id"], where), where)


def sell(bot: Bot, trade: Any, bet_id: str, where: Round) -> None:
    """Sell in as many parts as planned, as far as somebody buys."""
    from tests.simulation.arbitrage.exchange import Priced

    with_dust(where, trade.plan.sale_dust)
    part = (trade.plan.amount / trade.plan.sale_parts).quantize(Decimal("0.01"))
    for number in range(trade.plan.sale_parts):
        amount = trade.unsold if number == trade.plan.sale_parts - 1 else part
        sold = bot.post(f"/{bet_id}/sell", f'{{"amount": {amount}}}')
        if sold is None:
            return
        trade.sales.append(Priced(sold["bet"]["currentOdds"], (None, None), amount, Decimal(sold["creditsReturned"])))


def with_dust(where: Round, dust: Any) -> None:
    """Place the dust, if it is inside the spread now; it goes with the next move of the book."""
    if dust:
        is_bid, price, shares = dust
        ((text, size),) = as_pairs([(price, shares)])
        where.command(do="add_dust", side="bid" if is_bid else "ask", price=text, size=size)


# -- In time


class Timeline:
    """What is to happen when, on the monotonic clock.

    Books move one after the other, whatever bots wait for. A bot acts once the moves before it are shown, however busy
    the machine is: it sees what the upstream shows.
    """

    def __init__(self, until: float) -> None:
        self._until = until
        self._due: list[tuple[float, int, Callable[[], None], Round, bool]] = []
        self._numbers = count()
        self._lock = threading.Lock()

    def add(self, at: float, act: Callable[[], None], where: Round, *, is_move: bool = False) -> None:
        with self._lock:
            heappush(self._due, (at, next(self._numbers), act, where, is_move))

    def run(self) -> None:
        """Let everything happen when it is due, until all is done or the time is over."""
        begun: list[Future[None]] = []
        shown: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(THREADS) as orders, ThreadPoolExecutor(1) as moves:
            while time.monotonic() < self._until and (self._due or not all(act.done() for act in begun)):
                with self._lock:
                    event = heappop(self._due) if self._due and self._due[0][0] <= time.monotonic() else None
                if event is None:
                    time.sleep(0.002)
                    continue
                _, _, act, where, is_move = event
                if is_move:
                    shown[where.market_id] = moves.submit(act)
                    begun.append(shown[where.market_id])
                else:
                    begun.append(orders.submit(act_after, shown.get(where.market_id), act))
        for done in begun:
            done.result()


def act_after(move: Future[None] | None, act: Callable[[], None]) -> None:
    if move is not None:
        move.result()
    act()


def play(rounds: list[Round], paired: list[tuple[Bot, Any]], *, seed: int, until: float) -> None:
    """Show the markets' books, and let the bots bet on them."""
    timeline, begun = Timeline(until), time.monotonic()
    for number, where in enumerate(rounds):
        # Not all at once, so that no two markets end together.
        where.started_at = begun + number * 0.3
        for moment, book in zip(where.life.books.times, where.life.books.values, strict=True):
            timeline.add(where.at(moment), partial(where.show, book), where, is_move=True)
        for bot, bettor in paired:
            for plan in bettor(where.life, Random(f"{seed}/{bot.name}/{where.life.number}")):
                timeline.add(where.at(max(0.0, plan.at)), partial(bet, bot, plan, where, timeline), where)
    timeline.run()


def find_markets(number: int) -> list[tuple[str, str]]:
    """Return our id and the upstream's of mirrored markets that are open."""
    from markets.models import Market

    found = Market.objects.filter(market_type="polymarket", status="open").values_list("id", "polymarket_id")
    return [(str(market_id), condition_id) for market_id, condition_id in found[:number]]


def report(bots: list[Bot]) -> list[str]:
    """Print the figures; return the names of those who earn without foreknowledge."""
    from tests.simulation.arbitrage.exchange import figures

    print("| bettor | trades | mean profit, % of stake | s.e. | earns | refused |\n|---|---:|---:|---:|---|---|")
    earning = []
    for bot in bots:
        found = figures(bot.trades)
        earns = found.expected > 2 * found.expected_error
        refused = " ".join(f"{code} x{count}" for code, count in sorted(bot.refusals.items()))
        print(
            f"| {bot.name:<24} | {found.trades:>5} | {found.expected:>+7.2f} | {found.expected_error:>5.2f} "
            f"| {'yes' if earns else 'no':<3} | {refused} |"
        )
        earning += [bot.name] if earns and bot.name != FOREKNOWLEDGE else []
    return earning


def measure(tokens: list[str], arguments: argparse.Namespace) -> list[str]:
    from tests.simulation.arbitrage.bettors import WITHOUT_FOREKNOWLEDGE, with_foreknowledge
    from tests.simulation.arbitrage.upstream import Life

    bettors = {**WITHOUT_FOREKNOWLEDGE, FOREKNOWLEDGE: with_foreknowledge}
    bots = [Bot(name, token) for name, token in zip(bettors, tokens, strict=True)]
    paired = list(zip(bots, bettors.values(), strict=True))
    markets = find_markets(arguments.markets)
    until, numbers = time.monotonic() + arguments.seconds, count()
    while time.monotonic() < until:
        rounds = [Round(Life(arguments.seed, next(numbers)), *market) for market in markets]
        play(rounds, paired, seed=arguments.seed, until=until)
    return report(bots)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=130.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markets", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=32)
    arguments = parser.parse_args()
    VAR.mkdir(parents=True, exist_ok=True)
    from devtools.embedded import postgres, valkey

    database, queue = postgres.start(VAR), valkey.start(VAR)
    env = environment(
        database.url,
        queue.url,
        DATABASE_OWNER_URL=database.owner_url,
        VAR_DIR=str(VAR),
        JWT_ACCESS_EXPIRES_IN="1d",
        THROTTLE_ENABLED="false",
        POLYMARKET_GAMMA_URL=f"http://127.0.0.1:{SIMULATOR_PORT}",
        POLYMARKET_CLOB_URL=f"http://127.0.0.1:{SIMULATOR_PORT}",
    )
    os.environ.update(env)
    simulator = [sys.executable, "-m", "devtools.simulators.polymarket", "--port", str(SIMULATOR_PORT)]
    try:
        manage(env, "migrate")
        tokens = fill(9, 1)
        with running([*simulator, "--events", "40"], SIMULATOR_PORT, env):
            manage(env, "ingest_markets", "--limit", "500", "--force")
            with web_server(env, port=WEB_PORT, workers=arguments.workers, threads=arguments.threads):
                earning = measure(tokens, arguments)
        print(manage(env, "audit_ledger").splitlines()[-1])
    finally:
        database.stop()
        queue.stop()
        shutil.rmtree(VAR, ignore_errors=True)
    if earning:
        print(f"The prices have a leak: {', '.join(earning)} earned more than 0 by two standard errors.")
    return 1 if earning else 0


if __name__ == "__main__":
    sys.exit(main())
