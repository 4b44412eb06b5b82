"""How drf-spectacular describes our operations."""

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_doc


class Schema(AutoSchema):
    def _is_list_view(self, serializer: Any = None) -> bool:
        """Every answer is an object that says what is in it; a bare list is never sent."""
        return False

    def get_description(self) -> str:  # type: ignore[override]
        """What the operation says of itself: a view's docstring is for who reads the code."""
        return str(get_doc(getattr(self.view, getattr(self.view, "action", self.method.lower()), None)))

    def get_serializer_name(self, serializer: Any, direction: Literal["request", "response"]) -> str:
        return str(super().get_serializer_name(serializer, direction)).removesuffix("Schema")
