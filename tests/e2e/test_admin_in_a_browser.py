"""Staff at work in the admin, in Chromium, against the running service: its processes, its database, its queue.

The pictures go to a folder of the test's own; `make screenshots` has them in docs/screenshots.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from devtools.embedded import postgres
from devtools.simulators.start import free_port
from tests.devtools.conftest import REPOSITORY, soon
from tests.e2e.browser import HEIGHT, WIDTH, Browser, chromium, shape_of
from tests.e2e.terminal import make_run, manage
from tests.migrated import copy_server

EMAIL, PASSWORD = "grace@staff.example", "a long sentence for staff"
QUESTION = "Will it rain in Lisbon on New Year's Eve?"
REASON = "The weather service says it rained."
MOST_BYTES = 300_000


@pytest.fixture
def pictures(var_dir) -> Path:
    folder = REPOSITORY / os.environ["SCREENSHOTS"] if "SCREENSHOTS" in os.environ else var_dir / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def service(var_dir: Path) -> Iterator[tuple[str, psycopg.Connection]]:
    """Its address, and its database to look into; with a month of users and bets, and one of the staff."""
    copy_server(var_dir)
    port = free_port()
    with make_run(var_dir, port) as terminal:
        assert terminal.shows("THISTHAT is running"), terminal.text
        secret = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        manage(var_dir, "createsuperuser", "--noinput", "--email", EMAIL, "--username", "grace", **secret)
        assert "Made " in manage(var_dir, "create_demo_world")
        with looking_into(var_dir) as database:
            yield f"http://127.0.0.1:{port}/admin/", database
        terminal.ctrl_c()
        assert terminal.ends() == 0, terminal.text
    assert "Traceback" not in terminal.text, terminal.text


@contextmanager
def looking_into(var_dir: Path) -> Iterator[psycopg.Connection]:
    server = postgres.start(var_dir)
    try:
        with psycopg.connect(server.url, autocommit=True) as database:
            yield database
    finally:
        server.stop()


def test_staff_resolve_a_market_and_every_page_is_whole(var_dir, pictures):
    with service(var_dir) as (admin, database), chromium(var_dir) as browser:
        log_in(browser, admin)
        keep(browser, pictures / "dashboard.png")
        resolve(browser, admin, database, pictures)
        show_a_user(browser, admin, pictures)
        search(browser, admin)
        suspend_two(browser, admin, database)
        visited = walk(browser, admin)
        assert len(visited) > 10, visited
        check_in_the_dark(browser, admin, var_dir)


def log_in(browser: Browser, admin: str) -> None:
    browser.go(admin)
    browser.type("input[name=username]", EMAIL)
    browser.type("input[name=password]", PASSWORD)
    browser.click("button[type=submit]")
    assert browser.shows("In circulation"), browser.text
    assert browser.url == admin
    check_page(browser, admin)


def resolve(browser: Browser, admin: str, database: psycopg.Connection, pictures: Path) -> None:
    """Sees whom it pays, says why, and confirms; the worker pays that."""
    browser.go(f"{admin}markets/market/")
    browser.type("input[name=q]", "rain Lisbon\n")
    assert browser.shows("1 market")
    browser.follow(QUESTION)
    assert browser.shows("Odds as of")
    browser.follow("Resolve as THIS: Rain")
    assert browser.shows("Whom it pays")
    page = browser.text
    promised = re.search(r"It pays\s+([\d,]+\.\d\d)", page)[1].replace(",", "")
    assert len(re.findall(r"demo_\w+", page)) > 3
    check_page(browser, admin)

    browser.click("button[name=confirm]")
    assert not database.execute(RECORDS).fetchall(), "It was done without a reason."
    # Chromium's bubble about it goes with the page.
    browser.go(browser.url)
    browser.type("textarea[name=reason]", REASON)
    browser.run("window.scrollTo(0, document.body.scrollHeight)")
    keep(browser, pictures / "resolve.png")
    browser.click("button[name=confirm]")
    assert browser.shows("Resolved as THIS: Rain."), browser.text
    check_page(browser, admin)

    assert soon(lambda: database.execute(PENDING, [QUESTION]).fetchone() == (0,), seconds=90)
    assert database.execute(PAID, [QUESTION]).fetchone() == (Decimal(promised),)
    assert database.execute(RECORDS).fetchall() == [("resolve_market", REASON, "127.0.0.1", EMAIL)]


PENDING = """
SELECT count(*) FROM bets JOIN markets ON markets.id = market_id WHERE title = %s AND bets.status = 'pending'
"""
PAID = """
SELECT sum(credit_transactions.amount) FROM credit_transactions JOIN bets ON bets.id = reference_id
JOIN markets ON markets.id = market_id WHERE title = %s AND transaction_type = 'bet_payout'
"""
RECORDS = """
SELECT action, staff_actions.reason, host(ip), email FROM staff_actions JOIN users ON users.id = staff_id
"""


def show_a_user(browser: Browser, admin: str, pictures: Path) -> None:
    browser.go(f"{admin}accounts/user/?q=demo_ada_byron")
    browser.follow("demo_ada_byron")
    assert browser.shows("What the balance is made of")
    keep(browser, pictures / "user.png")
    check_page(browser, admin)


def search(browser: Browser, admin: str) -> None:
    """By the page, and from anywhere by the palette that Ctrl-K opens."""
    browser.go(f"{admin}find/?q=rain")
    assert browser.shows(QUESTION), browser.text
    check_page(browser, admin)
    browser.go(f"{admin}economy/stock/")
    browser.run("window.dispatchEvent(new KeyboardEvent('keydown', {key: 'k', ctrlKey: true, bubbles: true}))")
    browser.type("#search-input-command", "demo_ada")
    assert browser.shows("demo_ada_byron"), browser.text
    assert browser.log() == []


def suspend_two(browser: Browser, admin: str, database: psycopg.Connection) -> None:
    """Marks two users in the list, and confirms for both at once."""
    browser.go(f"{admin}accounts/user/?q=demo_")
    browser.run("[...document.querySelectorAll('input.action-select')].slice(0, 2).forEach(box => box.click())")
    browser.run("document.querySelector('select[name=action]').value = 'suspend'")
    browser.run("document.querySelector('#changelist-form').submit()")
    assert browser.shows("Suspend the users: 2 of 2"), browser.text
    check_page(browser, admin)
    browser.type("textarea[name=reason]", REASON)
    browser.click("button[name=confirm]")
    assert browser.shows("done for 2 of 2"), browser.text
    assert database.execute("SELECT count(*) FROM users WHERE NOT is_active").fetchone() == (2,)


def walk(browser: Browser, admin: str) -> list[str]:
    """Every page that the sidebar leads to, and of each table the first row's own."""
    browser.go(admin)
    visited = links(browser, "#nav-sidebar a")
    for page in visited:
        browser.go(page)
        check_page(browser, admin)
        for row in links(browser, "#result_list tbody tr:first-child th a, #result_list tbody tr:first-child td a")[:1]:
            browser.go(row)
            check_page(browser, admin)
    return visited


def links(browser: Browser, css: str) -> list[str]:
    script = f"return [...new Set([...document.querySelectorAll({css!r})].map(link => link.href))]"
    return [link for link in browser.run(script) if "/admin/" in link and "logout" not in link]


def check_in_the_dark(browser: Browser, admin: str, folder: Path) -> None:
    """Whoever prefers it has it."""
    browser.go(admin)
    light = browser.run(BACKGROUND)
    browser.prefer("dark")
    browser.go(admin)
    assert browser.run(BACKGROUND) != light
    keep(browser, folder / "dark.png")
    check_page(browser, admin)


BACKGROUND = "return getComputedStyle(document.querySelector('.board-card')).backgroundColor"


def check_page(browser: Browser, admin: str) -> None:
    """Nothing failed, nothing was asked of anybody else, nothing is wider than the window, and no value is raw."""
    where = browser.url
    assert browser.log() == [], where
    asked, statuses = browser.traffic()
    assert where.partition("#")[0] in statuses
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(admin).netloc}, where
    assert {url: status for url, status in statuses.items() if status >= 400} == {}, where
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth"), where
    assert not re.search(r"Decimal\(|UUID\(|datetime|\bNone\b(?! yet|\.| on)|<\w+ object", browser.text), where


def keep(browser: Browser, file: Path) -> None:
    """A picture of the window; of something, and no larger than a repository likes."""
    assert browser.run("return document.fonts.ready.then(() => document.fonts.status)") == "loaded"
    image = browser.picture(file)
    width, height, rows = shape_of(image)
    assert (width, height) == (WIDTH, HEIGHT)
    assert rows > HEIGHT / 10, "It is blank."
    assert len(image) < MOST_BYTES
