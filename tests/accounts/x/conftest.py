"""The service over HTTP on one side, an X simulator on the other, and browsers between them."""

from collections.abc import Callable, Iterator

import pytest

from devtools.simulators.x import XSimulator
from tests.accounts.x.browser import Browser

CLIENT_ID, CLIENT_SECRET = "the-client-id", "the-client-secret"
FRONTEND = "https://front.example"


@pytest.fixture
def x(settings, live_server) -> Iterator[XSimulator]:
    """X, as the settings know it; it knows us too."""
    with XSimulator(client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as simulator:
        settings.X_AUTHORIZE_URL = simulator.authorize_url
        settings.X_TOKEN_URL = simulator.token_url
        settings.X_USER_URL = simulator.user_url
        settings.X_REDIRECT_URI = f"{live_server.url}/api/v1/auth/x/callback"
        settings.X_TIMEOUT_SECONDS = 5
        settings.FRONTEND_URL = FRONTEND
        settings.SOCIALACCOUNT_PROVIDERS = with_app(settings, client_id=CLIENT_ID, secret=CLIENT_SECRET)
        yield simulator


def with_app(settings, **app: str) -> dict:
    providers = settings.SOCIALACCOUNT_PROVIDERS
    return providers | {"twitter_oauth2": providers["twitter_oauth2"] | {"APPS": [app]}}


@pytest.fixture
def new_browser(x, live_server) -> Iterator[Callable[[], Browser]]:
    opened: list[Browser] = []

    def new() -> Browser:
        opened.append(Browser(live_server.url))
        return opened[-1]

    yield new
    for browser in opened:
        browser.close()


@pytest.fixture
def browser(new_browser) -> Browser:
    return new_browser()
