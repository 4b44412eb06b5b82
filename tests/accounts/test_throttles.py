"""How often one may try to get in."""

import pytest

from tests.accounts.factories import AUTH, PASSWORD, form, refusal, send, sign_up, success

pytestmark = pytest.mark.django_db


@pytest.fixture
def rates(settings):
    def become(**changed):
        given = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": given | changed}

    return become


def post(http, action, body, address="203.0.113.1"):
    return http.post(f"{AUTH}/{action}", body, content_type="application/json", REMOTE_ADDR=address)


def login(email="ann@example.com", **more):
    return {"email": email, "password": "wrong"} | more


@pytest.mark.parametrize(
    ("action", "scope", "body"),
    [
        ("signup", "signup", {"email": "not one"}),
        ("login", "login", {"email": 7}),
        ("refresh", "refresh", {"refreshToken": "unknown"}),
    ],
)
def test_one_address_tries_so_often_and_no_more(stranger, rates, action, scope, body):
    rates(**{scope: "2/min"})
    assert [post(stranger, action, body).status_code for _ in range(2)] != [429, 429]
    response = post(stranger, action, body)
    refusal(response, 429, "throttled")
    assert 1 <= int(response["Retry-After"]) <= 60
    assert post(stranger, action, body, address="203.0.113.2").status_code != 429


def test_one_account_is_tried_so_often_from_however_many_addresses(stranger, rates):
    rates(account="3/min")
    sign_up("ann")
    tried = ["ann@example.com", "ANN@example.com", " ann@Example.com"]
    for number, email in enumerate(tried):
        refusal(post(stranger, "login", login(email), address=f"203.0.113.{number}"), 401, "invalid_credentials")
    response = post(stranger, "login", login(password=PASSWORD), address="198.51.100.1")
    refusal(response, 429, "throttled")
    assert int(response["Retry-After"]) >= 1


def test_an_unknown_email_is_throttled_like_a_known_one(stranger, rates):
    rates(account="3/min")
    responses = [post(stranger, "login", login("nobody@example.com")).status_code for _ in range(4)]
    assert responses == [401, 401, 401, 429]


def test_other_accounts_are_not_held_up(stranger, rates):
    rates(account="1/min")
    sign_up("ann")
    for _ in range(2):
        post(stranger, "login", login("bob@example.com"))
    success(post(stranger, "login", login(password=PASSWORD)))


@pytest.mark.parametrize("address", ["not-an-address", "fe80::1%eth0", "1.2.3.4:80", ""])
def test_an_invalid_client_address_locks_nobody_out(stranger, settings, address):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}
    success(send(stranger, f"{AUTH}/signup", form(), **{"X-Forwarded-For": address}), 201)


def test_by_default_nobody_is_held_up_who_mistypes_a_few_times(stranger):
    sign_up("ann")
    for _ in range(5):
        refusal(post(stranger, "login", login()), 401, "invalid_credentials")
    success(post(stranger, "login", login(password=PASSWORD)))


def test_throttling_can_be_switched_off(stranger, rates, settings):
    rates(account="1/min", login="1/min")
    settings.THROTTLE_ENABLED = False
    assert [post(stranger, "login", login()).status_code for _ in range(3)] == [401] * 3
