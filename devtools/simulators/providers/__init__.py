"""A simulator of X, Google and Discord for development and tests: each with its page that asks, its token endpoint and
what it says of a user, on loopback.

On the standard library alone. It is as strict as they are (client, redirect address, PKCE, codes for one use), and
fails in their ways when a sign-in chooses so.
"""

from devtools.simulators.providers.endpoints import ProviderUser
from devtools.simulators.providers.server import ProvidersSimulator

__all__ = ["ProviderUser", "ProvidersSimulator"]
