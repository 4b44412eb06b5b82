"""The service on one side, the simulator of X, Google and Discord on the other, and browsers between them.

Each test is run with every provider, unless it says with which. Requests to the service are handled in this process, but
for tests of what happens at once: those take `live_browsers`, whose service listens.
"""

from collections.abc import Callable, Iterator

import pytest

from accounts.errors import SIGN_IN_DETAILS, Reason, SignInError
from accounts.providers.protocol import PROVIDERS
from devtools.simulators.providers import ProvidersSimulator
from devtools.simulators.providers.endpoints import Endpoints
from devtools.simulators.start import CLIENT_ID, providers_environment
from tests.accounts.providers.browser import Browser, target, told

FRONTEND = "https://front.example"
SUCCESS, FAILURE = f"{FRONTEND}/auth/callback", f"{FRONTEND}/"
SECRET = "the-client-secret"


@pytest.fixture(params=PROVIDERS)
def provider(request) -> str:
    return request.param


@pytest.fixture
def simulator(settings) -> Iterator[ProvidersSimulator]:
    """The providers, as the settings know them; they know us too."""
    with ProvidersSimulator(dict.fromkeys(PROVIDERS, (CLIENT_ID, SECRET))) as running:
        for setting, value in providers_environment(running.url, PROVIDERS).items():
            setattr(settings, setting, SECRET if setting.endswith("_SECRET") else value)
        configure_callbacks(settings, "http://localhost")
        settings.OAUTH_TIMEOUT_SECONDS = 5
        settings.FRONTEND_URL = FRONTEND
        yield running


def configure_callbacks(settings, service: str) -> None:
    for name in PROVIDERS:
        setattr(settings, f"{name.upper()}_REDIRECT_URI", f"{service}/api/v1/auth/{name}/callback")


@pytest.fixture
def there(simulator, provider) -> Endpoints:
    """The simulated provider itself."""
    return simulator.endpoints[provider]


@pytest.fixture
def new_browser(simulator, provider, db) -> Iterator[Callable[..., Browser]]:
    """Make a browser, to sign in with the test's provider or with the one that is named."""
    opened: list[Browser] = []

    def new(name: str = provider) -> Browser:
        opened.append(Browser(name))
        return opened[-1]

    yield new
    for browser in opened:
        browser.close()


@pytest.fixture
def browser(new_browser) -> Browser:
    return new_browser()


@pytest.fixture
def live_browsers(simulator, provider, live_server, settings) -> Iterator[list[Browser]]:
    """Four browsers of a service that handles requests at once."""
    configure_callbacks(settings, live_server.url)
    browsers = [Browser(provider, live_server.url) for _ in range(4)]
    yield browsers
    for browser in browsers:
        browser.close()


def assert_fails(response, provider: str, error: str, *, reason: str = "") -> None:
    """The frontend is told why, in our words, and nothing else."""
    assert target(response) == FAILURE
    words = SIGN_IN_DETAILS.get(Reason(reason)) if reason else None
    details = (words or SIGN_IN_DETAILS[SignInError(error)]).format(provider=PROVIDERS[provider].title)
    assert told(response) == {"error": error, "details": details, **({"reason": reason} if reason else {})}
