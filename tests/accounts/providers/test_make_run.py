"""`make run` without credentials of providers: the bundled simulator, with the real service and its processes."""

import re

from accounts.providers.protocol import PROVIDERS
from devtools.simulators.start import free_port
from tests.accounts.providers.browser import Browser, told
from tests.e2e.conftest import var_dir  # noqa: F401 - a fixture
from tests.e2e.terminal import make_run
from tests.migrated import copy_server


def test_a_person_signs_in_offline_through_the_simulator(var_dir):  # noqa: F811
    copy_server(var_dir)
    port = free_port()
    with make_run(var_dir, port, **{f"{name.upper()}_CLIENT_ID": "" for name in PROVIDERS}) as terminal:
        assert terminal.shows("THISTHAT is running"), terminal.text
        for provider in PROVIDERS.values():
            title, setting = provider.title, f"{provider.name.upper()}_CLIENT_ID"
            said = f"Sign in with {title} goes to the bundled {title} simulator: {setting} is not set."
            assert said in terminal.lines
        assert re.search(r"Providers +http://127\.0\.0\.1:\d+", terminal.text)
        for name, provider, person in (
            ("127.0.0.1", "x", "grace_h"),
            ("localhost", "google", "grace_h"),
            ("localhost", "discord", "alan_t"),
        ):
            browser = Browser(provider, f"http://{name}:{port}")
            response = browser.sign_in(**{"as": person})
            assert response.headers["Location"].startswith("http://localhost:3000/auth/callback?accessToken="), response
            assert browser.me(told(response)["accessToken"]).json()["user"]["name"] in ("Grace Hopper", "Alan Turing")
            browser.close()
        terminal.ctrl_c()
        assert terminal.ends() == 0, terminal.text
    assert told(response)["accessToken"] not in terminal.text
