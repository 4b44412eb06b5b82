"""Settings that production should not have. Development needs none of this, so there it is only said that it is one."""

from collections.abc import Iterator

from django.conf import settings

from ops.doctor.findings import Finding, failure, ok, warning

SHORT = 50
FEW_DIFFERENT = 10
PLACEHOLDERS = ("development-only", "django-insecure", "change", "secret", "example")


def check_configuration() -> Iterator[Finding]:
    if settings.DEBUG:
        yield warning("settings", "DEBUG is on: made-up secrets, embedded services", "In production, set DEBUG=false.")
        return
    found = [*secret_findings(), *address_findings(), *proxy_findings(), *feature_findings()]
    yield from found
    if not found:
        yield ok("settings", "nothing is weak or missing")


def secret_findings() -> Iterator[Finding]:
    named = {"SECRET_KEY": settings.SECRET_KEY, "JWT_ACCESS_SECRET": str(settings.SIMPLE_JWT["SIGNING_KEY"])}
    for name, secret in named.items():
        if len(secret) < SHORT or len(set(secret)) < FEW_DIFFERENT or secret.lower().startswith(PLACEHOLDERS):
            yield failure(
                "settings", f"{name} is weak", f"Set {name} to {SHORT} random letters or more, and keep it secret."
            )
    if len({*named.values(), *settings.STOCK_SIGNING_KEYS.values()}) < len(named) + len(settings.STOCK_SIGNING_KEYS):
        yield failure(
            "settings",
            "two of SECRET_KEY, JWT_ACCESS_SECRET and STOCK_SIGNING_KEYS are the same",
            "Give each a random text of its own.",
        )


def address_findings() -> Iterator[Finding]:
    if "*" in settings.ALLOWED_HOSTS:
        yield warning("settings", "ALLOWED_HOSTS lets any host name in", "Name the hosts that the service answers to.")
    if not settings.FRONTEND_URL.startswith("https://"):
        yield warning("settings", "FRONTEND_URL is not https", "Tokens go there in an address: serve it over HTTPS.")
    if not settings.REDIS_URL:
        yield warning(
            "settings",
            "REDIS_URL is not set: limits and caches are each process's own, the queue is a folder of this machine",
            "With more than one machine, set REDIS_URL.",
        )


def proxy_findings() -> Iterator[Finding]:
    behind_proxy = settings.SECURE_PROXY_SSL_HEADER is not None
    hops = settings.REST_FRAMEWORK["NUM_PROXIES"]
    if behind_proxy and not hops:
        yield warning(
            "settings",
            "TRUST_PROXY is on and NUM_PROXIES is 0: all clients count as one address, the proxy's",
            "Set NUM_PROXIES to how many proxies add to X-Forwarded-For.",
        )
    if not behind_proxy and not settings.SECURE_SSL_REDIRECT:
        yield warning(
            "settings",
            "SECURE_SSL_REDIRECT and TRUST_PROXY are off: passwords and tokens may travel in the clear",
            "End TLS in a proxy, and set TRUST_PROXY=true.",
        )


def feature_findings() -> Iterator[Finding]:
    if not settings.THROTTLE_ENABLED:
        yield warning(
            "settings", "THROTTLE_ENABLED is off: passwords can be guessed fast", "Set THROTTLE_ENABLED=true."
        )
    if settings.PURCHASES_ALLOW_SIMULATED:
        yield failure(
            "settings", "PURCHASES_ALLOW_SIMULATED is on: credits are for free", "Set PURCHASES_ALLOW_SIMULATED=false."
        )
    for name, parts in {
        "X_CLIENT_ID, X_CLIENT_SECRET and X_REDIRECT_URI": (
            settings.X_CLIENT_ID,
            settings.X_CLIENT_SECRET,
            settings.X_REDIRECT_URI,
        ),
        "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET": (settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET),
    }.items():
        if any(parts) and not all(parts):
            yield failure("settings", f"of {name} some are missing", "Set all of them, or none.")
