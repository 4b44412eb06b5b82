"""The page at `/` in development: who may call its views, and what they refuse. Its use is in tests/e2e."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.verification import verify_email
from devtools.simulators.polymarket import Simulator
from devtools.welcome import EMAIL, PASSWORD
from markets.models import Market
from tests.environment import NOWHERE
from tests.markets.factories import add_market, add_mirrored, clear_clients, ingest

pytestmark = [pytest.mark.urls("devtools.urls"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def upstream(settings):
    with Simulator(seed=7, events=20) as simulator:
        settings.POLYMARKET_GAMMA_URL = settings.POLYMARKET_CLOB_URL = simulator.url
        clear_clients()
        yield simulator
    clear_clients()


def test_the_page_has_a_ready_account_and_names_it(api, upstream):
    for _ in range(2):
        page = api.get("/").content.decode()
    user = User.objects.get()
    assert user.check_password(PASSWORD)
    assert EMAIL in page
    assert f"{upstream.url}/_control" in page
    assert "Decide this market now" in page


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.urls("thisthat.urls")
def test_for_other_methods_there_is_nothing_as_in_production(api, method):
    response = api.generic(method, "/")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_with_polymarket_itself_nothing_can_be_decided(api, settings):
    settings.POLYMARKET_GAMMA_URL = "https://gamma-api.polymarket.com"
    assert "Decide this market now" not in api.get("/").content.decode()
    response = api.post(f"/dev/markets/{add_mirrored().pk}/resolve", {"outcome": "this"})
    assert (response.status_code, response.json()["code"]) == (404, "no_simulator")


def test_one_click_signs_the_account_in_whatever_its_password_became(api):
    api.get("/")
    user = User.objects.get()
    user.set_password("another sentence")
    user.save()
    signed_in = api.post("/dev/sign-in").json()
    assert signed_in["username"] == user.username
    assert signed_in["accessToken"]


def test_a_name_that_somebody_has_stays_theirs(api):
    theirs = User.objects.create_user(email="somebody@example.com", username="demo")
    assert api.post("/dev/sign-in").json()["username"].startswith("demo_")
    assert User.objects.get(username="demo") == theirs


@pytest.mark.parametrize("path", ["/dev/sign-in", "/dev/markets/00000000-0000-0000-0000-000000000000/resolve"])
def test_another_site_can_do_nothing(path):
    assert Client(enforce_csrf_checks=True).post(path).status_code == 403
    assert not User.objects.exists()


@pytest.mark.parametrize(("outcome", "resolution"), [("this", "this"), ("that", "that"), ("tie", "invalid")])
def test_a_market_of_the_simulator_is_decided_at_once(api, upstream, outcome, resolution):
    ingest(upstream)
    market = Market.objects.filter(status="open").earliest("expires_at")
    response = api.post(f"/dev/markets/{market.pk}/resolve", {"outcome": outcome})
    assert (response.json()["status"], response.json()["resolution"]) == ("resolved", resolution)
    market.refresh_from_db()
    assert market.resolution == resolution


def test_what_is_no_market_of_the_simulator_is_refused(api, upstream):
    ingest(upstream)
    known = Market.objects.filter(status="open").first()
    for market, outcome in ((known.pk, "maybe"), (add_market().pk, "this"), (add_mirrored().pk, "this"), ("x", "this")):
        response = api.post(f"/dev/markets/{market}/resolve", {"outcome": outcome})
        assert (response.status_code, response.json()["code"]) == (404, "no_simulator")
    known.refresh_from_db()
    assert known.status == "open"


def test_a_simulator_that_is_away_is_said_to_be(api, settings):
    settings.POLYMARKET_GAMMA_URL = NOWHERE
    response = api.post(f"/dev/markets/{add_mirrored().pk}/resolve", {"outcome": "this"})
    assert (response.status_code, response.json()["code"]) == (503, "upstream_unavailable")


def test_what_happened_comes_newest_first(api):
    for name in ("ann", "bob"):
        User.objects.create_user(email=f"{name}@example.com", username=name)
    told = api.get("/dev/events").json()["events"]
    assert [(event["kind"], event["text"]) for event in told] == [("user", "bob joined"), ("user", "ann joined")]


def test_mails_are_shown_with_links_that_work(api, upstream):
    api.get("/")
    (shown,) = api.get("/dev/mails").json()["mails"]
    assert (shown["to"], shown["state"]) == (EMAIL, "queued")
    token = parse_qs(urlsplit(shown["link"]).query)["token"][0]
    assert verify_email(token=token, now=timezone.now()).email == EMAIL
    assert api.get("/dev/mails").json()["mails"][0]["link"] == ""
