"""How often one may try to get in."""

import pytest
from django.test import Client

from accounts.throttles import cookie_of
from tests.accounts.factories import AUTH, PASSWORD, form, refusal, send, sign_up, success

pytestmark = pytest.mark.django_db


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


def test_one_account_is_tried_so_often_from_one_address(stranger, rates):
    rates(account="3/min")
    sign_up("ann")
    for email in ("ann@example.com", "ANN@example.com", " ann@Example.com"):
        refusal(post(stranger, "login", login(email)), 401, "invalid_credentials")
    response = post(stranger, "login", login(password=PASSWORD))
    refusal(response, 429, "throttled")
    assert int(response["Retry-After"]) >= 1


def test_who_tries_from_an_address_keeps_nobody_out_who_is_at_another(stranger, rates):
    rates(account="3/min")
    sign_up("ann")
    for _ in range(5):
        post(stranger, "login", login(), address="203.0.113.1")
    success(post(stranger, "login", login(password=PASSWORD), address="198.51.100.1"))


class TestManyAddresses:
    """Wrong passwords at one account, each from an address of its own."""

    @pytest.fixture
    def under_attack(self, stranger, rates):
        rates(account_total="5/hour")
        ann = Client()
        success(post(ann, "signup", form("ann"), address="198.51.100.1"), 201)
        for number in range(20):
            post(stranger, "login", login(), address=f"203.0.113.{number}")
        return ann

    def test_they_are_refused_even_with_the_right_password(self, under_attack):
        response = post(Client(), "login", login(password=PASSWORD), address="203.0.113.99")
        refusal(response, 429, "throttled")
        assert int(response["Retry-After"]) >= 1

    def test_a_browser_that_was_signed_in_before_gets_in_from_anywhere(self, under_attack):
        success(post(under_attack, "login", login(password=PASSWORD), address="192.0.2.7"))

    def test_it_may_try_no_oftener_than_others(self, under_attack, rates):
        rates(account="3/min", account_total="5/hour")
        statuses = [post(under_attack, "login", login(), address=f"192.0.2.{at}").status_code for at in range(4)]
        assert statuses == [401, 401, 401, 429]

    def test_its_cookie_is_good_for_that_account_alone_and_cannot_be_made_up(self, under_attack):
        (name,) = [name for name in under_attack.cookies if name.startswith("known_device_")]
        cookie = under_attack.cookies[name]
        assert cookie["httponly"]
        sign_up("bob")
        forger = Client()
        for made_up in (cookie.value[:-1] + "x", "x", ""):
            forger.cookies[name] = made_up
            refusal(post(forger, "login", login(password=PASSWORD), address="192.0.2.8"), 429, "throttled")
        other = cookie_of("bob@example.com")
        forger.cookies[other] = cookie.value
        for number in range(6):
            post(forger, "login", login("bob@example.com"), address=f"192.0.2.{number}")
        refusal(post(forger, "login", login("bob@example.com"), address="192.0.2.99"), 429, "throttled")


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
