"""The OpenAPI description: operations with the error codes that each can return, and what all operations share.

Codes come from where they are decided: a view action lists its own errors in `operation(errors=[…])`; authenticators,
permissions and throttles add theirs, and so does having a body, parameters or an idempotency key.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, Literal, TypeVar, cast

from django.template.response import SimpleTemplateResponse
from django.utils.module_loading import autodiscover_modules
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_doc
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from core.api.errors import (
    CODES,
    BadRequest,
    DomainError,
    HeadersTooLarge,
    InternalError,
    MalformedJson,
    Overloaded,
    PayloadTooLarge,
    RequestTimeout,
    ResponseTimeout,
    TryAgain,
)
from core.api.idempotency import HEADER_PARAMETER, InProgress, KeyReused
from core.api.requests import Known, PerClientThrottle, warnings_about
from core.api.responses import add_warnings

ErrorClass = type[DomainError] | type[exceptions.APIException]
F = TypeVar("F", bound=Callable[..., Any])
# A text that a request must have: not blank once it is trimmed, and without NUL, which PostgreSQL doesn't store.
NOT_BLANK = r"^[^\x00]*[^\s\x00\x1c-\x1f\x85][^\x00]*$"
WITHOUT_NUL = r"^[^\x00]*$"

ALWAYS: tuple[ErrorClass, ...] = (
    BadRequest,
    HeadersTooLarge,
    InternalError,
    Overloaded,
    RequestTimeout,
    ResponseTimeout,
    TryAgain,
)
WITH_BODY: tuple[ErrorClass, ...] = (
    MalformedJson,
    PayloadTooLarge,
    exceptions.UnsupportedMediaType,
    exceptions.ValidationError,
)
IDEMPOTENT: tuple[ErrorClass, ...] = (KeyReused, InProgress, exceptions.ValidationError)
# What DRF raises, in the words of the table of codes.
MEANINGS: Mapping[type[exceptions.APIException], str] = {
    exceptions.ValidationError: "Fields of the request are missing or wrong; `details` has one entry a field.",
    exceptions.NotAuthenticated: "The operation needs an access token.",
    exceptions.AuthenticationFailed: "The access token is invalid or has expired.",
    exceptions.PermissionDenied: "The current user may not do this.",
    exceptions.NotFound: "There is no such resource, or no such path.",
    exceptions.MethodNotAllowed: "The path has no such method.",
    exceptions.UnsupportedMediaType: "The body isn't `application/json`.",
    exceptions.Throttled: "Too many requests from this client; `Retry-After` says when to try again.",
}
# Any path can get these, described or not.
OF_ANY_PATH: tuple[ErrorClass, ...] = (exceptions.NotFound, exceptions.MethodNotAllowed)

ERROR = {
    "type": "object",
    "required": ["success", "error", "code"],
    "properties": {
        "success": {"type": "boolean", "const": False},
        "error": {"type": "string", "description": "A sentence for a person."},
        "code": {"type": "string", "description": "Stable; what a client branches on."},
        "details": {
            "type": "array",
            "description": "On validation errors only, one entry a field.",
            "items": {
                "type": "object",
                "required": ["field", "message", "code"],
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
        "requestId": {"type": "string", "description": "On unexpected failures only."},
    },
}
HEALTH = {
    "get": {
        "operationId": "health",
        "summary": "The process responds",
        "tags": ["system"],
        "security": [{}],
        "responses": {
            "200": {
                "description": "Alive",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["status", "timestamp"],
                            "properties": {
                                "status": {"type": "string", "const": "ok"},
                                "timestamp": {"type": "string", "format": "date-time"},
                            },
                        },
                    },
                },
            },
        },
    },
}


def operation(
    *, errors: Sequence[ErrorClass] = (), throttles: Sequence[type[PerClientThrottle]] = (), **description: Any
) -> Callable[[F], F]:
    """Describe a view's action as drf-spectacular's `extend_schema` does, with the errors of its own that it returns.

    Errors that come from authentication, permissions, throttle classes, the body, parameters or the idempotency key are
    added by rule, and so is the header of an action that is `idempotent`. `throttles` are those that the action asks
    itself. What the description doesn't name is reported in the response's `warnings`.
    """
    known = known_names(description)

    def decorate(action: F) -> F:
        @wraps(action)
        def act(view: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
            view.known = known
            response = action(view, request, *args, **kwargs)
            # An idempotent action adds the warnings before its response is kept; what DRF renders isn't of this shape.
            if is_idempotent or isinstance(response, SimpleTemplateResponse):
                return response
            return add_warnings(response, warnings_about(request, known))

        is_idempotent = getattr(action, "is_idempotent", False)
        act.errors = tuple(errors)  # type: ignore[attr-defined]
        act.throttles = tuple(throttles)  # type: ignore[attr-defined]
        act.has_body = description.get("request") is not None  # type: ignore[attr-defined]
        if is_idempotent:
            given = [each for each in description.get("parameters", ()) if each is not HEADER_PARAMETER]
            description["parameters"] = [*given, HEADER_PARAMETER]
        return cast("F", extend_schema(**description)(act))

    return decorate


def known_names(description: Mapping[str, Any]) -> Known:
    """Return the names of the query parameters and body fields that `extend_schema` is given."""
    parameters: set[str] = set()
    for given in description.get("parameters", ()):
        if isinstance(given, OpenApiParameter):
            parameters |= {given.name} if given.location == OpenApiParameter.QUERY else set()
        else:
            parameters |= given._declared_fields.keys()  # noqa: SLF001 - known before any instance is made
    body = description.get("request")
    # A body that isn't one of our serializers is described as it is, as that of another service's events.
    fields = None if isinstance(body, dict) else frozenset(body._declared_fields if body else ())  # noqa: SLF001
    return Known(frozenset(parameters), fields)


class Schema(AutoSchema):
    """How drf-spectacular describes our operations."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        found: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if found:
            if limits := [described_throttle(each) for each in self.throttles()]:
                text = "Rate limits: " + "; ".join(limit.pop("text") for limit in limits) + "."
                found["description"] = f"{found.get('description', '')} {text}".strip()
                found["x-rate-limits"] = limits
            for status, refusal in error_responses(self.errors_of(found)).items():
                found["responses"][status] = either(found["responses"].get(status), refusal)
            self.let_parameters_be_empty(found.get("parameters", ()))
        return found

    def _get_request_body(self, direction: Literal["request", "response"] = "request") -> Any:
        """Describe the body of a DELETE too, where the operation declares one: drf-spectacular leaves it out."""
        if self.method != "DELETE" or not getattr(self.action_method, "has_body", False):
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        self.method = "POST"
        try:
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        finally:
            self.method = "DELETE"

    def let_parameters_be_empty(self, parameters: Iterable[dict[str, Any]]) -> None:
        """Say of optional query parameters that an empty one counts as not given, unless it was declared otherwise."""
        declared = [each for each in self.get_override_parameters() if isinstance(each, OpenApiParameter)]
        never_empty = {each.name for each in declared if not each.allow_blank}
        for parameter in parameters:
            if parameter["in"] == "query" and not parameter.get("required") and parameter["name"] not in never_empty:
                parameter["allowEmptyValue"] = True
                parameter["schema"].pop("minLength", None)

    def _map_basic_serializer(self, serializer: Any, direction: Literal["request", "response"]) -> Any:
        """Describe what a text of a request has to be, which drf-spectacular leaves out; a field's `pattern` wins."""
        found = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        for name, described in found["properties"].items() if direction == "request" else ():
            field = serializer.fields[name]
            if isinstance(field, serializers.CharField) and "oneOf" not in described:
                if not field.allow_blank:
                    described.setdefault("minLength", 1)
                if hasattr(field, "pattern"):
                    described.update({"pattern": field.pattern} if field.pattern else {})
                elif "pattern" not in described and "format" not in described:
                    is_trimmed = field.trim_whitespace and not field.allow_blank
                    described["pattern"] = NOT_BLANK if is_trimmed else WITHOUT_NUL
        return found

    def errors_of(self, described: Mapping[str, Any]) -> Iterator[ErrorClass]:
        """Yield the error classes that the operation can return."""
        action = self.action_method
        yield from ALWAYS
        yield from getattr(action, "errors", ())
        permissions = self.view.get_permissions()
        if any(not isinstance(permission, AllowAny) for permission in permissions):
            yield exceptions.NotAuthenticated
        for authenticator in self.view.get_authenticators():
            yield from getattr(authenticator, "errors", (exceptions.AuthenticationFailed,))
        for permission in permissions:
            yield from getattr(permission, "errors", ())
        if self.throttles():
            yield exceptions.Throttled
        if "requestBody" in described:
            yield from WITH_BODY
        if any(parameter["in"] == "query" for parameter in described.get("parameters", ())):
            yield exceptions.ValidationError
        if getattr(action, "is_idempotent", False):
            yield from IDEMPOTENT

    def throttles(self) -> list[Any]:
        """Return the throttles that the operation's requests are counted by, before or in its action."""
        return [*self.view.get_throttles(), *(kind() for kind in getattr(self.action_method, "throttles", ()))]

    @property
    def action_method(self) -> Any:
        return getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Return False: every response is an object that says what is in it; a bare list is never sent."""
        return False

    def get_description(self) -> str:  # type: ignore[override]
        """Return what the operation says of itself: a view's docstring is for readers of the code."""
        return str(get_doc(self.action_method))

    def get_serializer_name(self, serializer: Any, direction: Literal["request", "response"]) -> str:
        return str(super().get_serializer_name(serializer, direction)).removesuffix("Schema")


def described_throttle(throttle: PerClientThrottle) -> dict[str, Any]:
    limit, window = throttle.num_requests, throttle.duration
    what = {"policy": throttle.scope, "limit": limit, "window": window, "counted": throttle.counted}
    return what | {"text": f"`{throttle.scope}`, {limit:,} in {window:,} seconds by {throttle.counted}"}


def status_and_code(error: ErrorClass) -> tuple[int, str]:
    if issubclass(error, DomainError):
        return error.status, error.code
    return error.status_code, CODES.get(error, error.default_code)


def meaning_of(error: ErrorClass) -> str:
    return error.message if issubclass(error, DomainError) else MEANINGS[error]


def error_responses(errors: Iterable[ErrorClass]) -> dict[str, Any]:
    """Return the OpenAPI responses of the errors: for each status the Error with the codes that it can have."""
    codes: dict[int, set[str]] = {}
    for status, code in map(status_and_code, errors):
        codes.setdefault(status, set()).add(code)
    return {str(status): error_response(sorted(found)) for status, found in sorted(codes.items())}


def error_response(codes: Sequence[str]) -> dict[str, Any]:
    narrowed = {"type": "object", "properties": {"code": {"type": "string", "enum": list(codes)}}}
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {"application/json": {"schema": {"allOf": [{"$ref": "#/components/schemas/Error"}, narrowed]}}},
    }


def either(response: dict[str, Any] | None, refusal: dict[str, Any]) -> dict[str, Any]:
    """Return the response of a status that an operation uses for a response of its own and for errors."""
    if response is None:
        return refusal
    schemas = [each["content"]["application/json"]["schema"] for each in (response, refusal)]
    description = f"{response['description']} {refusal['description']}".strip()
    return {"description": description, "content": {"application/json": {"schema": {"anyOf": schemas}}}}


def all_errors() -> list[ErrorClass]:
    """Return all error classes that have a code of their own: DRF's that are used, and those of the apps."""
    autodiscover_modules("errors")
    own = [error for error in subclasses(DomainError) if "code" in vars(error)]
    return [*MEANINGS, *(error for error in own if not error.__module__.startswith("tests."))]


def subclasses(parent: type[DomainError]) -> Iterator[type[DomainError]]:
    for child in parent.__subclasses__():
        yield child
        yield from subclasses(child)


def codes_in(operations: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the error codes of described operations."""
    return {
        code
        for described in operations
        for response in described["responses"].values()
        for content in response.get("content", {}).values()
        for schema in content["schema"].get("anyOf", [content["schema"]])
        for part in schema.get("allOf", ())
        for code in part.get("properties", {}).get("code", {}).get("enum", ())
    }


def add_common_parts(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add the Error component with all codes and their meanings, and `/health`, a plain view.

    A drf-spectacular postprocessing hook.
    """
    result["paths"]["/health"] = HEALTH
    operations = [described for methods in result["paths"].values() for described in methods.values()]
    codes = codes_in(operations) | {status_and_code(error)[1] for error in OF_ANY_PATH}
    meanings: dict[str, str] = {}
    for error in sorted(all_errors(), key=lambda error: status_and_code(error)[1]):
        _, named = status_and_code(error)
        # A code that is another condition under another status has both meanings.
        meanings |= {named: " ".join(filter(None, (meanings.get(named), meaning_of(error))))} if named in codes else {}
    code = ERROR["properties"]["code"] | {"enum": list(meanings), "x-enum-descriptions": meanings}  # type: ignore[index]
    properties = ERROR["properties"] | {"code": code}  # type: ignore[operator]
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = {**ERROR, "properties": properties}
    return result
