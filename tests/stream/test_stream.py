"""What clients of the served stream see, over real connections."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client as HttpClient

from accounts.models import User
from accounts.services import SignedIn
from markets import changes
from markets.models import Market, MarketWatch
from stream.errors import InvalidTicket
from stream.live import begin_at
from stream.models import StreamTicket
from stream.selectors import Position
from stream.services import issue_ticket, use_ticket
from tests.accounts.factories import bearer, suspend
from tests.accounts.factories import sign_up as register
from tests.betting.factories import Player, execute, sign_up
from tests.betting.settlement.factories import end, settle
from tests.core.service_process import PRODUCTION
from tests.devtools.conftest import soon
from tests.markets.factories import add_market, add_mirrored
from tests.stream.conftest import stream_of, ticket_of
from tests.stream.sse import Stream

committed = pytest.mark.django_db(transaction=True)


def set_odds(market: Market, odds: str) -> None:
    this = Decimal(odds)
    given = {"this_odds": this, "that_odds": 1 - this, "odds_updated_at": datetime.now(UTC)}
    Market.objects.filter(pk=market.pk).update(**given)
    changes.publish_odds([market.pk])


@committed
def test_a_stream_begins_with_the_markets_as_they_are_and_goes_on_as_they_change(web) -> None:
    house, mirrored, other = add_market(), add_mirrored(), add_market(title="Other")
    # Either id names a market; unknown ones are left out, and the parameter may come twice.
    query = f"?markets={mirrored.polymarket_id},{uuid4()}&markets={house.pk}"
    with Stream(web.base, query, Origin=PRODUCTION["FRONTEND_URL"]) as stream:
        assert stream.status == 200
        sent = {name: stream.headers[name] for name in ("Content-Type", "Cache-Control", "X-Accel-Buffering")}
        assert sent == {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        assert stream.headers["Access-Control-Allow-Origin"] == PRODUCTION["FRONTEND_URL"]
        assert stream.headers["Access-Control-Allow-Credentials"] == "true"
        assert stream.headers["X-Request-ID"]
        first = [stream.next("odds").data for _ in range(2)]
        assert {each["marketId"] for each in first} == {str(mirrored.pk), str(house.pk)}
        (shown,) = [each for each in first if each["marketId"] == str(house.pk)]
        assert shown.keys() == {"marketId", "thisOdds", "thatOdds", "bid", "ask", "asOf"}
        assert (shown["thisOdds"], shown["bid"], shown["ask"]) == (0.6, 0.59, 0.61)
        assert stream.retry == 1000
        set_odds(other, "0.7000")
        set_odds(house, "0.5500")
        changed = stream.next("odds").data
        assert (changed["marketId"], changed["thisOdds"], changed["thatOdds"]) == (str(house.pk), 0.55, 0.45)
        Market.objects.filter(pk=house.pk).update(status="closed")
        changes.publish_markets([house.pk])
        closed = stream.next("market", status="closed").data
        assert closed == {"marketId": str(house.pk), "status": "closed", "resolution": None}
        # So that its odds stay fresh.
        assert soon(lambda: MarketWatch.objects.filter(market=mirrored).exists())


@committed
def test_odds_arrive_within_a_quarter_of_a_second_of_their_commit(web) -> None:
    market = add_market()
    with Stream(web.base, f"?markets={market.pk}") as stream:
        stream.next("odds")
        took = []
        for number in range(10):
            set_odds(market, f"0.4{number}00")
            since = time.monotonic()
            stream.next("odds", thisOdds=round(0.4 + number / 100, 2))
            took.append(time.monotonic() - since)
    # The median: other work on the machine may delay one.
    assert sorted(took)[5] < 0.25


@committed
def test_every_process_tells_its_own_clients(web) -> None:
    market = add_market()
    with ExitStack() as stack:
        streams = [stack.enter_context(Stream(web.base, f"?markets={market.pk}")) for _ in range(12)]
        for stream in streams:
            stream.next("odds")
        set_odds(market, "0.5100")
        for stream in streams:
            assert stream.next("odds").data["thisOdds"] == 0.51


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?markets=a%20b", 400, "validation_error"),
        (f"?markets={','.join(f'0x{n}' for n in range(101))}", 400, "validation_error"),
        ("?ticket=x", 401, "invalid_ticket"),
    ],
    ids=["no id", "101 ids", "no ticket"],
)
def test_what_cannot_be_streamed_is_refused_before_the_stream_begins(web, query, status, code) -> None:
    with Stream(web.base, query) as stream:
        assert (stream.status, stream.headers["Content-Type"]) == (status, "application/json")
        error = stream.error()
        assert (error["success"], error["code"]) == (False, code)


@committed
@pytest.mark.parametrize("body", [b"", b"{}", [b"{}"]], ids=["empty", "ignored", "in chunks"])
def test_a_request_with_a_body_gets_a_stream_too(web, body) -> None:
    market = add_market()
    with Stream(web.base, f"?markets={market.pk}", body=body, Content_Type="application/json") as stream:
        stream.next("odds")
        set_odds(market, "0.5100")
        stream.next("odds", thisOdds=0.51)


def test_the_log_has_the_id_of_a_request_that_is_refused(web) -> None:
    with Stream(web.base, "?ticket=x", X_Request_ID="refused-here") as stream:
        assert (stream.status, stream.headers["X-Request-ID"]) == (401, "refused-here")
    (line,) = [line for line in web.log.splitlines() if "refused-here" in line]
    assert "invalid_ticket" in line
    assert "?" not in line


@committed
def test_a_ticket_brings_the_users_own_events_and_nobody_elses(web, ann) -> None:
    market, bob = add_market(), sign_up("bob")
    with stream_of(web, ann, f"&markets={market.pk}") as stream:
        assert stream.next("balance").data == {"creditBalance": 1000, "availableCredits": 1000, "lockedCredits": 0}
        bob.bet(market, 100)
        bet = ann.bet(market, 100)
        told = stream.next("bet")
        assert told.data == as_floats(bet)
        after = stream.next("balance")
        assert after.data == {"creditBalance": 900, "availableCredits": 900, "lockedCredits": 100}
        # What is public leaves the user's place as it is: a browser sends the last id.
        set_odds(market, "0.5100")
        assert stream.next("odds", thisOdds=0.51).id == told.id != "-"
        ann.sell(bet)
        assert stream.next("bet").data["status"] == "sold"


def as_floats(bet: dict) -> dict:
    return json.loads(json.dumps(bet, default=float))


@committed
def test_who_comes_back_gets_what_was_missed_once(web, ann) -> None:
    market = add_market()
    with stream_of(web, ann) as stream:
        stream.next("balance")
        first = ann.bet(market, 100)
        assert stream.next("bet").data["id"] == first["id"]
        seen = stream.last_event_id
    missed = [ann.bet(market, amount)["id"] for amount in (20, 30)]
    with stream_of(web, ann, Last_Event_ID=seen) as stream:
        assert [stream.next("bet").data["id"] for _ in missed] == missed
        assert stream.next("balance").data["creditBalance"] == 850
        seen = stream.last_event_id
    with stream_of(web, ann, f"&lastEventId={seen}") as stream:
        # Told first, where anything had been told again.
        assert stream.next("balance").data["creditBalance"] == 850
        last = ann.bet(market, 10)
        assert stream.next("bet").data["id"] == last["id"]
    with stream_of(web, ann, Last_Event_ID="what no event had") as stream:
        stream.next("balance")
        assert ann.bet(market, 10)["id"] == stream.next("bet").data["id"]


@pytest.mark.parametrize("given", ["", "-", "x", "1", "-1-0", "7-0", "3-5", "99999999999999999999-0", "1-1-1", "²-0"])
def test_an_id_that_no_event_had_counts_as_none(given) -> None:
    assert begin_at(given, Position(6, 4)) == Position(6, 4)
    assert begin_at("2-3", Position(6, 4)) == Position(2, 3)


@committed
def test_a_ticket_is_good_once_and_for_half_a_minute(web, ann) -> None:
    ticket, late = ticket_of(ann), ticket_of(ann)
    with Stream(web.base, f"?ticket={ticket}") as stream:
        assert stream.status == 200
    StreamTicket.objects.update(expires_at=datetime.now(UTC))
    for used in (ticket, late):
        with Stream(web.base, f"?ticket={used}") as stream:
            assert (stream.status, stream.error()["code"]) == (401, "invalid_ticket")


@committed
def test_of_twenty_who_use_a_ticket_at_once_one_succeeds(ann) -> None:
    now = datetime.now(UTC)
    ticket = issue_ticket(user=ann.user, session_id=None, now=now)

    def use(_: int) -> bool:
        try:
            return use_ticket(ticket=ticket, now=now).user_id == ann.id
        except InvalidTicket:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(use, range(20))) == 1


@committed
def test_a_lost_bet_has_no_ledger_entry_and_is_told_with_its_notification(web, ann) -> None:
    market = add_market()
    bet = ann.bet(market, 100)
    with stream_of(web, ann) as stream:
        stream.next("balance")
        end(market, "that")
        settle(market)
        assert stream.next("bet", id=bet["id"]).data["status"] == "lost"
        told = stream.next("notification").data
        assert (told["type"], told["data"]["betId"]) == ("bet_lost", bet["id"])
        assert told.keys() == {"id", "type", "title", "body", "data", "createdAt", "readAt"}
        assert stream.next("balance").data["lockedCredits"] == 0


@committed
def test_what_no_message_told_is_found_by_looking_also_over_a_new_connection(web, ann) -> None:
    with stream_of(web, ann) as stream:
        stream.next("balance")
        # As a database that restarts does.
        execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )
        User.objects.filter(pk=ann.id).update(held_credits=10)
        assert stream.next("balance", seconds=20).data["availableCredits"] == 990


def log_out(ann: SignedIn) -> None:
    call(ann, "post", "logout", {"refreshToken": ann.tokens.refresh})


def end_session(ann: SignedIn) -> None:
    (session,) = call(ann, "get", "sessions")["sessions"]
    call(ann, "delete", f"sessions/{session['id']}")


def log_out_everywhere(ann: SignedIn) -> None:
    call(ann, "post", "logout-all")


def be_suspended(ann: SignedIn) -> None:
    suspend(ann.user, now=datetime.now(UTC))


def call(ann: SignedIn, method: str, path: str, body: Any = None) -> Any:
    send = getattr(HttpClient(headers=bearer(ann)), method)
    response = send(f"/api/v1/auth/{path}", body, content_type="application/json")
    assert response.status_code == 200, response.content
    return response.json()


@committed
@pytest.mark.parametrize("end_it", [log_out, end_session, log_out_everywhere, be_suspended])
def test_a_stream_and_an_unused_ticket_end_with_their_session(web, end_it) -> None:
    ann = register("ann")
    ticket = ticket_of(Player(ann.user, ann.tokens.access))
    with stream_of(web, Player(ann.user, ann.tokens.access)) as stream:
        stream.next("balance")
        end_it(ann)
        assert stream.ends(seconds=10)
    with Stream(web.base, f"?ticket={ticket}") as stream:
        assert (stream.status, stream.error()["code"]) == (401, "invalid_ticket")
