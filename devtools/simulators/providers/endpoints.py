"""What X, Google and Discord respond, whatever carries it: users, codes and tokens, the page, and failures."""

import base64
import binascii
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
NEEDED = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method")
JSON, HTML = "application/json; charset=utf-8", "text/html; charset=utf-8"
CODE_SECONDS = 30  # X's documentation: "you will have only 30 seconds once the user approves your application"
TOKEN_SECONDS = 3600
AVATAR = "https://abs.twimg.com/sticky/default_profile_images/default_profile_normal.png"


# Users


@dataclass(frozen=True)
class ProviderUser:
    """An account at a provider. X tells no e-mail, Google no username, Discord the last part of an avatar's address."""

    account_id: str
    username: str
    name: str
    avatar_url: str = AVATAR
    email: str = ""
    email_verified: bool = True


SAMPLES = (
    ProviderUser("1001", "ada_l", "Ada Lovelace", email="ada@engines.example"),
    ProviderUser("1002", "grace_h", "Grace Hopper", email="grace@ships.example"),
    ProviderUser("1003", "alan_t", "Alan Turing", email="alan@machines.example", email_verified=False),
)


class ProviderUsers:
    """The users of a provider: the samples, those who were added, and anybody else whose username is typed in."""

    def __init__(self) -> None:
        self._known = {user.username.lower(): user for user in SAMPLES}

    def add(self, user: ProviderUser, *, known_as: str = "") -> None:
        """Add a user, or replace the one of that username; `known_as`: what is typed for them, where it is another."""
        self._known[(known_as or user.username).lower()] = user

    def find(self, username: str) -> ProviderUser:
        """Return the user; the same username is the same user, in any case, also after a restart."""
        typed = username.strip().lstrip("@") or "somebody"
        name = handle(typed)
        made = ProviderUser(number_for(typed.lower()), name, typed, email=f"{name}@somewhere.example")
        return self._known.get(typed.lower(), made)


def number_for(username: str) -> str:
    """Return the id that goes with a username: a number of up to 19 digits, as text."""
    return str(int.from_bytes(sha256(username.encode()).digest()[:7], "big"))


def handle(typed: str) -> str:
    """Return a username as X has them: up to 15 of A-Z, a-z, 0-9 and _."""
    return re.sub(r"[^A-Za-z0-9_]", "_", typed)[:15]


# What differs from one provider to the other


def x_user(user: ProviderUser, fields: set[str]) -> dict[str, Any]:
    """Return id, name and username, and more when `user.fields` names it (X's documentation, GET /2/users/me)."""
    said = {"id": user.account_id, "name": user.name, "username": user.username}
    return {"data": said | ({"profile_image_url": user.avatar_url} if "profile_image_url" in fields else {})}


def google_user(user: ProviderUser, fields: set[str]) -> dict[str, Any]:
    """Return Google's claims about a user (its documentation, "An ID token's payload")."""
    email = {"email": user.email, "email_verified": user.email_verified} if user.email else {}
    return {"sub": user.account_id, "name": user.name, "picture": user.avatar_url, **email}


def discord_user(user: ProviderUser, fields: set[str]) -> dict[str, Any]:
    """Return Discord's user object, in the scopes `identify` and `email`."""
    avatar = user.avatar_url.rpartition("/")[2].partition(".")[0] or None
    said = {"id": user.account_id, "username": user.username, "global_name": user.name, "avatar": avatar}
    return said | {"discriminator": "0", "email": user.email or None, "verified": user.email_verified}


class Dialect(NamedTuple):
    """How a provider is spoken with. `scope` is the one without which it doesn't say who the user is."""

    title: str
    authorize: str
    token: str
    user: str
    scope: str
    describe: Callable[[ProviderUser, set[str]], dict[str, Any]]
    has_id_token: bool = False


DIALECTS = {
    "x": Dialect("X", "/i/oauth2/authorize", "/2/oauth2/token", "/2/users/me", "users.read", x_user),
    "google": Dialect("Google", "/o/oauth2/v2/auth", "/token", "/v1/userinfo", "openid", google_user, True),
    "discord": Dialect("Discord", "/oauth2/authorize", "/api/oauth2/token", "/api/users/@me", "identify", discord_user),
}


# Codes and tokens


@dataclass(frozen=True)
class Grant:
    """What one user allowed. `failure` is what this sign-in is to fail by, if anything."""

    user: ProviderUser
    redirect_uri: str
    challenge: str
    scope: str
    nonce: str
    failure: str
    until: float


class Grants:
    """Codes and tokens, given once and to the right client only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._codes: dict[str, Grant] = {}
        self._tokens: dict[str, Grant] = {}

    def allow(
        self, user: ProviderUser, *, redirect_uri: str, challenge: str, scope: str, nonce: str = "", failure: str
    ) -> str:
        """Return a code, good once and for half a minute."""
        code = secrets.token_urlsafe(48)
        until = self._clock() + CODE_SECONDS
        with self._lock:
            self._codes[code] = Grant(user, redirect_uri, challenge, scope, nonce, failure, until)
        return code

    def failure_of(self, code: str) -> str:
        with self._lock:
            grant = self._codes.get(code)
        return grant.failure if grant else ""

    def exchange(self, code: str, *, redirect_uri: str, verifier: str) -> tuple[str, Grant] | None:
        """Return the access token and its grant; None for a code that is unknown, used or old, or not this client's."""
        with self._lock:
            grant = self._codes.pop(code, None)
        if grant is None or grant.until < self._clock():
            return None
        if grant.redirect_uri != redirect_uri or challenge_of(verifier) != grant.challenge:
            return None
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._tokens[token] = grant
        return token, grant

    def of(self, token: str) -> Grant | None:
        with self._lock:
            return self._tokens.get(token)


def challenge_of(verifier: str) -> str:
    """Return BASE64URL(SHA256(verifier)), without padding (RFC 7636, 4.2)."""
    return base64url(sha256(verifier.encode()).digest())


# Simulated failures


class Failure(NamedTuple):
    """A failure that a sign-in can choose.

    `kind` is an HTTP status, or html, garbage, huge, hang (no response) or drip (a response that never ends).
    """

    label: str
    where: str
    kind: str


FAILURES = {
    "error": Failure("the provider reports an error", "authorize", "server_error"),
    "bad_code": Failure("the code is bad", "authorize", "bad_code"),
    "token_500": Failure("token: status 500", "token", "500"),
    "token_html": Failure("token: a page instead of JSON", "token", "html"),
    "token_garbage": Failure("token: JSON of another shape", "token", "garbage"),
    "token_redirect": Failure("token: a redirect", "token", "307"),
    "token_hang": Failure("token: no response", "token", "hang"),
    "token_drip": Failure("token: a response that never ends", "token", "drip"),
    "user_429": Failure("users/me: status 429", "user", "429"),
    "user_html": Failure("users/me: a page instead of JSON", "user", "html"),
    "user_garbage": Failure("users/me: JSON of another shape", "user", "garbage"),
    "user_huge": Failure("users/me: a response of a megabyte", "user", "huge"),
    "user_hang": Failure("users/me: no response", "user", "hang"),
    "user_drip": Failure("users/me: a response that never ends", "user", "drip"),
    "id_token_missing": Failure("ID token: none", "id_token", "missing"),
    "id_token_garbage": Failure("ID token: no token", "id_token", "garbage"),
    "id_token_nonce": Failure("ID token: another sign-in's", "id_token", "nonce"),
    "id_token_no_nonce": Failure("ID token: of no sign-in", "id_token", "no_nonce"),
    "id_token_audience": Failure("ID token: for another client", "id_token", "aud"),
    "id_token_party": Failure("ID token: asked for by another client", "id_token", "azp"),
    "id_token_issuer": Failure("ID token: another issuer's", "id_token", "iss"),
    "id_token_expired": Failure("ID token: expired", "id_token", "exp"),
    "id_token_endless": Failure("ID token: without an end", "id_token", "no_exp"),
}


def kind_at(where: str, failure: str) -> str:
    """Return how to fail here, or empty."""
    found = FAILURES.get(failure)
    return found.kind if found and found.where == where else ""


# Pages

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  font: 16px/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 24rem; border: 1px solid var(--line); border-radius: 1rem; padding: 1.75rem; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .25rem; }
p { margin: 0 0 1.25rem; opacity: .75; font-size: .9rem; }
form { margin: 0; display: grid; gap: .6rem; }
button, input, select { font: inherit; color: inherit; width: 100%; padding: .6rem .9rem; border-radius: .8rem;
  border: 1px solid var(--line); background: var(--soft); }
button { cursor: pointer; text-align: left; }
button:hover, button:focus-visible { border-color: currentColor; }
button small { opacity: .65; margin-left: .35rem; }
.row { display: grid; grid-template-columns: 1fr auto; gap: .6rem; }
.row button { text-align: center; }
hr { border: 0; border-top: 1px solid var(--line); width: 100%; margin: .5rem 0; }
.deny { text-align: center; background: none; }
label { font-size: .9rem; opacity: .75; }
"""


def authorize_page(dialect: Dialect, query: Mapping[str, str], users: Iterable[ProviderUser]) -> str:
    """Return the page that asks: sign in as whom, deny, or fail."""
    hidden = "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(query[name])}">' for name in query)
    samples = "".join(
        f'<button name="as" value="{escape(user.username)}">{escape(user.name)}'
        f"<small>@{escape(user.username)}</small></button>"
        for user in users
    )
    steps = ("authorize", "token", "id_token" if dialect.has_id_token else "user")
    possible = {key: failure for key, failure in FAILURES.items() if failure.where in steps}
    failures = "".join(f'<option value="{key}">{escape(failure.label)}</option>' for key, failure in possible.items())
    return page(
        "Sign in as …",
        f"""<p>This is the simulator of {dialect.title} on your own machine. Nothing leaves it.</p>
<form method="post" action="{dialect.authorize}">{hidden}
{samples}
<div class="row"><input name="typed" placeholder="any username" aria-label="Username" maxlength="50">
<button name="as" value="">Sign in</button></div>
<hr>
<label for="failure">Let this sign-in fail</label>
<select id="failure" name="failure"><option value="">no</option>{failures}</select>
<button class="deny" name="deny" value="1">Deny</button>
</form>""",
    )


def refusal_page(reason: str) -> str:
    return page("Something went wrong", f"<p>{escape(reason)}</p>")


def page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><main><h1>{escape(title)}</h1>{body}</main></html>"
    )


# Endpoints


class Response(NamedTuple):
    """A response. `trick` is what happens to it on the way: hang or drip."""

    status: int
    body: str = ""
    content_type: str = JSON
    location: str = ""
    trick: str = ""


class Endpoints:
    """A provider's endpoints, as strict as it is about client, redirect address, PKCE and codes."""

    def __init__(self, dialect: Dialect, *, client_id: str, client_secret: str) -> None:
        self.dialect = dialect
        self.users = ProviderUsers()
        self.grants = Grants()
        self._client_id = client_id
        self._client_secret = client_secret

    def authorize(self, query: Mapping[str, str]) -> Response:
        reason = self._refusal(query)
        if reason:
            return Response(400, refusal_page(reason), HTML)
        sent_back = {name: query[name] for name in (*NEEDED, "nonce") if name in query}
        return Response(200, authorize_page(self.dialect, sent_back, SAMPLES), HTML)

    def decide(self, form: Mapping[str, str]) -> Response:
        """Return the redirect after the user's choice on the page."""
        reason = self._refusal(form)
        if reason:
            return Response(400, refusal_page(reason), HTML)
        failure = form.get("failure", "")
        parameters = {"state": form["state"]}
        failure_kind = kind_at("authorize", failure)
        if form.get("deny"):
            parameters["error"] = "access_denied"
        elif failure_kind == "bad_code":
            parameters["code"] = secrets.token_urlsafe(48)
        elif failure_kind:
            parameters["error"] = failure_kind
        else:
            parameters["code"] = self._code(form, failure)
        return Response(302, location=f"{form['redirect_uri']}?{urlencode(parameters)}")

    def token(self, form: Mapping[str, str], authorization: str) -> Response:
        """Exchange a code for a token: RFC 6749, 4.1.3, with the verifier of RFC 7636, 4.5."""
        kind = kind_at("token", self.grants.failure_of(form.get("code", "")))
        if kind:
            return failure_response(kind)
        if not self._is_client(form, authorization):
            return error_response(401, "unauthorized_client", "Missing valid authorization header")
        if form.get("grant_type") != "authorization_code":
            return error_response(400, "unsupported_grant_type", "Value passed for the grant type was invalid.")
        exchanged = self.grants.exchange(
            form.get("code", ""), redirect_uri=form.get("redirect_uri", ""), verifier=form.get("code_verifier", "")
        )
        if exchanged is None:
            return error_response(400, "invalid_request", "Value passed for the authorization code was invalid.")
        token, grant = exchanged
        body = {"token_type": "bearer", "expires_in": 7200, "access_token": token, "scope": grant.scope}
        refresh = {"refresh_token": secrets.token_urlsafe(48)} if "offline.access" in grant.scope.split() else {}
        return Response(200, json.dumps(body | refresh | self._id_token(grant)))

    def user(self, query: Mapping[str, str], authorization: str) -> Response:
        grant = self.grants.of(authorization.removeprefix("Bearer "))
        if grant is None or self.dialect.scope not in grant.scope.split():
            return error_response(401, "Unauthorized", "Unauthorized")
        kind = kind_at("user", grant.failure)
        if kind:
            return failure_response(kind)
        fields = set(query.get("user.fields", "").split(","))
        return Response(200, json.dumps(self.dialect.describe(grant.user, fields)))

    def _id_token(self, grant: Grant) -> dict[str, str]:
        """Return the ID token where the provider has one and the scope is for it (OpenID Connect Core, 3.1.3.3)."""
        kind = kind_at("id_token", grant.failure)
        if not self.dialect.has_id_token or "openid" not in grant.scope.split() or kind == "missing":
            return {}
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": self._client_id,
            "azp": self._client_id,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "nonce": grant.nonce,
            **self.dialect.describe(grant.user, set()),
        }
        wrong = {"iss": "https://evil.example", "aud": "another", "azp": "another", "exp": now - 60, "nonce": "another"}
        claims |= {name: value for name, value in wrong.items() if name == kind}
        if kind.startswith("no_"):
            del claims[kind.removeprefix("no_")]
        return {"id_token": "no token" if kind == "garbage" else signed(claims, self._client_secret)}

    def _code(self, form: Mapping[str, str], failure: str) -> str:
        user = self.users.find(form.get("as") or form.get("typed", ""))
        return self.grants.allow(
            user,
            redirect_uri=form["redirect_uri"],
            challenge=form["code_challenge"],
            scope=form["scope"],
            nonce=form.get("nonce", ""),
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
            return "The simulator redirects to this machine only."
        return ""

    def _is_client(self, form: Mapping[str, str], authorization: str) -> bool:
        """Return whether it is the client: by Basic auth or in the body (RFC 6749, 2.3.1), or public, by its id.

        X doesn't take a secret in the body.
        """
        if not self._client_secret or (self.dialect.title != "X" and not authorization):
            given = (form.get("client_id"), form.get("client_secret", ""))
            return given == (self._client_id, self._client_secret)
        try:
            credentials = base64.b64decode(authorization.removeprefix("Basic "), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return credentials == f"{self._client_id}:{self._client_secret}"


def signed(claims: Mapping[str, Any], secret: str) -> str:
    """Return a JWT, signed by the client's secret, which has to do for the provider's key."""
    parts = ".".join(map(base64url, (json.dumps({"alg": "HS256", "typ": "JWT"}).encode(), json.dumps(claims).encode())))
    return f"{parts}.{base64url(hmac.digest(secret.encode(), parts.encode(), 'sha256'))}"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def error_response(status: int, error: str, description: str) -> Response:
    return Response(status, json.dumps({"error": error, "error_description": description}))


def failure_response(kind: str) -> Response:
    if kind == "html":
        return Response(200, refusal_page("Try reloading."), HTML)
    if kind == "garbage":
        return Response(200, json.dumps([{"data": None}]))
    if kind == "huge":
        return Response(200, json.dumps({"data": {"id": "1", "username": "a", "name": "a" * 1_000_000}}))
    if kind in {"hang", "drip"}:
        return Response(200, json.dumps({"never": "ends"}), trick=kind)
    status = int(kind)
    return error_response(status, "failure", "As asked.")._replace(location="/elsewhere" if status < 400 else "")  # noqa: PLR2004
