"""What X answers, whatever carries it: the page, the code, the token, the person."""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from devtools.simulators.x.failures import kind_at
from devtools.simulators.x.grants import Grants
from devtools.simulators.x.page import authorize_page, refusal_page
from devtools.simulators.x.people import SAMPLES, People

LOOPBACK = ("localhost", "127.0.0.1", "::1")
NEEDED = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method")
JSON, HTML = "application/json; charset=utf-8", "text/html; charset=utf-8"


class Reply(NamedTuple):
    """`trick` is what happens to it on the way: hang or drip."""

    status: int
    body: str = ""
    content_type: str = JSON
    location: str = ""
    trick: str = ""


class Endpoints:
    def __init__(self, *, client_id: str, client_secret: str) -> None:
        self.people = People()
        self.grants = Grants()
        self._client_id = client_id
        self._client_secret = client_secret

    def authorize(self, query: Mapping[str, str]) -> Reply:
        why = self._refusal(query)
        if why:
            return Reply(400, refusal_page(why), HTML)
        return Reply(200, authorize_page({name: query[name] for name in NEEDED}, SAMPLES), HTML)

    def decide(self, form: Mapping[str, str]) -> Reply:
        """What the person chose on the page."""
        why = self._refusal(form)
        if why:
            return Reply(400, refusal_page(why), HTML)
        failure = form.get("failure", "")
        told = {"state": form["state"]}
        here = kind_at("authorize", failure)
        if form.get("deny"):
            told["error"] = "access_denied"
        elif here == "bad_code":
            told["code"] = secrets.token_urlsafe(48)
        elif here:
            told["error"] = here
        else:
            told["code"] = self._code(form, failure)
        return Reply(302, location=f"{form['redirect_uri']}?{urlencode(told)}")

    def token(self, form: Mapping[str, str], authorization: str) -> Reply:
        """RFC 6749, 4.1.3, with the verifier of RFC 7636, 4.5."""
        kind = kind_at("token", self.grants.failure_of(form.get("code", "")))
        if kind:
            return failing(kind)
        if not self._is_client(form, authorization):
            return problem(401, "unauthorized_client", "Missing valid authorization header")
        if form.get("grant_type") != "authorization_code":
            return problem(400, "unsupported_grant_type", "Value passed for the grant type was invalid.")
        given = self.grants.exchange(
            form.get("code", ""), redirect_uri=form.get("redirect_uri", ""), verifier=form.get("code_verifier", "")
        )
        if given is None:
            return problem(400, "invalid_request", "Value passed for the authorization code was invalid.")
        token, grant = given
        said = {"token_type": "bearer", "expires_in": 7200, "access_token": token, "scope": grant.scope}
        refresh = {"refresh_token": secrets.token_urlsafe(48)} if "offline.access" in grant.scope.split() else {}
        return Reply(200, json.dumps(said | refresh))

    def user(self, query: Mapping[str, str], authorization: str) -> Reply:
        grant = self.grants.of(authorization.removeprefix("Bearer "))
        if grant is None or "users.read" not in grant.scope.split():
            return problem(401, "Unauthorized", "Unauthorized")
        kind = kind_at("user", grant.failure)
        if kind:
            return failing(kind)
        fields = set(query.get("user.fields", "").split(","))
        return Reply(200, json.dumps({"data": grant.person.as_x_says_it(fields)}))

    def _code(self, form: Mapping[str, str], failure: str) -> str:
        person = self.people.find(form.get("as") or form.get("typed", ""))
        return self.grants.allow(
            person,
            redirect_uri=form["redirect_uri"],
            challenge=form["code_challenge"],
            scope=form["scope"],
            failure=failure,
        )

    def _refusal(self, query: Mapping[str, str]) -> str:
        missing = [name for name in NEEDED if not query.get(name)]
        if missing:
            return f"The request lacks {', '.join(missing)}."
        if query["response_type"] != "code" or query["code_challenge_method"] != "S256":
            return "Only the code flow with PKCE S256 is spoken here."
        if query["client_id"] != self._client_id:
            return "This client is unknown."
        back = urlsplit(query["redirect_uri"])
        if back.scheme not in {"http", "https"} or back.hostname not in LOOPBACK:
            return "The stand-in sends people back to this machine only."
        return ""

    def _is_client(self, form: Mapping[str, str], authorization: str) -> bool:
        """A confidential client by Basic auth (RFC 6749, 2.3.1), a public one by its id in the body."""
        if not self._client_secret:
            return form.get("client_id") == self._client_id
        try:
            said = base64.b64decode(authorization.removeprefix("Basic "), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return said == f"{self._client_id}:{self._client_secret}"


def problem(status: int, error: str, description: str) -> Reply:
    return Reply(status, json.dumps({"error": error, "error_description": description}))


def failing(kind: str) -> Reply:
    if kind == "html":
        return Reply(200, refusal_page("Try reloading."), HTML)
    if kind == "garbage":
        return Reply(200, json.dumps([{"data": None}]))
    if kind == "huge":
        return Reply(200, json.dumps({"data": {"id": "1", "username": "a", "name": "a" * 1_000_000}}))
    if kind in {"hang", "drip"}:
        return Reply(200, json.dumps({"never": "ends"}), trick=kind)
    status = int(kind)
    return problem(status, "failure", "As asked.")._replace(location="/elsewhere" if status < 400 else "")  # noqa: PLR2004
