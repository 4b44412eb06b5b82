"""How often one address may begin a sign-in: each one is a row for ten minutes, and a call to X."""

from core.api.requests import PerClientThrottle


class StartThrottle(PerClientThrottle):
    scope = "x_sign_in"
