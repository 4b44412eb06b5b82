"""Let users export all that is kept about them."""

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from accounts.throttles import ExportThrottle
from accounts.views import PrivateViewSet
from core.api.openapi import operation
from core.api.requests import current_user_id
from core.api.serializers import response_schema
from ops.errors import ExportTooLarge
from ops.personal_data import SECTIONS, as_field, export_as_response

FILE_NAME = "thisthat-export.json"
ROWS = {
    as_field(name): serializers.ListField(child=serializers.DictField())
    for name in [*(section.name for section in SECTIONS), "staff_actions"]
}
# The user's own row, and a list of rows for each table that knows something of the user.
Export = inline_serializer(
    "Export", {"exportedAt": serializers.DateTimeField(), "user": serializers.DictField(), **ROWS}
)


class ExportViewSet(PrivateViewSet):
    """Export what is kept about the current user."""

    throttle_classes = (ExportThrottle,)

    @operation(
        operation_id="users_export_me",
        summary="Everything that is kept about me",
        description=(
            "As of one moment, by table, without secrets and without what is others'. Amounts are JSON numbers; what "
            "isn't text is in hexadecimal."
        ),
        responses=response_schema("ExportResponse", data=Export),
        errors=[ExportTooLarge],
        tags=["users"],
    )
    def retrieve(self, request: Request) -> HttpResponse:
        exported = export_as_response(user_id=current_user_id(request), now=timezone.now())
        return HttpResponse(
            b'{"success":true,"data":' + exported.rstrip() + b"}",
            content_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{FILE_NAME}"'},
        )
