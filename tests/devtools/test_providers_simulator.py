"""The simulator is as strict as the providers, so that what works with it works with them."""

import base64
import os
import signal
import subprocess
import sys
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from devtools.simulators.providers import ProvidersSimulator
from devtools.simulators.providers.endpoints import CODE_SECONDS, DIALECTS, SAMPLES, Grants, ProviderUsers
from tests.accounts.providers.browser import Browser

VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
GOOD = {
    "response_type": "code",
    "client_id": "id",
    "redirect_uri": "http://localhost:8000/back",
    "scope": "tweet.read users.read offline.access",
    "state": "s",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


SCOPES = {"x": GOOD["scope"], "google": "openid email profile", "discord": "identify email"}


class Provider:
    """One of the simulated providers, and its addresses."""

    def __init__(self, url: str, name: str) -> None:
        self.name, self.scope, dialect = name, SCOPES[name], DIALECTS[name]
        self.authorize_url, self.token_url = url + dialect.authorize, url + dialect.token
        self.user_url = url + dialect.user


@pytest.fixture(scope="module")
def running():
    with ProvidersSimulator(dict.fromkeys(DIALECTS, ("id", "secret"))) as simulator:
        yield simulator


@pytest.fixture(params=DIALECTS)
def provider(request, running):
    return Provider(running.url, request.param)


@pytest.fixture
def x(running):
    return Provider(running.url, "x")


def page(provider, **other: str) -> requests.Response:
    return requests.get(f"{provider.authorize_url}?{urlencode(GOOD | other)}", timeout=5)


def code(provider, **choice: str) -> str:
    browser = Browser(provider.name)
    query = GOOD | {"scope": provider.scope, "nonce": "n"}
    back = browser.choose(f"{provider.authorize_url}?{urlencode(query)}", **choice)
    browser.close()
    return dict(parse_qsl(urlsplit(back).query))["code"]


def token(provider, auth=("id", "secret"), **form: str) -> requests.Response:
    sent = {"grant_type": "authorization_code", "redirect_uri": GOOD["redirect_uri"], "code_verifier": VERIFIER} | form
    return requests.post(provider.token_url, data=sent, auth=auth, timeout=5)


@pytest.mark.parametrize(
    "other",
    [
        {"response_type": "token"},
        {"client_id": "another"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "javascript:alert(1)"},
        {"state": ""},
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
    ],
    ids=str,
)
def test_a_request_that_would_be_refused_is_refused(provider, other):
    response = page(provider, **other)
    assert response.status_code == 400
    assert "<form" not in response.text


def test_its_page_needs_nothing_from_elsewhere_and_shows_no_markup_of_others(provider):
    text = page(provider, state='"><script>alert(1)</script>').text
    assert "<script" not in text
    assert "src=" not in text
    assert "http" not in text.replace(GOOD["redirect_uri"], "")
    assert all(person.name in text for person in SAMPLES)


def test_a_code_is_good_once(provider):
    given = code(provider)
    assert token(provider, code=given).status_code == 200
    assert token(provider, code=given).json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_verifier": "w" * 64},
        {"code_verifier": CHALLENGE},
        {"code_verifier": ""},
        {"redirect_uri": "http://localhost:8000/elsewhere"},
        {"code": "invented"},
        {"grant_type": "password"},
    ],
    ids=str,
)
def test_a_code_is_good_only_with_its_verifier_and_its_address(provider, wrong):
    response = token(provider, **{"code": code(provider), **wrong})
    assert response.status_code == 400
    assert "access_token" not in response.json()


@pytest.mark.parametrize("auth", [None, ("id", "wrong"), ("another", "secret"), ("id", "")], ids=str)
def test_a_client_that_does_not_prove_itself_gets_nothing(provider, auth):
    assert token(provider, auth=auth, code=code(provider)).status_code == 401


def test_a_secret_in_the_body_is_taken_by_google_and_discord_and_not_by_x(provider):
    client = {"client_id": "id", "client_secret": "secret"}
    response = token(provider, auth=None, code=code(provider), **client)
    assert response.status_code == (401 if provider.name == "x" else 200)
    wrong = client | {"client_secret": "wrong"}
    assert token(provider, auth=None, code=code(provider), **wrong).status_code == 401


def test_google_alone_gives_an_id_token_with_the_nonce(provider):
    given = token(provider, code=code(provider)).json()
    assert ("id_token" in given) == (provider.name == "google")
    if provider.name == "google":
        claims = given["id_token"].split(".")[1]
        assert b'"nonce": "n"' in base64.urlsafe_b64decode(claims + "==")


def test_a_person_is_told_of_to_the_holder_of_a_token_only(x):
    given = token(x, code=code(x, typed="@Someone_New", **{"as": ""})).json()
    assert given["refresh_token"]
    for headers in ({}, {"Authorization": "Bearer x"}):
        assert requests.get(x.user_url, headers=headers, timeout=5).status_code == 401
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    said = requests.get(x.user_url, headers=headers, timeout=5).json()["data"]
    assert said.keys() == {"id", "name", "username"}
    assert said["username"] == "Someone_New"


def test_a_typed_username_is_the_same_person_each_time():
    find = ProviderUsers().find
    assert find("Someone").account_id == find("@someone ").account_id != find("other").account_id


def test_a_code_grows_old_in_half_a_minute():
    clock = [0.0]
    grants = Grants(lambda: clock[0])
    old, new = (
        grants.allow(SAMPLES[0], redirect_uri="r", challenge=CHALLENGE, scope="users.read", failure="")
        for _ in range(2)
    )
    clock[0] = CODE_SECONDS
    assert grants.exchange(new, redirect_uri="r", verifier=VERIFIER)
    clock[0] += 1
    assert grants.exchange(old, redirect_uri="r", verifier=VERIFIER) is None


def test_it_runs_as_a_process_until_it_is_asked_to_stop():
    command = [sys.executable, "-m", "devtools.simulators.providers", "--port", "0"]
    environment = os.environ | {"X_CLIENT_ID": "id", "X_CLIENT_SECRET": "secret"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[-1]
        response = requests.get(f"{url}/i/oauth2/authorize?{urlencode(GOOD)}", timeout=5)
        assert response.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
