"""The simulated provider: no money moves, and every purchase is paid at once."""

from django.conf import settings

from purchases.providers.interface import Intent, Payment


class Manual:
    name = "manual"

    def is_offered(self) -> bool:
        """In production only where the operator says so: it gives credits away."""
        allowed: bool = settings.PURCHASES_ALLOW_SIMULATED
        return allowed

    def start(self, intent: Intent) -> Payment:
        return Payment(is_paid=True)
