"""An X simulator for development and tests: the page that asks, the token endpoint and users/me, on loopback.

On the standard library alone. It is as strict as X (client, redirect address, PKCE, codes for one use), and fails in
X's ways when a sign-in chooses so.
"""

from devtools.simulators.x.endpoints import XUser
from devtools.simulators.x.server import XSimulator

__all__ = ["XSimulator", "XUser"]
