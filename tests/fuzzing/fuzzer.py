"""Schemathesis over the served application, with all of its checks, as one client or another."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any

import schemathesis
import yaml
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import Interaction, ScenarioRecorder
from schemathesis.hooks import unregister

from tests.api_contract import DESCRIPTION
from tests.fuzzing.known import Known, explanations

SLOWEST_RESPONSE_SECONDS = 20
PHASES = ("examples", "coverage", "fuzzing", "stateful")
LETTERS_SHOWN = 700
KEY, VALID_KEY, LETTERS_KEPT, ONE_KEY_TWICE_IN = "Idempotency-Key", re.compile(r"[!-~]([ -~]{0,253}[!-~])?"), 200, 10
# What a client sends that is broken or hostile: `Authorization`, and headers that the service reads.
GARBAGE: tuple[dict[str, str], ...] = (
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer not.a.token"},
    {"Authorization": "Bearer \u00ff\u00fe"},
    {"Authorization": "Basic YW5uOmFubg=="},
    {"Authorization": "Bearer a b c"},
    {"Authorization": f"Bearer {'x' * 6_000}"},
    {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJ1c2VySWQiOiIxIn0."},
    {"Accept": "text/html;q=0.9, \u00e9/*;q=zzz"},
    {"Accept-Language": "zz-\u00e9, ;;;"},
    {"X-Request-ID": "\u00e9\t';--"},
    {"X-Forwarded-For": "999.1.1.1, ::1, \u00e9"},
    {"X-Forwarded-Proto": "gopher"},
    {"If-None-Match": 'W/"\u00e9", *, "'},
    {"Idempotency-Replayed": "true", "Idempotency-Key": "\u00e9" * 300},
    {"Cookie": "sessionid=\u00e9; sessionid=x; =;;"},
    {"Origin": "null"},
    {"Content-Encoding": "gzip"},
)


@dataclass(frozen=True, slots=True)
class Client:
    """A sender of requests, with its token first; the objects of the other tokens' users must stay their own."""

    name: str
    tokens: Mapping[str, str] = field(default_factory=dict)
    garbage: bool = False


@dataclass(slots=True)
class Report:
    """What a run sent and checked, and what failed: unexplained, by kind, with how often and the first of each."""

    client: str
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    used: set[Known] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    explained: int = 0
    errors: list[str] = field(default_factory=list)

    def unexplained(self) -> list[str]:
        return [f"{count} times, as {self.client}: {self.first[kind]}" for kind, count in self.kinds.items()]

    def __str__(self) -> str:
        return (
            f"{self.client}: {self.requests} requests to {len(self.operations)} operations {dict(self.phases)}, "
            f"{sum(self.checks.values())} checks of {len(self.checks)} kinds, statuses {dict(sorted(self.statuses.items()))}, "
            f"{self.explained} documented failures, {sum(self.kinds.values())} others"
        )


def fuzz(
    base: str, client: Client, folder: Path, *, seed: int, phases: Mapping[str, int], seconds: int | None = None
) -> Report:
    """Run the phases, each with as many examples an operation; with `seconds`, as many as there is time for."""
    config = {
        "seed": seed,
        "suppress-health-check": ["all"],
        "base-url": base,
        "continue-on-failure": True,
        "request-timeout": SLOWEST_RESPONSE_SECONDS,
        "workers": 1,
        "generation": {"no-shrink": True},
        "checks": {"max_response_time": SLOWEST_RESPONSE_SECONDS},
        "phases": {name: phase(name, phases) for name in PHASES},
        "auth": {"auto-signup": False, **identities(client, folder)},
    }
    schema = schemathesis.openapi.from_path(
        DESCRIPTION, config=SchemathesisConfig.from_dict(config | ({"max-time": seconds} if seconds else {}))
    )
    # It goes on for ever: tests/stream has it.
    schema = schema.exclude(operation_id="stream")
    report = Report(client.name)
    with changing_headers(garbage=client.garbage):
        for event in from_schema(schema).execute():
            if isinstance(event, events.ScenarioFinished):
                read(event.recorder, event.phase.value, report)
            elif isinstance(event, events.NonFatalError):
                report.errors.append(f"{event.label}: {event.value}")
            elif isinstance(event, events.FatalError):
                report.errors.append(repr(event.exception))
    return report


def phase(name: str, phases: Mapping[str, int]) -> dict[str, Any]:
    examples = phases.get(name, 0)
    # The coverage phase sends everything that it finds in the description, once.
    return {"enabled": bool(examples)} | ({} if name == "coverage" else {"generation": {"max-examples": examples or 1}})


def identities(client: Client, folder: Path) -> dict[str, Any]:
    """Return the configuration of tokens; the first is the client's own."""
    if not client.tokens:
        return {}
    path = folder / f"{client.name}.yaml"
    headers = {name: [{"name": "Authorization", "value": f"Bearer {token}"}] for name, token in client.tokens.items()}
    path.write_text(yaml.safe_dump({"auth": [{"name": name, "fixedHeaders": sent} for name, sent in headers.items()]}))
    names = list(client.tokens)
    return {"wfc": {"path": str(path), "user": names[0], **({"peers": names} if len(names) > 1 else {})}}


@contextmanager
def changing_headers(*, garbage: bool) -> Iterator[None]:
    """Change each request inside the block: a key of its own for most; with `garbage` one of GARBAGE, in turn."""
    numbers, sets = count(1), cycle(GARBAGE if garbage else [{}])

    def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
        number, key = next(numbers), (case.headers or {}).get(KEY)
        # Else everything but the first would be refused as a request that is sent again with another body.
        if isinstance(key, str) and VALID_KEY.fullmatch(key) and number % ONE_KEY_TWICE_IN:
            case.headers[KEY] = f"{key[:LETTERS_KEPT]}-{number}"
        case.headers.update(next(sets))

    schemathesis.hook(before_call)
    try:
        yield
    finally:
        unregister(before_call)


def read(recorder: ScenarioRecorder, phase: str, report: Report) -> None:
    report.requests += len(recorder.interactions)
    report.phases[phase] += len(recorder.interactions)
    for case_id, exchange in recorder.interactions.items():
        report.statuses[exchange.response.status_code if exchange.response is not None else 0] += 1
        report.operations[recorder.cases[case_id].value.operation.label] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            report.checks[check.name] += 1
            if check.failure_info is not None:
                failure = check.failure_info.failure
                at = failure.case_id or case_id
                note(check.name, failure, recorder.cases[at].value, recorder.interactions[at], report)


def note(check: str, failure: Failure, case: Any, exchange: Interaction, report: Report) -> None:
    """Add a failed check to the report, unless it is one that is documented."""
    label, status, body = case.operation.label, 0, {}
    if exchange.response is not None:
        status, body = exchange.response.status_code, json_of(exchange.response)
    known = explanations(check, label, status, body)
    if known:
        report.used |= known
        report.explained += 1
        return
    kind = " ".join([check, label, str(status), str(body.get("code", "")), detail_names(body)])
    report.kinds[kind] += 1
    request = exchange.request
    report.first.setdefault(
        kind,
        f"{check} of {label}: {request.method} {request.uri} {(request.body or b'')[:LETTERS_SHOWN]!r} "
        f"-> {status} {str(body)[:LETTERS_SHOWN]}: {failure.title}. {failure.message[:LETTERS_SHOWN]}",
    )


def json_of(response: Any) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def detail_names(body: Mapping[str, Any]) -> str:
    return ",".join(sorted({f"{each.get('field')}:{each.get('code')}" for each in body.get("details") or ()}))
