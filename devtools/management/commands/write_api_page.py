"""docs/api.md: what the API's own description says, for readers, with a request that works for every operation."""

import json
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

Json = Mapping[str, Any]
METHODS = ("get", "post", "patch", "put", "delete")
MARK = "*"
OK = 200
LINE = 110
# What comes of a path or method that isn't described, and no operation lists.
UNLISTED_STATUS = {"not_found": {"404"}, "method_not_allowed": {"405"}}
# A code of more operations than this share of all is said to be of any.
MOST = 0.7
LIMITS = """A response that was counted has `RateLimit-Policy`, its policies (`q` requests in `w` seconds), and `RateLimit`, what is left
of them (`r` requests; one more in at most `t` seconds). Beyond a limit: 429 with `Retry-After`. Who runs the service may have other
rates, which its own `/api/docs` shows."""  # noqa: E501 - of a page of its own
INTRODUCTION = """# API

Made by `make openapi` from the [API description](openapi.yaml) and the [examples](examples.yaml), which the tests send.
A running service shows the same at `/api/docs`.

Success is `{"success": true, …}`. Every failure is `{"success": false, "error": "<a sentence>", "code": "<stable_snake_case>",
"details": […]}`, with `details` for invalid fields alone; [all codes](#error-codes). Operations with a key 🔑 want the header
`Authorization: Bearer <accessToken>`. Those that move credits take an `Idempotency-Key`: the same request again gets the
first one's response. Parameters and fields that an operation doesn't know are ignored, and reported in `warnings` of the response:
`[{"field", "message", "code"}]`. [Rate limits](#rate-limits) are told in headers.

The sections come in the order in which a frontend needs them: sign up or in, markets, bet, sell. Each request is followed by what came
back once, of long lists the first two.

The examples work in a shell from first to last of that file, with `API=http://127.0.0.1:8000` after `make run`. Names in
capitals are what earlier responses gave: `jq -r .accessToken` takes one out of a response.
"""  # noqa: E501 - a page of its own


def write_page(schema: Json, examples: Sequence[Json]) -> str:
    """Return the page as Markdown. Raises ValueError for an operation without an example, and the other way round."""
    shown = by_operation(schema, examples)
    parts = [INTRODUCTION]
    for tag, operations in by_tag(schema, [*shown]):
        parts.append(f"## {tag['name'].capitalize()}\n\n{tag['description']}.\n")
        parts += [describe(schema, operation, shown[operation["operationId"]]) for operation in operations]
    parts += [limits_table(schema), codes_table(schema)]
    return "\n".join(parts)


def limits_table(schema: Json) -> str:
    """Return all rate limits, and the operations that each is of."""
    limits: dict[str, tuple[Json, list[str]]] = {}
    for operation in operations_of(schema):
        for limit in operation.get("x-rate-limits", []):
            limits.setdefault(limit["policy"], (limit, []))[1].append(operation["operationId"])
    lines = ["## Rate limits", "", LIMITS, "", "| policy | requests | seconds | counted by | operations |"]
    lines.append("|---|---|---|---|---|")
    for policy, (limit, names) in sorted(limits.items()):
        where = ", ".join(f"`{name}`" for name in sorted(names))
        lines.append(f"| `{policy}` | {limit['limit']} | {limit['window']} | {limit['counted']} | {where} |")
    return "\n".join([*lines, ""])


def codes_table(schema: Json) -> str:
    """Return all error codes with their status, what each means, and the operations that can return it."""
    found: dict[str, tuple[set[str], list[str]]] = {}
    operations = list(operations_of(schema))
    for operation in operations:
        for status, code in error_codes(operation):
            statuses, names = found.setdefault(code, (set(), []))
            statuses.add(status)
            names.append(operation["operationId"])
    meanings = schema["components"]["schemas"]["Error"]["properties"]["code"]["x-enum-descriptions"]
    lines = ["## Error codes", "", "| code | status | meaning | operations |", "|---|---|---|---|"]
    for code, meaning in meanings.items():
        statuses, names = found.get(code, (UNLISTED_STATUS.get(code, set()), []))
        everywhere = not names or len(names) > len(operations) * MOST
        where = "any" if everywhere else ", ".join(f"`{name}`" for name in sorted(names))
        lines.append(f"| `{code}` | {', '.join(sorted(statuses))} | {' '.join(meaning.split())} | {where} |")
    return "\n".join([*lines, ""])


def error_codes(operation: Json) -> Iterator[tuple[str, str]]:
    """Yield status and code of each error of an operation."""
    for status, response in operation["responses"].items():
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        for shapes in [each.get("allOf", []) for each in schema.get("anyOf", [schema])]:
            for shape in shapes:
                yield from ((status, code) for code in shape.get("properties", {}).get("code", {}).get("enum", []))


def by_operation(schema: Json, examples: Sequence[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for example in examples:
        found[example["operation"]].append(example)
    names = {operation["operationId"] for operation in operations_of(schema)}
    if names != set(found):
        raise ValueError(f"An operation without an example, or the other way round: {sorted(names ^ set(found))}")
    return found


def operations_of(schema: Json) -> Iterator[dict[str, Any]]:
    for path, methods in schema["paths"].items():
        for method in METHODS:
            if method in methods:
                yield {"path": path, "method": method.upper(), **methods[method]}


def by_tag(schema: Json, order: Sequence[str]) -> list[tuple[Json, list[dict[str, Any]]]]:
    """Return each tag of the description, in its order, with its operations in the order of their first examples."""
    operations = sorted(operations_of(schema), key=lambda operation: order.index(operation["operationId"]))
    return [(tag, [each for each in operations if each["tags"][0] == tag["name"]]) for tag in schema["tags"]]


def describe(schema: Json, operation: Json, examples: Sequence[Json]) -> str:
    key = " 🔑" if {} not in operation.get("security", [{}]) else ""
    lines = [f"### {operation['summary']}{key}", "", f"`{operation['method']} {operation['path']}`", ""]
    if operation.get("description"):
        lines += [paragraph for part in operation["description"].split("\n\n") for paragraph in (written(part), "")]
    lines += parameters(operation)
    lines += body(schema, operation)
    for example, response in zip(examples, responses(operation, examples), strict=True):
        lines += show(example, response)
    return "\n".join(lines)


def written(paragraph: str) -> str:
    """Return a paragraph on one line; a list keeps its lines."""
    return paragraph if paragraph.startswith("- ") else " ".join(paragraph.split())


def responses(operation: Json, examples: Sequence[Json]) -> list[Any]:
    """Return what came back for each example, as the description has it; None without a body."""
    found = []
    for number, example in enumerate(examples, 1):
        response = operation["responses"].get(str(example.get("status", OK)), {})
        content = response.get("content", {})
        shown = (content.get("application/json") or content.get("text/event-stream", {})).get("examples", {})
        found.append(shown.get(f"example{number}", {}).get("value"))
    return found


def parameters(operation: Json) -> list[str]:
    common = {"Idempotency-Key", "If-None-Match", "X-Request-ID"}
    rows = [row(given, given["schema"]) for given in operation.get("parameters", []) if given["name"] not in common]
    return table("parameter", rows)


def body(schema: Json, operation: Json) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    fields = resolved(schema, content.get("application/json", {}).get("schema", {}))
    required = fields.get("required", [])
    rows = [
        row({"name": name, "required": name in required, **field}, resolved(schema, field))
        for name, field in fields.get("properties", {}).items()
    ]
    return table("field", rows)


def resolved(schema: Json, part: Json) -> Json:
    """Return what a `$ref` stands for, alone or as the only one of an `allOf`."""
    if len(part.get("allOf", [])) == 1:
        part = part["allOf"][0]
    name = part.get("$ref", "").removeprefix("#/components/schemas/")
    return schema["components"]["schemas"][name] if name else part


def row(given: Json, kind: Json) -> str:
    name = f"`{given['name']}`{' ' + MARK if given.get('required') else ''}"
    said = " ".join(str(given.get("description", "")).split()).replace("|", "\\|")
    return f"| {name} | {type_of(kind)} | {said} |"


def type_of(kind: Json) -> str:
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"] if value not in (None, ""))
    named = kind.get("type", "")
    words = [word for word in (named if isinstance(named, list) else [named]) if word != "null"]
    return " or ".join([*words, *([str(kind["format"])] if "format" in kind else [])])


def table(what: str, rows: list[str]) -> list[str]:
    if not rows:
        return []
    return [f"| {what} ({MARK} required) | type | |", "|---|---|---|", *rows, ""]


def show(example: Json, response: Any) -> list[str]:
    kept = [f"`{name}` is `{path}`" for name, path in example.get("keep", {}).items()]
    status = example.get("status", OK)
    after = [f"Responds with {status}." if status != OK else "", f"Of the response, {', '.join(kept)}." if kept else ""]
    said = " ".join(filter(None, after))
    title = [f"{example['title']}:", ""] if "title" in example else []
    came_back = [] if response is None else ["```json", readable(response), "```", ""]
    if isinstance(response, str):
        came_back = ["```text", response.strip(), "```", ""]
    browser = ["In a browser:", "", "```js", example["browser"].strip(), "```", ""] if "browser" in example else []
    return [*title, "```sh", example["curl"].strip(), "```", "", *([said, ""] if said else []), *came_back, *browser]


def readable(value: Any, indent: int = 0) -> str:
    """Return JSON with what fits on one line, and the parts of anything else on lines of their own."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= LINE or not isinstance(value, (dict, list)):
        return line
    inner = " " * (indent + 2)
    if isinstance(value, list):
        parts = [inner + readable(each, indent + 2) for each in value]
        return "[\n" + ",\n".join(parts) + f"\n{' ' * indent}]"
    fields, lines, row = [f"{json.dumps(name)}: {readable(each, indent + 2)}" for name, each in value.items()], [], ""
    for field in fields:
        if row and ("\n" in field or "\n" in row or len(inner) + len(row) + len(field) + 2 > LINE):
            lines.append(row)
            row = ""
        row += f", {field}" if row else field
    return "{\n" + ",\n".join(inner + each for each in [*lines, row]) + f"\n{' ' * indent}}}"


class Command(BaseCommand):
    help = "Writes the page about the API from its description and the examples."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, what in (("schema", "the description"), ("examples", "the examples"), ("file", "the page")):
            parser.add_argument(f"--{name}", type=Path, required=True, help=f"where {what} is")

    def handle(self, *args: Any, **options: Any) -> None:
        schema, examples = (yaml.safe_load(options[name].read_text()) for name in ("schema", "examples"))
        try:
            page = write_page(schema, examples)
        except ValueError as wrong:
            raise CommandError(str(wrong)) from wrong
        options["file"].write_text(page)
