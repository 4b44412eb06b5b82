"""Without a client at X, development signs in with the bundled stand-in."""

import secrets
import sys

CLIENT_ID = "stand-in"


def stand_in_command(port: int) -> list[str]:
    return [sys.executable, "-m", "devtools.simulators.x", "--port", str(port)]


def stand_in_environment(url: str) -> dict[str, str]:
    """For the stand-in and for the service: a client that both know, of this run alone, and X's addresses."""
    return {
        "X_CLIENT_ID": CLIENT_ID,
        "X_CLIENT_SECRET": secrets.token_urlsafe(32),
        "X_REDIRECT_URI": "",
        "X_AUTHORIZE_URL": f"{url}/i/oauth2/authorize",
        "X_TOKEN_URL": f"{url}/2/oauth2/token",
        "X_USER_URL": f"{url}/2/users/me",
    }
