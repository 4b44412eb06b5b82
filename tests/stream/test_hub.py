"""Fan-out within a process: what waits for a client is bounded, whatever the client does."""

import asyncio
from collections.abc import Coroutine
from uuid import UUID, uuid4

from core.api.json import dumps
from stream import rules
from stream.hub import Client, Hub
from stream.selectors import MarketState, Position, UserState
from stream.services import TicketHolder

SECONDS = 10
ANN = uuid4()
SESSION = uuid4()


def odds(market_id: UUID, this: float, *, as_of: str = "2026-11-28T16:00:00.000Z") -> bytes:
    prices = {"thisOdds": this, "thatOdds": round(1 - this, 4), "bid": None, "ask": None}
    return dumps({"marketId": market_id, **prices, "asOf": as_of})


def status(market_id: UUID, said: str = "open") -> bytes:
    return dumps({"marketId": market_id, "status": said, "resolution": None})


def state(market_id: UUID, this: float = 0.5) -> MarketState:
    return MarketState(market_id, odds(market_id, this), status(market_id))


def user(ledger: int, *, balance: bytes = b"{}", sessions_ended: int = 0, **new: object) -> UserState:
    return UserState(Position(ledger), sessions_ended, balance, **new)


def run(story: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(story, SECONDS))


def names(sent: bytes) -> list[str]:
    return [line.removeprefix("event: ") for line in sent.decode().splitlines() if line.startswith("event: ")]


def test_a_slow_client_has_the_newest_odds_of_each_market_waiting_and_no_more() -> None:
    async def story() -> None:
        hub, markets = Hub(), [uuid4(), uuid4()]
        client = Client(markets)
        hub.add(client, map(state, markets))
        client.take()
        for number in range(1, 1_000):
            hub.take_odds(odds(markets[number % 2], number / 1_000))
        sent = client.take()
        assert names(sent) == ["odds", "odds"]
        assert b'"thisOdds":0.999' in sent
        assert b'"thisOdds":0.998' in sent

    run(story())


def test_who_takes_the_users_own_events_too_slowly_is_dropped() -> None:
    async def story() -> None:
        hub, client = Hub(), Client([], holder=TicketHolder(ANN, 0), position=Position())
        hub.add(client, [])
        for number in range(1, rules.WAITING_MAX + 2):
            hub.take_user(ANN, user(number, bets=[(number, b"{}")]))
        assert [part async for part in client.frames()] == []

    run(story())


def test_clients_wake_together_and_at_most_once_a_tick() -> None:
    async def story() -> None:
        hub, market = Hub(), uuid4()
        clients = [Client([market]) for _ in range(3)]
        for client in clients:
            hub.add(client, [state(market)])
        streams = [client.frames() for client in clients]
        for stream in streams:
            await anext(stream)
        loop = asyncio.get_running_loop()
        waiting = [loop.create_task(anext(stream)) for stream in streams]
        await asyncio.sleep(0)
        since = loop.time()
        for number in range(100):
            hub.take_odds(odds(market, 0.6 + number / 1_000))
            await asyncio.sleep(0)
        assert [names(each) for each in await asyncio.gather(*waiting)] == [["odds"]] * 3
        assert loop.time() - since >= rules.TICK_SECONDS / 2

    run(story())


def test_what_is_known_or_older_is_not_sent_again() -> None:
    async def story() -> None:
        hub, market = Hub(), uuid4()
        client = Client([market])
        hub.add(client, [state(market)])
        client.take()
        hub.take_odds(odds(market, 0.5, as_of="2026-11-28T16:00:09.000Z"))
        hub.take_odds(odds(market, 0.7, as_of="2026-11-28T16:00:08.000Z"))
        hub.take_odds(odds(uuid4(), 0.7))
        hub.take_status(status(market))
        assert client.take() == b""
        hub.take_status(status(market, "closed"))
        assert names(client.take()) == ["market"]

    run(story())


def test_each_tab_is_told_from_its_own_position_and_each_event_once() -> None:
    async def story() -> None:
        hub = Hub()
        old, new = (Client([], holder=TicketHolder(ANN, 0), position=Position(at)) for at in (3, 5))
        for client in (old, new):
            hub.add(client, [])
            client.take()
        assert hub.positions([ANN, uuid4()]) == {ANN: Position(3, 0)}
        told = user(6, bets=[(4, b'{"n":4}'), (6, b'{"n":6}')], notifications=[])
        hub.take_user(ANN, told)
        assert old.take().decode().splitlines()[::4] == ["id: 4-0", "id: 6-0", "id: 6-0"]
        assert names(new.take()) == ["bet", "balance"]
        hub.take_user(ANN, told)
        assert old.take() + new.take() == b""

    run(story())


def test_a_lost_bet_comes_with_its_notification_under_the_id_before() -> None:
    async def story() -> None:
        hub, client = Hub(), Client([], holder=TicketHolder(ANN, 0), position=Position(3, 7))
        hub.add(client, [])
        client.take()
        lost = UserState(Position(3, 8), 0, b"", notifications=[(8, b'{"type":"bet_lost"}', b'{"status":"lost"}')])
        hub.take_user(ANN, lost)
        assert client.take().decode().splitlines() == [
            "id: 3-7", "event: bet", 'data: {"status":"lost"}', "",
            "id: 3-8", "event: notification", 'data: {"type":"bet_lost"}', "",
        ]  # fmt: skip

    run(story())


def test_another_session_or_a_suspension_ends_the_users_streams_alone() -> None:
    async def story() -> None:
        one_ended = user(1, ended_sessions=[SESSION])
        for state_now in (None, user(1, sessions_ended=1), one_ended):
            hub = Hub()
            own, other = Client([], holder=TicketHolder(ANN, 0, SESSION), position=Position()), Client([])
            elsewhere = Client([], holder=TicketHolder(ANN, 0, uuid4()), position=Position())
            for client in (own, other, elsewhere):
                hub.add(client, [])
            hub.take_user(ANN, state_now)
            assert (own.is_ended, other.is_ended) == (True, False)
            assert elsewhere.is_ended == (state_now is not one_ended)

    run(story())


def test_nothing_is_left_of_a_client_that_went() -> None:
    async def story() -> None:
        hub, market = Hub(), uuid4()
        client = Client([market], holder=TicketHolder(ANN, 0), position=Position())
        hub.add(client, [state(market)])
        hub.remove(client)
        hub.remove(client)
        assert (hub.clients, dict(hub.users), dict(hub.markets), hub.unread) == (set(), {}, {}, set())

    run(story())
