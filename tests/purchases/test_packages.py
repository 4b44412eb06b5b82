"""GET /purchases/packages: what can be bought, from the configuration."""

import json
from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured

from purchases import rules
from tests.core.service_process import ask
from tests.purchases.factories import PURCHASES, read

PACKAGES = f"{PURCHASES}/packages"


def test_the_four_of_the_contract_are_the_default_and_the_database_is_not_queried(api):
    body = read(api.get(PACKAGES))
    assert [list(package.values()) for package in body["packages"]] == [
        ["starter", 500, Decimal("4.99"), "Starter"],
        ["boost", 1000, Decimal("9.99"), "Boost"],
        ["pro", 2500, Decimal("19.99"), "Pro"],
        ["whale", 5000, Decimal("34.99"), "Whale"],
    ]
    assert list(body["packages"][0]) == ["id", "credits", "usd", "label"]
    assert body["providers"] == ["manual"]


def test_a_copy_that_still_holds_is_not_sent_again(api):
    first = api.get(PACKAGES)
    assert first["Cache-Control"].startswith("public")
    assert api.get(PACKAGES, headers={"If-None-Match": first["ETag"]}).status_code == 304


def test_a_bad_token_is_ignored(api):
    read(api.get(PACKAGES, headers={"Authorization": "Bearer nonsense"}))


def test_an_operator_sells_other_packages(api, monkeypatch):
    monkeypatch.setattr(rules, "PURCHASE_PACKAGES", "one:1:0.99, big_one:1000000:999.00:The Big One")
    labels = [package["label"] for package in json.loads(api.get(PACKAGES).content)["packages"]]
    assert labels == ["One", "The Big One"]


@pytest.mark.parametrize(
    "text", ["", "a", "a:1", "a:0:1.00", "a:1:0.00", "a:1:1", "a:1:-1.00", "a:1.5:1.00", "a:1:1.00,a:2:2.00", "a:1:1.00:", "A:1:1.00"]
)  # fmt: skip
def test_packages_that_cannot_be_parsed_are_refused_by_the_variables_name(text):
    with pytest.raises(ImproperlyConfigured, match="PURCHASE_PACKAGES"):
        rules.parse_packages(text)


def test_in_production_neither_provider_is_offered_by_itself():
    (response,) = ask(PACKAGES).responses
    assert (response.status, response.json()["providers"]) == (200, [])


def test_in_production_what_is_configured_is_offered():
    keys = {"STRIPE_SECRET_KEY": "sk", "STRIPE_WEBHOOK_SECRET": "whsec", "PURCHASES_ALLOW_SIMULATED": "true"}
    (response,) = ask(PACKAGES, **keys).responses
    assert response.json()["providers"] == ["manual", "stripe"]
