"""Asks the service in a process of its own, started with an environment of its own.

Run as a program it reads requests from standard input, and writes one response a line.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent.parent
# Nothing listens on port 1.
DATABASE_AWAY = "postgresql://nobody:nothing@127.0.0.1:1/none"
REDIS_AWAY = "redis://127.0.0.1:1/0"
# All that production requires, and no redirect to HTTPS, which a proxy in front would have ended.
PRODUCTION = {
    "SECRET_KEY": "only-for-tests-3f9c1b7e-3f9c1b7e-3f9c1b7e-3f9c1b7e-3f9c1b7e",
    "JWT_ACCESS_SECRET": "only-for-tests-8d2a6e40-8d2a6e40-8d2a6e40-8d2a6e40",
    "STOCK_SIGNING_KEYS": "test:only-for-tests-51c7d2f8-51c7d2f8-51c7d2f8-51c7d2f8",
    "ALLOWED_HOSTS": "testserver",
    "FRONTEND_URL": "https://www.example.com",
    "EMAIL_URL": "smtp://127.0.0.1:1",
    "DEFAULT_FROM_EMAIL": "no-reply@example.com",
    "DATABASE_URL": DATABASE_AWAY,
    "REDIS_URL": os.environ["REDIS_URL"],
    "SECURE_SSL_REDIRECT": "false",
    # The tests' own is 0, which production refuses.
    "HOUSE_MARKET_SPREAD": "0.02",
}


class Response(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    text: str
    seconds: float

    def json(self) -> Any:
        return json.loads(self.text)


class Conversation(NamedTuple):
    responses: list[Response]
    log: str

    def log_lines(self) -> list[dict[str, Any]]:
        """Fails where a line isn't a JSON object."""
        lines = [json.loads(line) for line in self.log.splitlines()]
        assert all(isinstance(line, dict) for line in lines)
        return lines


def run(arguments: list[str], environment: dict[str, str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Python in an environment that holds nothing but what is given and what Python needs to start."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VAR_DIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=kept | {"DJANGO_READ_DOT_ENV": "false"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def ask(*requests: dict[str, Any] | str, **environment: str) -> Conversation:
    """One process in production mode, asked in turn. A request is a path, or `{"path", "method", "headers", "body"}`."""
    asked = [{"path": request} if isinstance(request, str) else request for request in requests]
    ended = run(["-m", "tests.core.service_process"], PRODUCTION | environment, input=json.dumps(asked))
    assert ended.returncode == 0, ended.stderr
    return Conversation([Response(**json.loads(line)) for line in ended.stdout.splitlines()], ended.stderr)


def main() -> None:
    from django.conf import settings
    from django.test import Client

    from thisthat.wsgi import application

    assert application
    settings.ROOT_URLCONF = "tests.core.urls_for_tests"
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    for asked in json.load(sys.stdin):
        start = time.monotonic()
        response = client.generic(
            asked.get("method", "GET"),
            asked["path"],
            asked.get("body", ""),
            content_type="application/json",
            headers=asked.get("headers", {}),
        )
        response = {
            "status": response.status_code,
            "headers": {name.lower(): value for name, value in response.headers.items()},
            "text": response.content.decode(),
            "seconds": time.monotonic() - start,
        }
        print(json.dumps(response), flush=True)  # noqa: T201 - the response to the process that asked


if __name__ == "__main__":
    main()
