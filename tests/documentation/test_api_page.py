"""docs/api.md: every operation with a request that works, sent here by the curl it shows."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.email_tokens import Purpose, make_token
from accounts.models import User
from devtools.management.commands.write_api_page import error_codes
from tests.accounts.providers.browser import Browser, told
from tests.api_contract import compiled, description
from tests.architecture.conftest import REPOSITORY
from tests.documentation.conftest import STRIPE_SECRET

DOCS = REPOSITORY / "docs"
RESPONSES = DOCS / "responses.json"
# How many of a list are recorded; and what has a field for each of its things, whatever those are.
SHOWN = 2
NAMED_BY_DATA = {"counts", "jobs", "reasons"}
SCHEMA, EXAMPLES, PAGE = DOCS / "openapi.yaml", DOCS / "examples.yaml", DOCS / "api.md"


def examples() -> list[dict]:
    return yaml.safe_load(EXAMPLES.read_text())


def send(curl: str, known: dict[str, str]) -> tuple[int, str]:
    """The status and the body of what the last curl of a shell script got."""
    before, command, after = curl.rpartition("curl ")
    script = f"{before}{command}--silent --show-error --max-time 20 --write-out '\n%{{http_code}}' {after}"
    environment = {"PATH": os.environ["PATH"], **known}
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{curl}\n{done.stderr}"
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def request_of(curl: str, known: dict[str, str]) -> Any:
    """The JSON that a curl of the examples sends; None without a body."""
    command = re.sub(r"'\$(\w+)'", lambda name: known[name[1]], curl)
    variable = re.search(r'-d "\$(\w+)"', command)
    sent = re.search(rf"{variable[1]}='([^']*)'" if variable else r"-d '([^']*)'", command)
    return json.loads(sent[1]) if sent else None


def shown(value: Any, name: str = "") -> Any:
    """What is recorded of a body: of long lists the first, of tokens the beginning."""
    if isinstance(value, dict):
        return {key: shown(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [shown(each) for each in value[:SHOWN]]
    if name in ("accessToken", "refreshToken", "ticket", "token", "finishCode"):
        return f"{value[:16]}..."
    return value


def same_shape(found: Any, recorded: Any, where: str) -> None:
    """Of two bodies: the same fields, of the same types as far as neither is null. Lists are alike where both have any."""
    if found is None or recorded is None or where.rpartition(".")[2] in NAMED_BY_DATA:
        return
    numbers = (int, float)
    assert type(found) is type(recorded) or (isinstance(found, numbers) and isinstance(recorded, numbers)), where
    if isinstance(found, dict):
        assert found.keys() == recorded.keys(), where
        for name in found:
            same_shape(found[name], recorded[name], f"{where}.{name}")
    elif isinstance(found, list) and found and recorded:
        same_shape(found[0], recorded[0], where)


def part(response: object, path: str) -> str:
    for step in path.split("."):
        response = response[int(step) if isinstance(response, list) else step]
    return str(response)


def mailed(purpose: str) -> str:
    """The token of a mail that was sent to ada now."""
    return make_token(User.objects.get(username="ada"), Purpose[purpose], now=timezone.now())


def came_back(url: str) -> dict[str, str]:
    """What the frontend is led to with after somebody allowed a sign-in on the provider's page, in a new browser."""
    browser = Browser("x")
    handed_on = told(browser.get(browser.choose(url, **{"as": "grace_h"})))
    browser.close()
    return {"CAME_BACK": handed_on["code"], "STATE": handed_on["state"]}


@pytest.mark.django_db(transaction=True)
def test_every_example_works_from_first_to_last(service):
    known = {"API": service, "SECRET": STRIPE_SECRET}
    sent: dict[str, list[dict[str, Any]]] = {}
    for example in examples():
        known |= {name: mailed(purpose) for name, purpose in example.get("mailed", {}).items()}
        known |= came_back(known[example["allowed"]]) if "allowed" in example else {}
        request = request_of(example["curl"], known)
        status, body = send(example["curl"], known)
        assert status == example.get("status", 200), f"{example['curl']}\n{body}"
        # What is no object is a stream's text.
        response = json.loads(body) if body.startswith("{") else body or None
        for name, path in example.get("keep", {}).items():
            known[name] = part(response, path)
        title = {"title": example["title"]} if "title" in example else {}
        exchange = {**title, "status": status, "request": shown(request), "response": shown(response)}
        sent.setdefault(example["operation"], []).append(exchange)
    assert {"TOKEN", "MARKET", "BET", "STOCK"} <= known.keys()
    if "RECORD_RESPONSES" in os.environ:
        RESPONSES.write_text(json.dumps(sent, indent=1, ensure_ascii=False) + "\n")
    recorded = json.loads(RESPONSES.read_text())
    assert sent.keys() == recorded.keys(), "make examples"
    for operation, exchanges in sent.items():
        assert len(exchanges) == len(recorded[operation]), "make examples"
        for now, before in zip(exchanges, recorded[operation], strict=True):
            assert (now["status"], now.get("title")) == (before["status"], before.get("title")), "make examples"
            for body in ("request", "response"):
                same_shape(now[body], before[body], f"{operation}: {body}")


def described() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation of the description by its id."""
    for methods in description()["paths"].values():
        for method, operation in methods.items():
            if isinstance(operation, dict) and "operationId" in operation:
                yield method, operation


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for body in [operation.get("requestBody", {}), *operation["responses"].values()]:
        yield from body.get("content", {}).values()


def resolved(example: dict[str, Any]) -> Any:
    name = example.get("$ref", "").removeprefix("#/components/examples/")
    return (description()["components"]["examples"][name] if name else example)["value"]


def test_every_request_and_response_of_the_description_has_examples_that_are_as_described():
    for method, operation in described():
        for content in contents(operation):
            where = f"{method} {operation['operationId']}"
            assert content.get("examples"), where
            for example in content["examples"].values():
                errors = [error.message for error in compiled(content["schema"]).iter_errors(resolved(example))]
                assert not errors, f"{where}: {errors}"


def test_every_error_code_of_an_operation_has_its_example():
    for _, operation in described():
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                codes = {code for found, code in error_codes(operation) if found == status}
                assert codes <= content["examples"].keys()


@pytest.mark.django_db(transaction=True)
def test_what_swagger_prefills_signs_up(service, client):
    ((_, signup),) = [each for each in described() if each[1]["operationId"] == "auth_signup"]
    prefilled = resolved(next(iter(signup["requestBody"]["content"]["application/json"]["examples"].values())))
    assert client.post("/api/v1/auth/signup", prefilled, content_type="application/json").status_code == 201


def write(tmp_path, given) -> str:
    (tmp_path / "examples.yaml").write_text(yaml.safe_dump(given, sort_keys=False))
    page = tmp_path / "api.md"
    call_command("write_api_page", schema=SCHEMA, examples=tmp_path / "examples.yaml", file=page)
    return page.read_text()


def test_the_page_is_that_of_the_description_and_the_examples(tmp_path):
    assert write(tmp_path, examples()) == PAGE.read_text(), "make openapi"


def test_an_operation_without_an_example_is_refused(tmp_path):
    with pytest.raises(CommandError, match="bets_sell"):
        write(tmp_path, [example for example in examples() if example["operation"] != "bets_sell"])


def test_an_example_of_no_operation_is_refused(tmp_path):
    with pytest.raises(CommandError, match="bets_dance"):
        write(tmp_path, [*examples(), {"operation": "bets_dance", "curl": "curl $API"}])
