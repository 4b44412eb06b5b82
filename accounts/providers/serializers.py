"""Requests and responses of sign-ins with providers, and of linked accounts."""

from typing import Any

from rest_framework import serializers

from accounts import rules
from core.api.serializers import ResourceSerializer, TextField, response_schema

MAX_LENGTH = 2000


class BeginRequest(serializers.Serializer[dict[str, Any]]):
    ref = TextField(
        max_length=rules.MAX_REFERRAL_CODE_INPUT,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="A referral code, which counts for a new user only.",
    )


class FinishRequest(serializers.Serializer[dict[str, Any]]):
    finishCode = TextField(
        source="finish_code", max_length=MAX_LENGTH, help_text="What the frontend was given at start."
    )
    code = TextField(max_length=MAX_LENGTH, help_text="What came back from the provider.")
    state = TextField(max_length=MAX_LENGTH)


class ProviderSerializer(serializers.Serializer[dict[str, Any]]):
    """List who one may sign in with, where `configured`."""

    id = serializers.ChoiceField(choices=rules.SIGN_IN_PROVIDERS)
    name = serializers.CharField()
    configured = serializers.BooleanField()


class ConnectionSerializer(ResourceSerializer):
    """A linked account of the current user, as the provider described it when it was last used."""

    provider = serializers.ChoiceField(choices=rules.SIGN_IN_PROVIDERS)
    username = serializers.CharField(help_text="Empty where the provider has none, as Google.")
    name = serializers.CharField()
    avatarUrl = serializers.CharField(source="avatar_url")
    email = serializers.CharField(help_text="Empty where the provider tells none, as X.")
    linkedAt = serializers.DateTimeField(source="linked_at")
    lastUsedAt = serializers.DateTimeField(source="last_used_at")
    canBeRemoved = serializers.BooleanField(
        source="can_be_removed", help_text="Whether there is another way for the user to sign in."
    )


ProvidersResponse = response_schema("ProvidersResponse", providers=ProviderSerializer(many=True))
BegunResponse = response_schema(
    "BegunResponse",
    url=serializers.URLField(help_text="The provider's page, for the browser to open."),
    finishCode=serializers.CharField(),
    expiresIn=serializers.IntegerField(help_text="Seconds until both are good no more."),
)
ConnectionsResponse = response_schema(
    "ConnectionsResponse",
    connections=ConnectionSerializer(many=True),
    hasPassword=serializers.BooleanField(help_text="Whether the user may sign in with a password, too."),
)
ConnectionResponse = response_schema("ConnectionResponse", connection=ConnectionSerializer())
