"""The world of `make run`: it lives at real time, something always ends soon, and a restart loses nothing."""

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import timedelta

import pytest

from devtools.simulators.polymarket import Simulator
from devtools.simulators.polymarket.lively import LivelyWorld, load_or_begin
from tests.devtools.conftest import REPOSITORY

from .conftest import START, Caller

PAGE = REPOSITORY / "docs" / "simulator.md"
TICK = timedelta(seconds=3)


def make(**options):
    return LivelyWorld(**{"seed": 7, "events": 60, "start": START, "tick_length": TICK} | options)


def looks(world):
    return [(market.condition_id, market.price, market.closed, market.clob_outcome) for market in world.markets]


def open_by_end(world):
    fit = [market for market in world.markets if market.has_book and market.ends_at]
    return sorted(fit, key=lambda market: market.ends_at)


def test_the_same_seed_and_start_make_the_same_world():
    one, other = make(), make()
    for world in (one, other):
        world.catch_up(START + timedelta(minutes=3))
    assert looks(one) == looks(other)
    later = make(start=START + timedelta(hours=1))
    assert not {market.condition_id for market in later.markets} & {market.condition_id for market in one.markets} - {
        ""
    }


def test_several_markets_end_every_minute_on_time_and_no_sooner():
    world = make()
    world.catch_up(START + timedelta(minutes=1))
    per_minute = Counter()
    for _ in range(int(timedelta(minutes=5) / TICK)):
        was_open = {market.condition_id: market for market in world.markets if market.has_book and not market.scripted}
        world._tick()
        for market in was_open.values():
            if market.closed:
                assert market.ends_at <= world.now
                per_minute[market.closed_at.replace(second=0)] += 1
    assert all(count >= 5 for count in list(per_minute.values())[1:-1]), per_minute


def test_ten_markets_always_end_within_two_minutes_and_take_bets_until_then():
    world = make()
    for minute in range(1, 6):
        world.catch_up(START + timedelta(minutes=minute))
        soonest = open_by_end(world)[:10]
        assert soonest[-1].ends_at <= world.now + timedelta(minutes=2)
        assert all(market.is_good and market.accepting is not False for market in soonest)


def test_prices_move_every_few_seconds():
    world = make()
    before = {market.condition_id: market.price for market in open_by_end(world)}
    world.catch_up(START + 2 * TICK)
    moved = [market for market in open_by_end(world) if before.get(market.condition_id, market.price) != market.price]
    assert len(moved) > len(before) / 4


def test_it_is_as_late_as_the_real_time_and_no_later_however_long_nothing_ran():
    world = make()
    now = START + timedelta(days=2, seconds=1)
    world.catch_up(now)
    assert timedelta(0) <= now - world.now < TICK
    assert world.ticks < 100
    world.catch_up(now + timedelta(seconds=30))
    assert not [market for market in open_by_end(world) if market.ends_at < world.now - timedelta(minutes=1)]
    assert open_by_end(world)[9].ends_at <= world.now + timedelta(minutes=3)


def test_ticks_that_are_asked_for_put_it_ahead_of_the_real_time():
    world = make()
    world.tick(20)
    assert world.now == START + 20 * TICK
    world.catch_up(START + 2 * TICK)
    assert world.now == START + 22 * TICK


def test_it_goes_on_where_its_file_left_it(directory):
    file = directory / "world"
    options = {"seed": 7, "events": 60, "tick_length": TICK}
    world = load_or_begin(file, **options)
    world.tick(5)
    market = open_by_end(world)[20]
    market.dispute()
    world.save()
    again = load_or_begin(file, **options)
    assert {market.condition_id for market in world.markets} <= {market.condition_id for market in again.markets}
    assert again.find(market.condition_id).uma_status == "disputed"
    assert again.ahead == world.ahead
    again.find(market.condition_id).change_tokens()


@pytest.mark.parametrize("spoil", [lambda file: file.write_bytes(b"nonsense"), lambda file: file.unlink()])
def test_without_a_file_that_it_can_read_it_begins_anew_with_other_ids(directory, spoil):
    file = directory / "world"
    options = {"seed": 7, "events": 20, "tick_length": TICK}
    world = make(events=20)
    world.file = file
    world.save()
    spoil(file)
    fresh = load_or_begin(file, **options)
    assert not {market.condition_id for market in world.markets} & {market.condition_id for market in fresh.markets} - {
        ""
    }


def test_other_options_begin_a_world_of_their_own(directory):
    world = make(events=20)
    world.file = directory / "world"
    world.save()
    assert load_or_begin(world.file, seed=8, events=20, tick_length=TICK).seed == 8


def test_a_simulator_serves_the_pictures_that_it_names():
    with Simulator(world=make()) as simulator:
        caller = Caller(simulator)
        listed = caller.get("/markets/keyset", closed="false", limit=50).json["markets"]
        images = {market["image"] for market in listed if market["image"]}
        assert len(images) > 5
        for image in images:
            assert image.startswith(f"{simulator.url}/pictures/")
            picture = caller.get(image.removeprefix(simulator.url))
            assert (picture.status, picture.headers["Content-Type"]) == (200, "image/svg+xml")
            assert ET.fromstring(picture.body).tag.endswith("svg")  # noqa: S314 - our own
            assert caller.get(image.removeprefix(simulator.url)).body == picture.body
        caller.connection.close()


def test_the_commands_of_its_page_work():
    commands = re.findall(r"^curl \$SIMULATOR(\S+)(?: -d '(.+)')?$", PAGE.read_text(), re.MULTILINE)
    assert len(commands) > 8
    with Simulator(world=make()) as simulator:
        caller = Caller(simulator)
        market = open_by_end(simulator.world)[5].condition_id
        for path, body in commands:
            response = caller.post(path, json.loads(body.replace("0x…", market))) if body else caller.get(path)
            assert response.status == 200, (path, body, response.body)
        caller.connection.close()


def test_its_controls_are_described_where_they_are():
    with Simulator(world=make(events=5)) as simulator:
        caller = Caller(simulator)
        described = caller.get("/_control")
        assert described.headers["Content-Type"].startswith("text/plain")
        for word in ("/_control/tick", "resolve(outcome", "dispute()", "archive()", "rate_limit", "per_second"):
            assert word in described.body.decode()
        caller.connection.close()
