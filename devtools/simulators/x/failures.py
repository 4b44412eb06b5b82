"""What a sign-in may be asked to fail by, and where."""

from typing import NamedTuple


class Failure(NamedTuple):
    """`kind` is an HTTP status, or html, garbage, huge, hang (no answer) or drip (an answer that never ends)."""

    label: str
    where: str
    kind: str


FAILURES = {
    "error": Failure("X reports an error", "authorize", "server_error"),
    "bad_code": Failure("the code is bad", "authorize", "bad_code"),
    "token_500": Failure("token: status 500", "token", "500"),
    "token_html": Failure("token: a page instead of JSON", "token", "html"),
    "token_garbage": Failure("token: JSON of another shape", "token", "garbage"),
    "token_redirect": Failure("token: a redirect", "token", "307"),
    "token_hang": Failure("token: no answer", "token", "hang"),
    "token_drip": Failure("token: an answer that never ends", "token", "drip"),
    "user_429": Failure("users/me: status 429", "user", "429"),
    "user_html": Failure("users/me: a page instead of JSON", "user", "html"),
    "user_garbage": Failure("users/me: JSON of another shape", "user", "garbage"),
    "user_huge": Failure("users/me: an answer of a megabyte", "user", "huge"),
    "user_hang": Failure("users/me: no answer", "user", "hang"),
    "user_drip": Failure("users/me: an answer that never ends", "user", "drip"),
}


def kind_at(where: str, failure: str) -> str:
    """How to fail here, or empty."""
    found = FAILURES.get(failure)
    return found.kind if found and found.where == where else ""
