"""Validate the service's responses against docs/openapi.yaml: path, method, status, error code and the whole body.

`tests/conftest.py` has every response of Django's test client validated. Stricter than the description in one point:
a field that it doesn't know fails too.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

DESCRIPTION = Path(__file__).resolve().parent.parent / "docs" / "openapi.yaml"
# Pages for browsers, what Prometheus reads, and the views that tests add.
NOT_THE_API = re.compile(r"/$|/(admin|dev|static|metrics|tests|plain|api/(docs|redoc|schema|tests))(/|$)")
REDIRECTS_AND_EMPTY = frozenset({204, 301, 302, 304})
EXACT_IN_FLOATS = 10**15
EVENT_STREAM = "text/event-stream"
UNKNOWN_PATH = frozenset({"not_found", "bad_request", "payload_too_large"})


def validate_response(method: str, path: str, status: int, body: bytes) -> None:
    """Raise AssertionError where the description doesn't say that such a request can get such a response."""
    if NOT_THE_API.match(path) or status in REDIRECTS_AND_EMPTY or (method == "OPTIONS" and not body):
        return
    path = path.rstrip("/") or "/"
    methods = find_path(path)
    where = f"{method} {path} -> {status}"
    if method == "HEAD":
        assert not body, where
        return
    if methods is None:
        validate_error(where, body, UNKNOWN_PATH)
        return
    template, described = methods
    if method.lower() not in described:
        validate_error(where, body, codes_of(template) | {"method_not_allowed"})
        return
    operation = described[method.lower()]
    assert str(status) in operation["responses"], f"{where}: the status isn't described; {body[:300]!r}"
    if EVENT_STREAM in operation["responses"][str(status)].get("content", {}):
        return
    validate_body(where, body, validator(template, method.lower(), str(status)))


def validate_error(where: str, body: bytes, codes: frozenset[str]) -> None:
    validate_body(where, body, error_validator())
    code = json.loads(body)["code"]
    assert code in codes, f"{where}: {code} isn't described"


def validate_body(where: str, body: bytes, against: Any) -> None:
    found = json.loads(body)
    errors = [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in against.iter_errors(found)]
    assert not errors, f"{where} differs from docs/openapi.yaml: {'; '.join(errors)[:1500]}"


@cache
def description() -> dict[str, Any]:
    read: dict[str, Any] = yaml.load(DESCRIPTION.read_text(), Loader=yaml.CSafeLoader)
    close_objects(read)
    drop_bounds_beyond_floats(read)
    return read


def drop_bounds_beyond_floats(part: Any) -> None:
    """Forget bounds that a float can't tell from the largest value inside them: 9999999999999999.99 reads as 1e16."""
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        drop_bounds_beyond_floats(each)
    if isinstance(part, dict):
        for bound in ("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"):
            if isinstance(part.get(bound), (int, float)) and abs(part[bound]) > EXACT_IN_FLOATS:
                del part[bound]


def close_objects(part: Any, *, open_ended: bool = False) -> None:
    """Let no schema accept fields that it doesn't name."""
    if isinstance(part, list):
        for each in part:
            close_objects(each, open_ended=open_ended)
    elif isinstance(part, dict):
        if isinstance(part.get("properties"), dict) and not open_ended:
            part.setdefault("additionalProperties", False)
        for name, each in part.items():
            close_objects(each, open_ended=name == "allOf")


@cache
def templates() -> list[tuple[str, re.Pattern[str]]]:
    """Paths with parameters, and what they match."""
    paths = [path for path in description()["paths"] if "{" in path]
    return [(path, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))) for path in paths]


def find_path(path: str) -> tuple[str, dict[str, Any]] | None:
    """The described path and its methods; one without parameters wins."""
    paths = description()["paths"]
    if path in paths:
        return path, paths[path]
    return next(((name, paths[name]) for name, pattern in templates() if pattern.fullmatch(path)), None)


@cache
def codes_of(template: str) -> frozenset[str]:
    """All error codes of a path's operations."""
    text = json.dumps(description()["paths"][template])
    return frozenset(code for found in re.findall(r'"enum": (\[[^\]]*\])', text) for code in json.loads(found))


@cache
def validator(template: str, method: str, status: str) -> Any:
    content = description()["paths"][template][method]["responses"][status].get("content", {})
    return compiled(content["application/json"]["schema"] if content else {"const": None})


@cache
def error_validator() -> Any:
    """Of an error with any code: those of a path that isn't described, or not completely."""
    error = {**description()["components"]["schemas"]["Error"]}
    return compiled({**error, "properties": {**error["properties"], "code": {"type": "string"}}})


def compiled(schema: dict[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": description()["components"]}, validate_formats=True
    )
