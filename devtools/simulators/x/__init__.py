"""A stand-in for X, for development and tests: the page that asks, the token endpoint and users/me, on loopback.

On the standard library alone. It is strict where X is (client, redirect address, PKCE, codes for one use), and fails
in X's ways when a sign-in asks for it.
"""

from devtools.simulators.x.people import Person
from devtools.simulators.x.server import StandInX

__all__ = ["Person", "StandInX"]
