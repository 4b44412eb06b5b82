"""The description of the API, and the pages that show it."""

import json
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from django.contrib.staticfiles import finders
from django.urls import URLPattern, URLResolver, get_resolver
from openapi_spec_validator import OpenAPIV31SpecValidator

from core.api.errors import not_found
from core.api.openapi import all_errors, status_and_code

# Pages for browsers, and what Prometheus reads; in development the welcome page too.
NOT_THE_API = ("/admin", "/api/docs", "/api/redoc", "/api/schema", "/metrics", "/dev/")
WELCOME = "/"


@pytest.fixture(scope="module")
def description():
    from django.test import Client

    response = Client().get("/api/schema")
    assert response.status_code == 200
    return json.loads(response.content)


def paths_of(patterns, before=""):
    for pattern in patterns:
        path = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from paths_of(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and pattern.callback is not not_found:
            yield "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)


def shape(path):
    """The path with its parameters without names: the description may call them something better."""
    return re.sub(r"\{\w+\}", "{}", path.rstrip("/"))


def test_the_description_is_valid_openapi_3_1(description):
    assert description["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(description).validate()


def test_every_path_of_the_service_is_described(description):
    paths = {path for path in paths_of(get_resolver().url_patterns) if not path.startswith(NOT_THE_API)}
    served = {shape(path) for path in paths - {WELCOME}}
    assert {"/health", "/ready", "/api/hello", "/api/v1/markets", "/api/v1/markets/{}/live"} <= served
    assert served == {shape(path) for path in description["paths"]}


def errors_of(operation):
    """The error codes that the operation lists, by status."""
    found = {}
    for status, response in operation["responses"].items():
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        for shapes in [each.get("allOf", []) for each in schema.get("anyOf", [schema])]:
            if {"$ref": "#/components/schemas/Error"} in shapes:
                narrowed = [shape["properties"]["code"]["enum"] for shape in shapes if "properties" in shape]
                found[int(status)] = [code for codes in narrowed for code in codes]
    return found


def test_every_operation_has_a_name_of_its_own_a_summary_and_the_codes_of_its_errors(description):
    operations = [operation for path in description["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        assert operation["summary"], operation
        if operation["operationId"] != "health":
            assert errors_of(operation)[500] == ["internal_error"], operation["operationId"]
            assert errors_of(operation)[503], operation["operationId"]


def test_the_error_component_knows_all_codes_and_what_they_mean(description):
    error = description["components"]["schemas"]["Error"]["properties"]
    assert error["success"] == {"type": "boolean", "const": False}
    codes = {
        code
        for path in description["paths"].values()
        for each in path.values()
        for found in errors_of(each).values()
        for code in found
    }
    assert set(error["code"]["enum"]) == codes | {"not_found", "method_not_allowed"}
    assert set(error["code"]["x-enum-descriptions"]) == set(error["code"]["enum"])
    assert all(error["code"]["x-enum-descriptions"].values())


def test_authentication_a_body_and_an_idempotency_key_bring_their_codes(description):
    placing = errors_of(description["paths"]["/api/v1/bets"]["post"])
    assert {"parse_error", "validation_error", "bad_request"} <= set(placing[400])
    assert {"not_authenticated", "invalid_token"} <= set(placing[401])
    assert {"idempotency_in_progress", "idempotency_key_reused"} <= set(placing[409])
    assert placing[413] == ["payload_too_large"]
    assert 401 not in errors_of(description["paths"]["/api/v1/markets"]["get"])


def test_one_condition_has_one_code():
    codes = Counter(status_and_code(error)[1] for error in all_errors())
    # The contract has one code for an access token and for a mailed one; the status tells which.
    assert [code for code, count in codes.items() if count > 1] == ["invalid_token"]


def test_the_description_is_json_and_can_be_revalidated(stranger):
    response = stranger.get("/api/schema", headers={"Accept": "text/html"})
    assert "json" in response["Content-Type"]
    assert set(response["Cache-Control"].split(", ")) == {"public", "max-age=3600"}
    assert stranger.get("/api/schema", headers={"If-None-Match": response["ETag"]}).status_code == 304


class Assets(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href")]


@pytest.mark.parametrize("path", ["/api/docs", "/api/redoc"])
def test_the_pages_need_no_other_host_and_their_files_are_there(stranger, path):
    response = stranger.get(path)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/html")
    html = response.content.decode()
    assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}", html)
    assert "/api/schema" in html
    assert stranger.get(path, headers={"If-None-Match": response["ETag"]}).status_code == 304
    assets = Assets()
    assets.feed(html)
    assert any(asset.endswith(".js") for asset in assets.found)
    for asset in assets.found:
        assert asset.startswith("/static/")
        assert finders.find(asset.removeprefix("/static/")), asset
