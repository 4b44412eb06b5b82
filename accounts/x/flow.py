"""The two halves of a sign-in: on to X, and back from it. Each raises SignInFailed.

X is asked between two transactions, never inside one: while it thinks, no connection holds anything.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from django.db import Error as DatabaseFailure
from django.http import HttpRequest

from accounts.clients import Client
from accounts.tokens import AccountSuspended
from accounts.x import protocol, state
from accounts.x.failures import Failure, SignInFailed
from accounts.x.sign_in import SignedIn, sign_in
from core.api.errors import is_passing

logger = logging.getLogger(__name__)
DENIED = "access_denied"  # RFC 6749, 4.1.2.1


def begin(request: HttpRequest, *, referral_code: str, browser: str, now: datetime) -> str:
    """The address of X's page for one new sign-in of this browser."""
    require_configuration()
    challenge = protocol.new_pkce()
    verifier = challenge.pop("code_verifier")
    with database_failures_told():
        sent = state.remember(verifier=verifier, referral_code=referral_code, browser=browser, now=now)
    return protocol.authorize_url(request, state=sent, challenge=challenge)


def finish(request: HttpRequest, *, browser: str, client: Client, now: datetime) -> SignedIn:
    """From what X sent back in the query to a signed-in user."""
    require_configuration()
    came_back = request.GET
    refuse_what_is_no_success(came_back)
    with database_failures_told():
        remembered = state.take(state=came_back["state"], browser=browser, now=now)
    if remembered is None:
        raise SignInFailed(Failure.STATE_EXPIRED)
    profile = protocol.fetch_profile(request, code=came_back["code"], verifier=remembered.verifier)
    with database_failures_told():
        try:
            return sign_in(profile=profile, referral_code=remembered.referral_code, client=client, now=now)
        except AccountSuspended:
            raise SignInFailed(Failure.ACCOUNT_SUSPENDED) from None


def refuse_what_is_no_success(came_back: Mapping[str, str]) -> None:
    """A refusal by the person or by X needs no state: it gives nobody anything. Nor is its state used up."""
    if came_back.get("error") == DENIED:
        raise SignInFailed(Failure.OAUTH_CANCELLED)
    if came_back.get("error"):
        raise SignInFailed(Failure.OAUTH_FAILED, "X says that it failed")
    for name in ("code", "state"):
        if not came_back.get(name):
            raise SignInFailed(Failure.OAUTH_FAILED, f"no {name} came back", reason=f"missing_{name}")


def require_configuration() -> None:
    if not protocol.is_configured():
        raise SignInFailed(Failure.OAUTH_NOT_CONFIGURED, "X_CLIENT_ID and, in production, X_REDIRECT_URI must be set")


@contextmanager
def database_failures_told() -> Iterator[None]:
    try:
        yield
    except DatabaseFailure as error:
        logger.error("sign-in with X: the database failed", exc_info=not is_passing(error))  # noqa: TRY400 - no stack for an outage
        raise SignInFailed(Failure.DATABASE_ERROR, type(error).__name__) from error
