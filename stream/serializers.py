"""Requests and responses of the stream, and the shapes of its events that no other resource has."""

from typing import Any

from rest_framework import serializers

from core.api.requests import parse_uuid
from core.api.serializers import CreditsField, ResourceSerializer, TextField, response_schema
from markets.selectors import CONDITION_ID
from stream import rules


class MarketsField(TextField):
    """Names of markets, separated by commas: UUIDs, and condition ids of Polymarket's. The value is a list."""

    default_error_messages = {
        "reference": "{reference} is no id of a market.",
        "max_length": f"At most {rules.MARKETS_MAX} markets.",
    }

    def to_internal_value(self, data: Any) -> Any:
        references = [part for part in super().to_internal_value(data).split(",") if part]
        for reference in references:
            if not parse_uuid(reference) and not CONDITION_ID.fullmatch(reference):
                self.fail("reference", reference=reference[:100])
        if len(set(references)) > rules.MARKETS_MAX:
            self.fail("max_length")
        return list(dict.fromkeys(references))


class StreamQuery(serializers.Serializer[dict[str, Any]]):
    markets = MarketsField(
        required=False,
        allow_blank=True,
        default="",
        help_text=f"Up to {rules.MARKETS_MAX} ids, separated by commas: our UUIDs or Polymarket's condition ids. "
        "Unknown ones are ignored.",
    )
    ticket = TextField(
        required=False, allow_blank=True, default="", help_text="From `POST /api/v1/stream/ticket`; good once."
    )
    lastEventId = TextField(
        required=False,
        allow_blank=True,
        default="",
        help_text="The same as the header `Last-Event-ID`, for clients that can't send it. What "
        "no event had counts as none.",
    )


class BalanceSerializer(ResourceSerializer):
    """What the user owns now, as in `Me`."""

    creditBalance = CreditsField(source="credit_balance")
    availableCredits = CreditsField(source="available_credits")
    lockedCredits = CreditsField(source="locked_credits")

    class Meta:
        alias = "users"


TicketResponse = response_schema(
    "TicketResponse",
    ticket=serializers.CharField(help_text="For the parameter `ticket` of one stream."),
    expiresIn=serializers.IntegerField(help_text="Seconds until it is good no more."),
)
