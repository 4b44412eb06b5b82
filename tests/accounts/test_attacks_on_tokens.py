"""Attacks on tokens: each test fails if its attack succeeds."""

import base64
import json
import time
from uuid import uuid4

import jwt
import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from rest_framework_simplejwt.tokens import RefreshToken as JwtRefreshToken
from rest_framework_simplejwt.tokens import SlidingToken, UntypedToken

from accounts.models import RefreshToken, User
from tests.accounts.factories import (
    AUTH,
    PASSWORD,
    USERS,
    bearer,
    everything,
    leaver,
    live_tokens,
    refresh,
    refusal,
    send,
    sign_up,
    stored,
    success,
)
from tests.roles import as_owner

ME = f"{AUTH}/me"
REFRESH = f"{AUTH}/refresh"
KEY = django_settings.SIMPLE_JWT["SIGNING_KEY"]


@pytest.fixture
def ann(db):
    return sign_up("ann")


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims(who, **changed):
    now = int(timezone.now().timestamp())
    made = {"token_type": "access", "exp": now + 300, "iat": now, "jti": uuid4().hex, "userId": str(who.user.pk)}
    return {name: value for name, value in (made | changed).items() if value is not None}


def with_header(header):
    return lambda who: f"{part(header)}.{part(claims(who))}.{who.tokens.access.split('.')[2]}"


def unsigned(alg):
    return lambda who: f"{part({'alg': alg, 'typ': 'JWT'})}.{part(claims(who))}."


def swapped(who):
    """Another's claims under a signature of one's own."""
    head, _, signature = who.tokens.access.split(".")
    return f"{head}.{part(claims(who))}.{signature}"


FORGED = {
    "without a signature": lambda who: who.tokens.access.rsplit(".", 1)[0] + ".",
    "two parts": lambda who: who.tokens.access.rsplit(".", 1)[0],
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg NONE with a signature": with_header({"alg": "NONE", "typ": "JWT"}),
    "no alg": with_header({"typ": "JWT"}),
    "a public key's algorithm": with_header({"alg": "RS256", "typ": "JWT"}),
    "a key that the token brings": with_header({"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}),
    "a key that the token names": with_header({"alg": "HS256", "kid": "../../dev/null"}),
    "wrongly signed": lambda who: jwt.encode(claims(who), "some other key of more than 32 bytes", "HS256"),
    "signed with nothing": lambda who: jwt.encode(claims(who), b"\x00" * 32, "HS256"),
    "signed with Django's key": lambda who: jwt.encode(claims(who), django_settings.SECRET_KEY, "HS256"),
    "signed with another hash": lambda who: jwt.encode(claims(who), KEY * 2, "HS512"),
    "changed after signing": swapped,
    "expired": lambda who: jwt.encode(claims(who, exp=int(time.time()) - 1), KEY, "HS256"),
    "without an end": lambda who: jwt.encode(claims(who, exp=None), KEY, "HS256"),
    "a refresh JWT": lambda who: str(JwtRefreshToken.for_user(who.user)),
    "a sliding JWT": lambda who: str(SlidingToken.for_user(who.user)),
    "a JWT of no type": lambda who: jwt.encode(claims(who, token_type=None), KEY, "HS256"),
    "a JWT of another type": lambda who: jwt.encode(claims(who, token_type="email"), KEY, "HS256"),
    "a refresh token": lambda who: who.tokens.refresh,
    "the user's id": lambda who: str(who.user.pk),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_access_token_opens_nothing(stranger, ann, kind):
    token = FORGED[kind](ann)
    before = everything()
    refusal(stranger.get(ME, headers=bearer(token)), 401, "invalid_token")
    changed = send(stranger, f"{USERS}/me", {"name": "Mallory"}, method="PATCH", **bearer(token))
    refusal(changed, 401, "invalid_token")
    assert everything() == before


def test_the_forgeries_fail_for_what_is_wrong_with_them(stranger, ann):
    """The same claims, rightly signed, are good."""
    success(stranger.get(ME, headers=bearer(jwt.encode(claims(ann), KEY, "HS256"))))
    assert UntypedToken(FORGED["a JWT of another type"](ann))


@pytest.mark.parametrize("place", ["query", "cookie", "body", "other scheme"])
def test_an_access_token_counts_in_its_header_alone(ann, place):
    http = Client()
    if place == "cookie":
        http.cookies["accessToken"] = ann.tokens.access
    asked = f"{ME}?accessToken={ann.tokens.access}" if place == "query" else ME
    headers = {"Authorization": f"Token {ann.tokens.access}"} if place == "other scheme" else {}
    body = json.dumps({"accessToken": ann.tokens.access}) if place == "body" else ""
    response = http.generic("GET", asked, body, content_type="application/json", headers=headers)
    refusal(response, 401, "not_authenticated")


@pytest.mark.parametrize("kind", ["access", "jwt refresh", "hash", "id", "family"])
def test_nothing_but_a_refresh_token_refreshes(stranger, ann, kind):
    row = stored(ann.tokens.refresh)
    made = {
        "access": ann.tokens.access,
        "jwt refresh": str(JwtRefreshToken.for_user(ann.user)),
        "hash": bytes(row.token_hash).hex(),
        "id": str(row.pk),
        "family": str(row.family),
    }
    before = everything()
    refusal(send(stranger, REFRESH, {"refreshToken": made[kind]}), 401, "invalid_refresh_token")
    assert everything() == before


CHANGES = {
    "truncated": lambda token: token[:-1],
    "first half": lambda token: token[:22],
    "padded": lambda token: token + "=",
    "longer": lambda token: token + "A",
    "past 72 bytes": lambda token: token + "A" * 60,
    "another last letter": lambda token: token[:-1] + ("A" if token[-1] != "A" else "E"),
    "the other alphabet": lambda token: token.replace("-", "+").replace("_", "/") + "=",
    "another case": str.swapcase,
    "with a NUL": lambda token: token + "\x00",
    "twice": lambda token: token * 2,
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_refresh_token_is_refused(stranger, ann, kind):
    """Lesson 31: a hash that sees 72 bytes, never verified, let any forged token of a known user pass."""
    before = everything()
    response = send(stranger, REFRESH, {"refreshToken": CHANGES[kind](ann.tokens.refresh)})
    assert response.status_code in (400, 401)
    assert everything() == before
    success(send(stranger, REFRESH, {"refreshToken": ann.tokens.refresh}))


def test_a_token_made_of_public_data_of_a_user_is_refused(stranger, ann):
    """Lesson 31."""
    for made in (
        f"{ann.user.pk}",
        f"{ann.user.pk}.{ann.tokens.refresh[10:]}",
        base64.urlsafe_b64encode(ann.user.pk.bytes).decode(),
    ):
        refusal(send(stranger, REFRESH, {"refreshToken": made}), 401, "invalid_refresh_token")


def test_the_database_holds_no_usable_token(ann):
    rows = str(list(RefreshToken.objects.values())) + str(list(User.objects.values()))
    assert ann.tokens.refresh not in rows
    assert ann.tokens.access not in rows
    assert PASSWORD not in rows


@pytest.mark.django_db
def test_the_tokens_of_a_deleted_user_open_nothing(stranger):
    gone = leaver()
    with as_owner():
        gone.user.delete()
    refusal(stranger.get(ME, headers=bearer(gone)), 401, "invalid_token")
    refusal(send(stranger, REFRESH, {"refreshToken": gone.tokens.refresh}), 401, "invalid_refresh_token")


def test_a_replayed_token_ends_what_the_thief_and_the_owner_hold(stranger, ann):
    stolen = ann.tokens.refresh
    owners = refresh(refresh(stolen).refresh).refresh
    refusal(send(stranger, REFRESH, {"refreshToken": stolen}), 401, "token_reused")
    refusal(send(stranger, REFRESH, {"refreshToken": owners}), 401, "invalid_refresh_token")
    assert live_tokens(ann.user) == 0


def test_a_thief_who_refreshed_first_is_found_out_when_the_owner_comes_back(stranger, ann):
    thiefs = refresh(refresh(ann.tokens.refresh).refresh).refresh
    refusal(send(stranger, REFRESH, {"refreshToken": ann.tokens.refresh}), 401, "token_reused")
    refusal(send(stranger, REFRESH, {"refreshToken": thiefs}), 401, "invalid_refresh_token")
