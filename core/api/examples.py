"""Examples in the OpenAPI description: of requests and responses as they were sent, and of every error.

The first are of `docs/responses.json`, which `make examples` records by sending what is in `docs/examples.yaml`.
"""

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings

JSON_TYPE, STREAM_TYPE = "application/json", "text/event-stream"
METHODS = ("get", "post", "patch", "put", "delete")
DETAILS = [{"field": "amount", "message": "This field is required.", "code": "required"}]


def add_examples(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add an example of each request and response of an operation. A drf-spectacular postprocessing hook, the last."""
    recorded = json.loads((settings.BASE_DIR / "docs" / "responses.json").read_text())
    meanings = result["components"]["schemas"]["Error"]["properties"]["code"]["x-enum-descriptions"]
    codes: set[str] = set()
    for described in operations_of(result):
        for number, sent in enumerate(recorded.get(described["operationId"], ()), 1):
            add_sent(described, sent, name=f"example{number}")
        for response in described["responses"].values():
            codes |= add_errors(response)
    result["components"]["examples"] = {code: error_example(code, meanings[code]) for code in sorted(codes)}
    return result


def operations_of(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [methods[method] for methods in result["paths"].values() for method in METHODS if method in methods]


def add_sent(described: dict[str, Any], sent: Mapping[str, Any], *, name: str) -> None:
    """Add what was sent once, and what came back."""
    titled = {"summary": sent["title"]} if sent.get("title") else {}
    bodies = {"request": described.get("requestBody"), "response": described["responses"].get(str(sent["status"]))}
    for part, body in bodies.items():
        content = content_of(body, sent[part])
        if content is not None and sent[part] is not None:
            content.setdefault("examples", {})[name] = {**titled, "value": sent[part]}


def content_of(body: Mapping[str, Any] | None, value: Any) -> dict[str, Any] | None:
    """Return the description of such a body: text is a stream's, all else JSON."""
    found: dict[str, Any] | None = (
        (body or {}).get("content", {}).get(STREAM_TYPE if isinstance(value, str) else JSON_TYPE)
    )
    return found


def add_errors(response: dict[str, Any]) -> set[str]:
    """Add an example of each error code that the response is described with; return the codes."""
    codes: set[str] = set()
    content = response.get("content", {}).get(JSON_TYPE, {})
    schema = content.get("schema", {})
    for shape in schema.get("anyOf", [schema]):
        for part in shape.get("allOf", ()):
            codes |= {*part.get("properties", {}).get("code", {}).get("enum", ())}
    for code in sorted(codes):
        content.setdefault("examples", {})[code] = {"$ref": f"#/components/examples/{code}"}
    return codes


def error_example(code: str, text: str) -> dict[str, Any]:
    value: dict[str, Any] = {"success": False, "error": text, "code": code}
    if code == "validation_error":
        value |= {"error": "amount: This field is required.", "details": DETAILS}
    if code == "internal_error":
        value["requestId"] = "5b6a4d0d4a5c4b6f8c5e0f6f3a1d2b7c"
    return {"value": value}
