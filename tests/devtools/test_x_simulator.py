"""The simulator is as strict as X, so that what works with it works with X."""

import base64
import os
import signal
import subprocess
import sys
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from devtools.simulators.x import XSimulator
from devtools.simulators.x.endpoints import CODE_SECONDS, SAMPLES, Grants, XUsers
from tests.accounts.x.browser import Browser

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


@pytest.fixture(scope="module")
def simulator():
    with XSimulator(client_id="id", client_secret="secret") as running:
        yield running


def page(simulator, **other: str) -> requests.Response:
    return requests.get(f"{simulator.authorize_url}?{urlencode(GOOD | other)}", timeout=5)


def code(simulator, **choice: str) -> str:
    browser = Browser("")
    back = browser.choose(f"{simulator.authorize_url}?{urlencode(GOOD)}", **choice)
    browser.close()
    return dict(parse_qsl(urlsplit(back).query))["code"]


def token(simulator, auth=("id", "secret"), **form: str) -> requests.Response:
    sent = {"grant_type": "authorization_code", "redirect_uri": GOOD["redirect_uri"], "code_verifier": VERIFIER} | form
    return requests.post(simulator.token_url, data=sent, auth=auth, timeout=5)


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
def test_a_request_that_x_would_refuse_is_refused(simulator, other):
    response = page(simulator, **other)
    assert response.status_code == 400
    assert "<form" not in response.text


def test_its_page_needs_nothing_from_elsewhere_and_shows_no_markup_of_others(simulator):
    text = page(simulator, state='"><script>alert(1)</script>').text
    assert "<script" not in text
    assert "src=" not in text
    assert "http" not in text.replace(GOOD["redirect_uri"], "")
    assert all(person.name in text for person in SAMPLES)


def test_a_code_is_good_once(simulator):
    given = code(simulator)
    assert token(simulator, code=given).status_code == 200
    assert token(simulator, code=given).json()["error"] == "invalid_request"


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
def test_a_code_is_good_only_with_its_verifier_and_its_address(simulator, wrong):
    response = token(simulator, **{"code": code(simulator), **wrong})
    assert response.status_code == 400
    assert "access_token" not in response.json()


@pytest.mark.parametrize("auth", [None, ("id", "wrong"), ("another", "secret"), ("id", "")], ids=str)
def test_a_client_that_does_not_prove_itself_gets_nothing(simulator, auth):
    assert token(simulator, auth=auth, code=code(simulator)).status_code == 401


def test_a_person_is_told_of_to_the_holder_of_a_token_only(simulator):
    given = token(simulator, code=code(simulator, typed="@Someone_New", **{"as": ""})).json()
    assert given["refresh_token"]
    for headers in ({}, {"Authorization": "Bearer x"}):
        assert requests.get(simulator.user_url, headers=headers, timeout=5).status_code == 401
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    said = requests.get(simulator.user_url, headers=headers, timeout=5).json()["data"]
    assert said.keys() == {"id", "name", "username"}
    assert said["username"] == "Someone_New"


def test_a_typed_username_is_the_same_person_each_time():
    assert XUsers().find("Someone").x_id == XUsers().find("@someone ").x_id != XUsers().find("other").x_id


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
    command = [sys.executable, "-m", "devtools.simulators.x", "--port", "0"]
    environment = os.environ | {"X_CLIENT_ID": "id", "X_CLIENT_SECRET": "secret"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[-1]
        response = requests.get(f"{url}/i/oauth2/authorize?{urlencode(GOOD)}", timeout=5)
        assert response.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
