"""Production mode stops at the start, with the name of what is missing, rather than run half."""

import json

import pytest

from tests.core.service_process import PRODUCTION, ask, run

REQUIRED = [
    "SECRET_KEY",
    "JWT_ACCESS_SECRET",
    "STOCK_SIGNING_KEYS",
    "ALLOWED_HOSTS",
    "FRONTEND_URL",
    "EMAIL_URL",
    "DEFAULT_FROM_EMAIL",
    "DATABASE_URL",
]


def without(name):
    return {key: value for key, value in PRODUCTION.items() if key != name}


def test_production_starts_with_all_that_it_requires():
    ended = run(["manage.py", "check"], PRODUCTION)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", REQUIRED)
def test_a_command_without_it_stops_with_its_name_in_one_plain_line(name):
    ended = run(["manage.py", "check"], without(name))
    assert ended.returncode != 0
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert [other for other in REQUIRED if other in line] == [name]
    assert "Traceback" not in line


def test_an_empty_value_counts_as_missing():
    ended = run(["manage.py", "check"], PRODUCTION | {"SECRET_KEY": ""})
    assert ended.returncode != 0
    assert ended.stderr.startswith("Set SECRET_KEY")


def test_a_web_server_without_it_does_not_start_and_names_it():
    ended = run(["-c", "import thisthat.wsgi"], without("JWT_ACCESS_SECRET"))
    assert ended.returncode != 0
    assert "Set JWT_ACCESS_SECRET" in ended.stderr.splitlines()[-1]


def test_a_worker_without_it_does_not_start_and_names_it():
    ended = run(["-m", "celery", "-A", "thisthat", "report"], without("DATABASE_URL"))
    assert "Set DATABASE_URL" in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("WEB_WORKERS", "two"),
        ("STOCK_SIGNING_KEYS", "key:short"),
        ("HOUSE_MARKET_SPREAD", "0"),
        ("HOUSE_MARKET_SPREAD", "-0.02"),
        ("MARKET_MAX_SPREAD", "wide"),
        ("X_ERROR_PATH", "https://evil.example"),
        ("X_ERROR_PATH", "//evil.example"),
        ("OAUTH_ERROR_PATH", "https://evil.example"),
        # It would write the links of mails to the log.
        ("EMAIL_URL", "consolemail://"),
        ("EMAIL_URL", "smtp://mail.example.com"),
    ],
)
def test_a_setting_that_cannot_be_read_stops_the_start_with_its_name(name, value):
    ended = run(["manage.py", "check"], PRODUCTION | {name: value})
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"{name} can't be read")


def test_two_signing_keys_of_one_name_stop_the_start_and_no_secret_is_shown():
    secrets = {"first-secret-of-forty-letters-and-a-few-more", "second-secret-of-forty-letters-and-a-few-more"}
    ended = run(["manage.py", "check"], PRODUCTION | {"STOCK_SIGNING_KEYS": ",".join(f"2026:{key}" for key in secrets)})
    assert ended.returncode != 0
    assert ended.stderr.splitlines() == ["STOCK_SIGNING_KEYS has two keys named 2026: each needs an id of its own."]
    assert not any(secret in ended.stderr for secret in secrets)


def test_in_production_no_port_of_this_machine_may_call():
    ended = run(
        ["-c", "from django.conf import settings as s; print(s.CORS_ALLOWED_ORIGIN_REGEXES, s.CORS_ALLOWED_ORIGINS)"],
        PRODUCTION | {"DJANGO_SETTINGS_MODULE": "thisthat.settings"},
    )
    assert ended.stdout.strip() == f"[] {[PRODUCTION['FRONTEND_URL']]}"


def test_debug_is_off_unless_asked_for():
    ended = run(
        ["-c", "from django.conf import settings; print(settings.DEBUG)"],
        PRODUCTION | {"DJANGO_SETTINGS_MODULE": "thisthat.settings"},
    )
    assert ended.stdout.strip() == "False"


def test_development_needs_nothing_to_be_set():
    ended = run(["manage.py", "check"], {"DEBUG": "true", "DATABASE_URL": PRODUCTION["DATABASE_URL"]})
    assert ended.returncode == 0, ended.stderr


def test_the_simulator_is_refused_in_production():
    ended = run(["manage.py", "check"], PRODUCTION | {"POLYMARKET_GAMMA_URL": "simulator"})
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert "POLYMARKET_GAMMA_URL" in line


def test_everything_under_one_terminal_is_refused_in_production():
    ended = run(["manage.py", "dev"], PRODUCTION)
    assert ended.returncode != 0
    assert "DEBUG=true" in ended.stderr
    assert "simulator" not in ended.stdout


def test_production_responds_to_other_hosts_and_unencrypted_requests_as_it_should():
    other_host = {"path": "/api/hello", "headers": {"Host": "evil.example.com"}}
    responses = ask(other_host, "/api/hello", "/health", "/ready/", SECURE_SSL_REDIRECT="true").responses
    assert [response.status for response in responses] == [400, 301, 200, 503]
    assert responses[0].json()["code"] == "bad_request"
    assert responses[1].headers["location"] == "https://testserver/api/hello"


def test_behind_a_proxy_that_ended_tls_browsers_are_told_to_stay_with_it():
    asked = {"path": "/api/hello", "headers": {"X-Forwarded-Proto": "https"}}
    (response,) = ask(asked, SECURE_SSL_REDIRECT="true", TRUST_PROXY="true").responses
    assert response.status == 200
    assert response.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains; preload"
    assert json.loads(response.text)["message"]


def test_hosts_and_origins_may_be_listed_with_spaces():
    asked = {"path": "/api/hello", "headers": {"Host": "b.example.com", "Origin": "https://b.example.com"}}
    (response,) = ask(
        asked,
        ALLOWED_HOSTS="a.example.com, b.example.com",
        CORS_ALLOWED_ORIGINS="https://a.example.com, https://b.example.com",
    ).responses
    assert response.status == 200
    assert response.headers["access-control-allow-origin"] == "https://b.example.com"


def test_the_pages_of_development_are_unknown_paths():
    posted = {"path": "/dev/sign-in", "method": "POST"}
    for response in ask("/", "/dev/events", posted, SECURE_SSL_REDIRECT="false").responses:
        assert response.status == 404
        assert json.loads(response.text)["code"] == "not_found"
