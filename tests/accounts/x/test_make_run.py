"""`make run` without credentials of X: the bundled X simulator, with the real service and its processes."""

import re

from devtools.simulators.start import free_port
from tests.accounts.x.browser import Browser, told
from tests.e2e.conftest import var_dir  # noqa: F401 - a fixture
from tests.e2e.terminal import make_run
from tests.migrated import copy_server


def test_a_person_signs_in_offline_through_the_simulator(var_dir):  # noqa: F811
    copy_server(var_dir)
    port = free_port()
    with make_run(var_dir, port, X_CLIENT_ID="", X_REDIRECT_URI="") as terminal:
        assert terminal.shows("THISTHAT is running"), terminal.text
        assert "Sign in with X goes to the bundled X simulator: X_CLIENT_ID is not set." in terminal.lines
        assert re.search(r"X simulator +http://127\.0\.0\.1:\d+", terminal.text)
        for name in ("127.0.0.1", "localhost"):
            browser = Browser(f"http://{name}:{port}")
            response = browser.sign_in(**{"as": "grace_h"})
            assert response.headers["Location"].startswith("http://localhost:3000/auth/callback?accessToken="), response
            assert browser.me(told(response)["accessToken"]).json()["user"]["username"] == "grace_h"
            browser.close()
        terminal.ctrl_c()
        assert terminal.ends() == 0, terminal.text
    assert told(response)["accessToken"] not in terminal.text
