"""What a newcomer does: `make admin` and `make demo`, `make run`, the page at `/`, a bet that is paid, the admin, a restart.

One start of the service serves all of it, and the restart at the end is one more.
"""

import json
import re
import subprocess
import time
from collections import Counter
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from devtools.simulators.start import free_port
from devtools.welcome import EMAIL
from tests.devtools.conftest import soon
from tests.e2e.browser import Browser, chromium
from tests.e2e.terminal import Terminal, make_run, manage

# Two hundred quotes in a moment are no newcomer's.
OPTIONS = {"THROTTLE_ENABLED": "false", "LOG_LEVEL": "INFO"}


def test_the_first_minutes(var_dir):
    assert "Made the superuser admin@example.com." in manage(var_dir, "create_admin")
    (made,) = manage(var_dir, "create_demo_world", stderr=True, LOG_LEVEL="INFO").splitlines()
    assert made.startswith("Made a month of ")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with make_run(var_dir, port, **OPTIONS) as terminal:
        assert terminal.shows("THISTHAT is running"), terminal.text
        assert re.search(f"Welcome +{base}/\n", terminal.text)
        assert "`make admin`" in terminal.text
        assert "`make demo`" in terminal.text
        with chromium(var_dir) as browser:
            look(browser, base)
            bet_on = sign_in_and_bet(browser)
            placed_at = time.monotonic()
            swipe(browser)
            decide_now(browser)
            follow_the_steps(browser)
            fits_a_phone_and_the_dark(browser, base)
            is_paid_within_a_minute(browser, bet_on, placed_at)
            enter_the_admin(browser, base, var_dir)
        assert "FAILURE" not in manage(var_dir, "doctor")
        assert manage(var_dir, "create_demo_world").startswith("The month is there already: ")
        assert "passed" in manage(var_dir, "audit_ledger")
        tells_events(terminal)
        before = condition_ids(base)
        terminal.ctrl_c()
        assert terminal.ends() == 0, terminal.text
    with make_run(var_dir, port, **OPTIONS) as terminal:
        assert terminal.shows("THISTHAT is running"), terminal.text
        the_markets_are_still_there(base, before)
        terminal.ctrl_c()
        assert terminal.ends() == 0, terminal.text
    assert "Traceback" not in terminal.text, terminal.text


def look(browser: Browser, base: str) -> None:
    """The page has a market with its picture, and links to the other pages."""
    browser.go(f"{base}/")
    assert soon(lambda: browser.run("return !document.querySelector('#card').hidden"), seconds=30), browser.text
    assert soon(lambda: browser.run("return document.querySelector('#picture').naturalWidth") > 0)
    targets = browser.run("return [...document.querySelectorAll('nav a')].map(link => link.getAttribute('href'))")
    assert {"/api/docs", "/admin/", "/health", "/metrics"} <= set(targets)
    (controls,) = [target for target in targets if target.endswith("/_control")]
    with urlopen(controls) as response:
        controls = response.read().decode()
    assert all(word in controls for word in ("resolve(outcome", "dispute(", "tick", "faults")), controls
    odds = browser.run(ODDS)
    assert soon(lambda: browser.run(ODDS) != odds, seconds=30), "No price moves."


CARD = "return document.querySelector('#card').dataset.market"
ODDS = "return document.querySelector('#bet-this .odds').textContent"
ROWS = "return [...document.querySelectorAll('#bets li')].map(row => [row.dataset.bet, row.innerText])"
BALANCE = "return Number(document.querySelector('#balance').textContent.replace(/,/g, '')) || 0"


def sign_in_and_bet(browser: Browser) -> str:
    """One click signs in, one bets. Returns the bet's id."""
    browser.click("#sign-in")
    assert soon(lambda: browser.run(BALANCE) >= 1000), browser.text
    balance = browser.run(BALANCE)
    browser.click("#bet-this")
    assert soon(lambda: browser.run(BALANCE) == balance - 50), browser.text
    ((bet, text),) = browser.run(ROWS)
    assert "50.00 on " in text
    assert browser.shows("demo bet 50 on "), browser.text
    return str(bet)


def swipe(browser: Browser) -> None:
    """A swipe of the card bets, a short one doesn't."""
    time.sleep(0.6)  # until the card has come
    before = browser.run(CARD)
    browser.drag("#card", 30)
    browser.drag("#card", -160)
    assert soon(lambda: len(browser.run(ROWS)) == 2), browser.text
    assert soon(lambda: browser.run(CARD) != before)
    assert len(browser.run(ROWS)) == 2


def decide_now(browser: Browser) -> None:
    """A market of the simulator is decided at once, and what was bet on it is paid."""
    newest, text = browser.run(ROWS)[0]
    paid = re.search(r"may pay ([\d,.]+\d)", text)[1]
    browser.run(f"document.querySelector('[data-bet=\"{newest}\"] .do button:nth-child(2)').click()")
    assert soon(lambda: f"paid {paid}" in dict(browser.run(ROWS))[newest], seconds=20), browser.text
    assert browser.shows(f"1 bet paid {paid.rstrip('0').rstrip('.')}"), browser.text


def follow_the_steps(browser: Browser) -> None:
    """The commands do what they say, one after the other in one shell."""
    steps = browser.run("return [...document.querySelectorAll('.step pre')].map(step => step.textContent)")
    assert len(steps) == 5
    script = "\necho\n".join(["set -e", *steps[:-1], "sleep 2", steps[-1]])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    responses = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    live, placed, decided, mine = responses
    assert live["data"]["thisOdds"]
    assert decided["closed"] is True
    assert mine["bets"][0]["id"] == placed["bet"]["id"]


def fits_a_phone_and_the_dark(browser: Browser, base: str) -> None:
    light = browser.run(BACKGROUND)
    browser.prefer("dark")
    assert browser.run(BACKGROUND) != light
    browser.resize(390, 844, mobile=True)
    browser.go(f"{base}/")
    assert soon(lambda: len(browser.run(ROWS)) >= 3), browser.text
    assert browser.run("return [window.innerWidth, document.documentElement.scrollWidth]") == [390, 390]
    browser.prefer("light")
    assert browser.log() == []
    asked, statuses = browser.traffic()
    assert {urlsplit(url).hostname for url in asked} == {"127.0.0.1"}
    assert {url: status for url, status in statuses.items() if status >= 400} == {}


BACKGROUND = "return getComputedStyle(document.body).backgroundColor"


def is_paid_within_a_minute(browser: Browser, bet: str, placed_at: float) -> None:
    """Without anybody's doing: the market was among those that end soonest."""
    left = 60 - (time.monotonic() - placed_at)
    assert soon(lambda: "paid" in dict(browser.run(ROWS)).get(bet, "paid"), seconds=left), browser.text


def enter_the_admin(browser: Browser, base: str, var_dir: Path) -> None:
    """With what `make admin` says while all is running; it is a new password of who was there already."""
    said = manage(var_dir, "create_admin")
    assert "admin@example.com is a superuser, with a new password." in said
    password = re.search(r"Password +(\S+)", said)[1]
    browser.resize(1400, 1000)
    browser.go(f"{base}/admin/")
    browser.type("input[name=username]", "admin@example.com")
    browser.type("input[name=password]", password)
    browser.click("button[type=submit]")
    assert browser.shows("In circulation"), browser.text


def tells_events(terminal: Terminal) -> None:
    """What happened, and no line of which job ran when."""
    assert re.search(r"events .* a user placed 50\.00 on (THIS|THAT) of '.+' at 0\.\d+", terminal.text), terminal.text
    assert re.search(r"events .* market '.+' resolved (THIS|THAT): 1 bet paid [1-9]", terminal.text), terminal.text
    assert "celery." not in terminal.text
    # Mails are printed there, with their addresses.
    assert not re.search(rf"events .*{re.escape(EMAIL)}", terminal.text), terminal.text


def condition_ids(base: str) -> set[str]:
    with urlopen(f"{base}/api/v1/markets?limit=200") as response:
        return {market["polymarketId"] for market in json.load(response)["data"]}


def the_markets_are_still_there(base: str, before: set[str]) -> None:
    """What was open is open, but for what ended meanwhile, and none of it is without a price."""
    with urlopen(f"{base}/api/v1/markets?limit=200") as response:
        listed = json.load(response)["data"]
    assert len(listed) == 200
    assert len(before & {market["polymarketId"] for market in listed}) > 150
    statuses = Counter(quote(base, market["id"]) for market in listed)
    assert statuses[503] == 0, statuses
    assert statuses[200] > 150, statuses


def quote(base: str, market: str) -> int:
    body = json.dumps({"marketId": market, "side": "this", "amount": 20}).encode()
    request = Request(f"{base}/api/v1/bets/quote", body, {"Content-Type": "application/json"})
    try:
        with urlopen(request) as response:
            return int(response.status)
    except HTTPError as refused:
        return refused.code
