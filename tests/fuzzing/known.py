"""The failures of Schemathesis's checks that are right as they are, each with the reason.

OpenAPI can't say everything that a request has to be. What it could say belongs into the description instead, and what
is wrong is corrected in the service. An entry that a run doesn't meet any more fails `test_schema_fuzzing`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Codes of requests that are malformed; every other 400 is a rule of the game that said no.
MALFORMED_STATUS = 400
MALFORMED = frozenset({"validation_error", "parse_error", "bad_request"})


@dataclass(frozen=True, slots=True)
class Known:
    """A documented failure.

    `operation` is a regular expression of `METHOD /path`; `field` and `code` are of an entry of `details`, both regular
    expressions too. Without a field it is about the response as a whole: `status`, and any code but MALFORMED ones.
    `rare`: met by chance, in long runs alone.
    """

    check: str
    reason: str
    operation: str = ".*"
    status: int = 400
    field: str = ""
    code: str = ""
    rare: bool = False


ACCEPTED = "positive_data_acceptance"
KNOWN = (
    Known(ACCEPTED, "400 is the contract's status also for what a rule of the game refuses, as `odds_moved`."),
    Known(
        "not_a_server_error",
        "503 is how /ready says that the service isn't ready, as when jobs are late: here none runs.",
        operation="GET /ready",
        status=503,
        rare=True,
    ),
    Known(
        ACCEPTED,
        "Cursors are opaque: only those that a list gave are taken.",
        operation="GET /api/v1/(markets|events|transactions/me|notifications/me)",
        field="cursor",
        code="invalid(_cursor)?",
    ),
    Known(
        ACCEPTED,
        "OpenAPI can't say that one parameter excludes another.",
        operation="GET /api/v1/(markets|transactions/me|leaderboard/(pnl|volume|me))",
        field="skip|offset|filter|timeFilter|category",
        code="conflict",
    ),
    Known(
        ACCEPTED,
        "JSON Schema's multipleOf isn't exact in floats, so how many decimals a number may have is said in words.",
        field="amount|shares|minLiquidity|maxSpread",
        code="max_decimal_places|max_digits|max_whole_digits",
    ),
    Known(
        ACCEPTED,
        "OpenAPI could say that one of two fields is needed only by listing every combination of them.",
        operation="POST /api/v1/notifications/read",
        field="ids",
        code="required",
    ),
    Known(
        ACCEPTED,
        "OpenAPI can't compare two fields.",
        operation="POST /api/v1/bets(/quote)?",
        field="minOdds",
        code="max_value",
        rare=True,
    ),
    Known(
        ACCEPTED,
        "How good a password is can't be said in a schema.",
        operation="POST /api/v1/auth/(signup|password/change)",
        field="password|newPassword",
        code=".*",
    ),
    Known(
        ACCEPTED,
        "Formats `email` and `uri` allow more than can be reached, as hosts without a dot.",
        operation="POST /api/v1/auth/(signup|password/forgot)|PATCH /api/v1/users/me",
        field="email|avatarUrl",
        code="invalid",
    ),
    Known(
        ACCEPTED,
        "Some usernames are reserved, and names need a character that can be seen: both are said in words.",
        operation="POST /api/v1/auth/signup|PATCH /api/v1/users/me",
        field="username|name|bio",
        code="reserved|invisible|direction|blank|null_characters_not_allowed",
        rare=True,
    ),
    Known(
        ACCEPTED,
        "Whether a password is needed depends on the user, which OpenAPI can't say.",
        operation="DELETE /api/v1/users/me",
        field="password",
        code="required",
    ),
    Known(
        ACCEPTED,
        "How much one ingestion may take in is a setting of the operator.",
        operation="POST /api/v1/markets/ingest",
        field="limit",
        code="max_value",
    ),
)


def explanations(check: str, operation: str, status: int, body: Mapping[str, Any]) -> set[Known]:
    """Return the entries that explain a failure; none where any part of it is without one."""
    here = [
        known
        for known in KNOWN
        if known.check == check and known.status == status and re.fullmatch(known.operation, operation)
    ]
    details = body.get("details")
    if status != MALFORMED_STATUS or not details:
        return {known for known in here if not known.field and body.get("code") not in MALFORMED}
    found = [
        {
            known
            for known in here
            if known.field
            and re.fullmatch(known.field, each.get("field", ""))
            and re.fullmatch(known.code, each.get("code", ""))
        }
        for each in details
    ]
    return set().union(*found) if all(found) else set()
