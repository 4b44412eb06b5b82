from typing import Any, cast
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from economy import serializers as shapes
from economy.selectors import Query, list_transactions
from thisthat.common.public_reads import rendered


class TransactionViewSet(ViewSet):
    """What happened to the user's credits."""

    @extend_schema(
        operation_id="transactions_mine",
        summary="The user's transfers, newest first",
        parameters=[shapes.TransactionsQuery],
        responses=shapes.TransactionList,
        tags=["transactions"],
    )
    def mine(self, request: Request) -> HttpResponse:
        given = shapes.TransactionsQuery(data=request.query_params)
        given.is_valid(raise_exception=True)
        query = Query(**given.validated_data)
        page = list_transactions(cast("UUID", request.user.pk), query)
        where: dict[str, Any] = {"limit": query.limit, "offset": query.offset, "nextCursor": page.next_cursor}
        response = rendered({"success": True, "transactions": page.transactions, "total": page.total, **where})
        response["Cache-Control"] = "private, no-store"
        return response
