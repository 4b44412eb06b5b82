"""Errors that ops raises: one class for each condition, with the code that clients see."""

from typing import Any

from core.api.errors import DomainError


class ExportTooLarge(DomainError):
    code = "export_too_large"
    message = "There is too much about you for one response: ask the support for it."


class UsersNotErased(DomainError):
    """Some who left couldn't be erased; all others were. `result`: what the job's run keeps."""

    code = "users_not_erased"
    status = 500
    message = "Some users couldn't be erased."

    def __init__(self, message: str = "", *, result: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.result = result
