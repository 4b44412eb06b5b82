"""docs/api.md: every operation with a request that works, sent here by the curl it shows."""

import json
import os
import subprocess

import pytest
import yaml
from django.core.management import CommandError, call_command

from tests.architecture.conftest import REPOSITORY
from tests.documentation.conftest import STRIPE_SECRET

DOCS = REPOSITORY / "docs"
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


def part(response: object, path: str) -> str:
    for step in path.split("."):
        response = response[int(step) if isinstance(response, list) else step]
    return str(response)


@pytest.mark.django_db(transaction=True)
def test_every_example_works_from_first_to_last(service):
    known = {"API": service, "SECRET": STRIPE_SECRET}
    for example in examples():
        status, body = send(example["curl"], known)
        assert status == example.get("status", 200), f"{example['curl']}\n{body}"
        for name, path in example.get("keep", {}).items():
            known[name] = part(json.loads(body), path)
    assert {"TOKEN", "MARKET", "BET", "STOCK"} <= known.keys()


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
