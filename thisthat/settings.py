"""All settings, driven by the environment or `.env`; every name is listed in `.env.example`.

With DEBUG off, a missing variable that production can't do without stops the start with its name.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured

from accounts import rules as accounts
from core import backends
from core.environment import env
from core.logging import logging_config
from staff import site as staff

BASE_DIR = Path(__file__).resolve().parent.parent
if env.bool("DJANGO_READ_DOT_ENV", default=True):
    env.read_env(BASE_DIR / ".env")

# Core

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.required("SECRET_KEY", in_development="development-only-secret-key-of-more-than-fifty-characters")
ALLOWED_HOSTS = [host.strip() for host in env.required("ALLOWED_HOSTS", in_development="*").split(",")]
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
HOST = env.str("HOST", default="127.0.0.1")
PORT = env.port("PORT", default=8000)
WEB_WORKERS = env.int("WEB_WORKERS", default=2)
WEB_THREADS = env.int("WEB_THREADS", default=32)
WEB_QUEUE = env.int("WEB_QUEUE", default=256)
WEB_CONNECTIONS = env.int("WEB_CONNECTIONS", default=10_000)
WEB_HEADER_TIMEOUT = env.float("WEB_HEADER_TIMEOUT", default=10.0)
WEB_IDLE_TIMEOUT = env.float("WEB_IDLE_TIMEOUT", default=75.0)
WEB_BODY_TIMEOUT = env.float("WEB_BODY_TIMEOUT", default=10.0)
WEB_QUEUE_TIMEOUT = env.float("WEB_QUEUE_TIMEOUT", default=5.0)
WEB_STATEMENT_TIMEOUT = env.float("WEB_STATEMENT_TIMEOUT", default=10.0)
WEB_REQUEST_TIMEOUT = env.float("WEB_REQUEST_TIMEOUT", default=60.0)
WEB_SEND_TIMEOUT = env.float("WEB_SEND_TIMEOUT", default=30.0)
WEB_STOP_TIMEOUT = env.int("WEB_STOP_TIMEOUT", default=10)
FRONTEND_URL = env.required("FRONTEND_URL", in_development="http://localhost:3000").rstrip("/")

INSTALLED_APPS = [
    "unfold", "django.contrib.admin.apps.SimpleAdminConfig", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles", "django.contrib.postgres",
    "corsheaders", "rest_framework", "django_filters", "django_celery_beat",
    "drf_spectacular", "drf_spectacular_sidecar", "core",
    "allauth", "allauth.account", "allauth.socialaccount", "allauth.socialaccount.providers.twitter_oauth2",
    "allauth.socialaccount.providers.google", "allauth.socialaccount.providers.discord",
    "accounts", "accounts.apps.ProvidersConfig", "notifications", "markets", "economy", "betting", "purchases",
    "leaderboard", "stream", "staff", "ops",
    *(["devtools"] if DEBUG else []),
]  # fmt: skip
# One that needs neither session nor database goes into LOOP_MIDDLEWARE of `ops/serving/service.py` too: responses that
# the web server gives without a thread pass through that list instead.
MIDDLEWARE = [
    "core.metrics.CountRequestsMiddleware",
    "core.api.middleware.RequestIdMiddleware",
    "core.api.middleware.RateLimitMiddleware",
    "core.api.middleware.TrailingSlashMiddleware",
    "core.api.errors.SanitizedErrorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # allauth doesn't start without it. It costs a request two microseconds.
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "thisthat.urls"
WSGI_APPLICATION = "thisthat.wsgi.application"
APPEND_SLASH = False
_processors = ("template.context_processors.request", "contrib.auth.context_processors.auth",
               "contrib.messages.context_processors.messages")  # fmt: skip
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": [f"django.{name}" for name in _processors]},
    },
]

# Auth

AUTH_USER_MODEL = "accounts.User"
LOGIN_REDIRECT_URL = "/admin/"
# E-mail is unique regardless of case, by an index on LOWER(email), which this check doesn't see.
SILENCED_SYSTEM_CHECKS = ["auth.E003"]
# Hashes of the second kind still work, and become the first kind when their owners sign in.
PASSWORD_HASHERS = ["accounts.passwords.Argon2Hasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = accounts.PASSWORD_VALIDATORS
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": env.required("JWT_ACCESS_SECRET", in_development="development-only-access-token-key-of-fifty"),
    "ACCESS_TOKEN_LIFETIME": env.duration("JWT_ACCESS_EXPIRES_IN", default="15m"),
    "USER_ID_CLAIM": "userId",
    # How far ahead the time of a machine that issues tokens may be of that of one that accepts them.
    "LEEWAY": timedelta(seconds=10),
}
REFRESH_TOKEN_LIFETIME = env.duration("JWT_REFRESH_EXPIRES_IN", default="7d")

# Sign in with X, Google and Discord. allauth speaks OAuth; none of its pages is served, and no tokens are stored

X_CLIENT_ID = env.str("X_CLIENT_ID", default="")
X_CLIENT_SECRET = env.str("X_CLIENT_SECRET", default="")
X_REDIRECT_URI = env.str("X_REDIRECT_URI", default="")
X_AUTHORIZE_URL = env.str("X_AUTHORIZE_URL", default="https://x.com/i/oauth2/authorize")
X_TOKEN_URL = env.str("X_TOKEN_URL", default="https://api.x.com/2/oauth2/token")
X_USER_URL = env.str("X_USER_URL", default="https://api.x.com/2/users/me")
GOOGLE_CLIENT_ID = env.str("GOOGLE_CLIENT_ID", default="")
GOOGLE_CLIENT_SECRET = env.str("GOOGLE_CLIENT_SECRET", default="")
GOOGLE_REDIRECT_URI = env.str("GOOGLE_REDIRECT_URI", default="")
GOOGLE_AUTHORIZE_URL = env.str("GOOGLE_AUTHORIZE_URL", default="https://accounts.google.com/o/oauth2/v2/auth")
GOOGLE_TOKEN_URL = env.str("GOOGLE_TOKEN_URL", default="https://oauth2.googleapis.com/token")
DISCORD_CLIENT_ID = env.str("DISCORD_CLIENT_ID", default="")
DISCORD_CLIENT_SECRET = env.str("DISCORD_CLIENT_SECRET", default="")
DISCORD_REDIRECT_URI = env.str("DISCORD_REDIRECT_URI", default="")
DISCORD_AUTHORIZE_URL = env.str("DISCORD_AUTHORIZE_URL", default="https://discord.com/oauth2/authorize")
DISCORD_TOKEN_URL = env.str("DISCORD_TOKEN_URL", default="https://discord.com/api/oauth2/token")
DISCORD_USER_URL = env.str("DISCORD_USER_URL", default="https://discord.com/api/users/@me")
# Of the frontend: where a browser whose sign-in failed is sent, with `error` and `details`. Both of these, and the rate
# THROTTLE_PROVIDER_SIGN_IN, have an older name, from when there was X alone.
OAUTH_ERROR_PATH = env.url_path("OAUTH_ERROR_PATH", default=env.url_path("X_ERROR_PATH", default="/"))
OAUTH_TIMEOUT_SECONDS = env.float("OAUTH_TIMEOUT_SECONDS", default=env.float("X_TIMEOUT_SECONDS", default=8.0))
SOCIALACCOUNT_ADAPTER = "accounts.providers.protocol.SocialAccountAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_PROVIDERS: dict[str, dict[str, Any]] = {
    "twitter_oauth2": {"FIELDS": ["id", "name", "username", "profile_image_url"]},
}

# Mail: printed to the log in development, sent by an SMTP server in production

_mail = env.mail("EMAIL_URL", in_development="consolemail://")
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"], _mail["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"], _mail["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail["EMAIL_USE_TLS"], _mail["EMAIL_USE_SSL"]
# Seconds that the server may be silent.
EMAIL_TIMEOUT = env.float("EMAIL_TIMEOUT_SECONDS", default=10.0)
DEFAULT_FROM_EMAIL = env.required("DEFAULT_FROM_EMAIL", in_development="THISTHAT <no-reply@localhost>")
EMAIL_VERIFICATION_LIFETIME = env.duration("EMAIL_VERIFICATION_EXPIRES_IN", default="3d")

# Caches and the queue of jobs

for _service in ("DATABASE_URL", "REDIS_URL"):
    if not env.str(_service, default=""):
        raise ImproperlyConfigured(
            f"Set {_service}. In development, `make run` and `manage.py` start the server for it themselves."
        )
REDIS_URL = env.redis_url("REDIS_URL")
CACHES = {"default": backends.cache(REDIS_URL)}
# How long a process may serve a public GET from its own memory; 0 asks the database every time.
PUBLIC_CACHE_SECONDS = env.float("PUBLIC_CACHE_SECONDS", default=1.0)

CELERY_BROKER_URL = backends.broker_url(REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = backends.BROKER_OPTIONS

# Database

DATABASE_URL = env.str("DATABASE_URL")
_prepare = env.bool("DATABASE_PREPARE") if env.str("DATABASE_PREPARE", default="") else None
_database = env.database("DATABASE_URL")
DATABASES = {"default": backends.database(_database, prepare=_prepare)}
# Whom `migrate` grants what the service needs, and as whom it runs.
DATABASE_ROLE, DATABASE_ROLE_PASSWORD = _database["USER"], _database["PASSWORD"]
DATABASE_OWNER_URL = env.str("DATABASE_OWNER_URL", default="")
DATABASE_OWNER = backends.database(env.database("DATABASE_OWNER_URL"), prepare=_prepare) if DATABASE_OWNER_URL else None
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Static files: collected under VAR_DIR, served by the web server itself

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"

# The admin

UNFOLD = staff.SETTINGS

# Time and language: one of each

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
LANGUAGE_CODE = "en"

# Browsers: CORS, cookies, headers

_more_origins = (origin.strip().rstrip("/") for origin in env.list("CORS_ALLOWED_ORIGINS", default=[]))
CORS_ALLOWED_ORIGINS = sorted({FRONTEND_URL, *_more_origins})
# In development a frontend may be served from any port of this machine.
CORS_ALLOWED_ORIGIN_REGEXES = [r"^https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?$"] if DEBUG else []
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key", "if-none-match", "last-event-id", "x-request-id"]
CORS_EXPOSE_HEADERS = [
    "ETag", "Idempotency-Replayed", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID",
]  # fmt: skip
CORS_URLS_REGEX = r"^/(api|health|ready)"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
# Staff sign in anew every working day.
SESSION_COOKIE_AGE = 12 * 60 * 60
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
# TLS ends at the proxy in front; it says so in this header. SECURE_SSL_REDIRECT=false is for a plain-HTTP inside.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("TRUST_PROXY", default=False) else None
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_REDIRECT_EXEMPT = [r"^(health|ready|metrics)/*$"]
SECURE_HSTS_SECONDS = 0 if DEBUG else env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG

# The API

THROTTLE_ENABLED = env.bool("THROTTLE_ENABLED", default=True)
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["core.api.json.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.json.JsonParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.api.json.AlwaysJson",
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "core.api.openapi.Schema",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_THROTTLE_RATES": {
        "ingest": env.str("THROTTLE_INGEST", default="30/min"),
        "upstream": env.str("THROTTLE_UPSTREAM", default="240/min"),
        "signup": env.str("THROTTLE_SIGNUP", default="60/hour"),
        "login": env.str("THROTTLE_LOGIN", default="60/min"),
        "account": env.str("THROTTLE_ACCOUNT", default="10/min"),
        "account_total": env.str("THROTTLE_ACCOUNT_TOTAL", default="100/hour"),
        "own_password": env.str("THROTTLE_OWN_PASSWORD", default="10/min"),
        "refresh": env.str("THROTTLE_REFRESH", default="300/min"),
        "provider_sign_in": env.str(
            "THROTTLE_PROVIDER_SIGN_IN", default=env.str("THROTTLE_X_SIGN_IN", default="30/min")
        ),
        "mail": env.str("THROTTLE_MAIL", default="20/hour"),
        "mail_address": env.str("THROTTLE_MAIL_ADDRESS", default="5/hour"),
        "mail_token": env.str("THROTTLE_MAIL_TOKEN", default="30/min"),
        "export": env.str("THROTTLE_EXPORT", default="10/hour"),
    },
    "EXCEPTION_HANDLER": "core.api.errors.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    # How many proxies in front add to X-Forwarded-For: the client's address is that many from its end.
    "NUM_PROXIES": env.int("NUM_PROXIES", default=0),
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "THISTHAT",
    "DESCRIPTION": (
        "A play-money prediction market: binary THIS/THAT markets mirrored from Polymarket.\n\n"
        'Operations under a rate limit say so, and their responses have `RateLimit-Policy` (`"login";q=60;w=60`: 60 '
        'requests in 60 seconds) and `RateLimit` (`"login";r=59;t=60`: 59 are left, and one more in 60 seconds at the '
        "latest). Beyond it: 429 with `Retry-After`.\n\n"
        "What a request has that its operation doesn't know is ignored, and reported in the response's `warnings`."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    # Several things have a status.
    "ENUM_NAME_OVERRIDES": {
        "MarketStatus": "markets.models.Market.Status",
        "BetStatus": "betting.models.Bet.Status",
        "StockStatus": "economy.stocks.models.Stock.Status",
        "StockTransactionType": "economy.stocks.models.StockTransaction.Type",
        "SignInProvider": "accounts.rules.SIGN_IN_PROVIDERS",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.api.openapi.add_common_parts",
        "core.api.examples.add_examples",
    ],
    "SERVERS": [{"url": "/", "description": "The service that this description comes from"}],
    # In the order in which a frontend comes to need them.
    "TAGS": [
        {"name": "auth", "description": "Sign up or in, and who one is then"},
        {"name": "users", "description": "Profiles"},
        {"name": "markets", "description": "What can be bet on"},
        {"name": "bets", "description": "Quote, place, list and sell"},
        {"name": "transactions", "description": "What happened to one's credits"},
        {"name": "economy", "description": "Daily credits and stocks"},
        {"name": "stream", "description": "What changes, as it changes"},
        {"name": "leaderboard", "description": "Users by profit and by volume"},
        {"name": "referrals", "description": "Who came by one's code"},
        {"name": "purchases", "description": "Credits for money"},
        {"name": "notifications", "description": "What happened to one's bets and credits, and announcements"},
        {"name": "proof", "description": "That the ledger is whole"},
        {"name": "system", "description": "Whether the service is up"},
    ],
}

# Polymarket

POLYMARKET_GAMMA_URL = env.str("POLYMARKET_GAMMA_URL", default="https://gamma-api.polymarket.com").rstrip("/")
POLYMARKET_CLOB_URL = env.str("POLYMARKET_CLOB_URL", default="https://clob.polymarket.com").rstrip("/")
POLYMARKET_WS_URL = env.str("POLYMARKET_WS_URL", default="wss://ws-subscriptions-clob.polymarket.com/ws/market")
if not DEBUG and POLYMARKET_GAMMA_URL == "simulator":
    raise ImproperlyConfigured("Set POLYMARKET_GAMMA_URL to Polymarket's: the simulator is for development only.")
SIMULATOR_PORT = env.int("SIMULATOR_PORT", default=0)

# The keys that sign trades of stocks, and Stripe's

STOCK_SIGNING_KEYS = env.keyring(
    "STOCK_SIGNING_KEYS", in_development="development:development-only-signing-key-of-fifty-letters-and-more"
)
STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET = env.str("STRIPE_SECRET_KEY", ""), env.str("STRIPE_WEBHOOK_SECRET", "")
STRIPE_API_URL = env.str("STRIPE_API_URL", default="https://api.stripe.com")

# Metrics for Prometheus, at /metrics

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# Logs: one JSON object a line in production, words in development

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOGGING = logging_config(level=LOG_LEVEL, readable=DEBUG, jobs=env.bool("LOG_JOBS", default=not DEBUG))
