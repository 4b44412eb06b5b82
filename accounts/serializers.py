"""Shapes in, checked; shapes out."""

from typing import Any

from django.core.validators import RegexValidator, URLValidator
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from accounts import rules
from accounts.models import User
from accounts.passwords import MAX_PASSWORD_LETTERS
from accounts.profiles import Ranks

CREDITS: dict[str, Any] = {"max_digits": 18, "decimal_places": 2, "coerce_to_string": False}
# ASCII alone: no letter of another alphabet can pass for one of these.
USERNAME_LETTERS = RegexValidator(
    r"\A[A-Za-z0-9_]*\Z", "Only the letters A to Z and a to z, digits and _ are allowed.", "invalid_username"
)
# Sign-in with X makes up addresses there for people whose e-mail nobody knows.
RESERVED_DOMAIN = "x.oauth"


class Text(serializers.CharField):
    """A JSON string; numbers aren't taken for one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ShownText(Text):
    """Text that others see. `multiline` keeps its line breaks."""

    default_error_messages = {"direction": "Characters that change the direction of writing aren't allowed."}

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        self.kept = "\n" if multiline else ""
        super().__init__(**kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(rules.without_controls(data, keep=self.kept) if isinstance(data, str) else data)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if rules.changes_direction(text):
            self.fail("direction")
        return text


class NameField(ShownText):
    default_error_messages = {"invisible": "A name needs a character that can be seen."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=100, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not rules.can_be_seen(name):
            self.fail("invisible")
        return name


class UsernameField(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=3, max_length=50, validators=[USERNAME_LETTERS], **kwargs)


class EmailField(serializers.EmailField):
    """ASCII alone: Django's pattern, which ignores case, would let the Kelvin sign pass for a k."""

    def to_internal_value(self, data: Any) -> str:
        email = super().to_internal_value(data)
        if not isinstance(data, str) or not email.isascii() or email.lower().endswith(f"@{RESERVED_DOMAIN}"):
            self.fail("invalid")
        return email


class PasswordField(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_PASSWORD_LETTERS, trim_whitespace=False, **kwargs)


class SignupRequest(serializers.Serializer[dict[str, Any]]):
    username = UsernameField()
    email = EmailField(max_length=254)
    password = PasswordField()
    name = NameField()
    referralCode = Text(max_length=50, required=False, allow_null=True, allow_blank=True, help_text="In any case.")


class LoginRequest(serializers.Serializer[dict[str, Any]]):
    email = Text(max_length=254)
    password = PasswordField()


class RefreshRequest(serializers.Serializer[dict[str, Any]]):
    refreshToken = Text()


class LogoutRequest(serializers.Serializer[dict[str, Any]]):
    refreshToken = Text(required=False, allow_null=True, allow_blank=True)


class ChangePasswordRequest(serializers.Serializer[dict[str, Any]]):
    currentPassword = PasswordField()
    newPassword = PasswordField()


class ProfileRequest(serializers.Serializer[dict[str, Any]]):
    """What of it is missing stays as it is."""

    name = NameField(required=False)
    username = UsernameField(required=False)
    avatarUrl = Text(
        source="avatar_url",
        max_length=500,
        validators=[URLValidator(schemes=["https"], message="Enter a valid https URL.")],
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="An https URL; empty or null for none.",
    )
    bio = ShownText(multiline=True, max_length=280, required=False, allow_null=True, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {field: "" if value is None else value for field, value in attrs.items()}


class PublicUserSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    username = serializers.CharField()
    name = serializers.CharField()
    avatarUrl = serializers.URLField(allow_null=True)
    bio = serializers.CharField(allow_null=True)
    creditBalance = serializers.DecimalField(**CREDITS)
    totalVolume = serializers.DecimalField(**CREDITS)
    overallPnL = serializers.DecimalField(**CREDITS)
    rankByPnL = serializers.IntegerField(allow_null=True)
    rankByVolume = serializers.IntegerField(allow_null=True)
    createdAt = serializers.DateTimeField()


class MeSchema(PublicUserSchema):
    email = serializers.EmailField()
    availableCredits = serializers.DecimalField(**CREDITS)
    lockedCredits = serializers.DecimalField(**CREDITS)
    expendedCredits = serializers.DecimalField(**CREDITS)
    consecutiveDaysOnline = serializers.IntegerField()
    referralCode = serializers.CharField()
    referralCount = serializers.IntegerField()
    referralCreditsEarned = serializers.DecimalField(**CREDITS)
    lastDailyRewardAt = serializers.DateTimeField(allow_null=True)
    lastLoginAt = serializers.DateTimeField(allow_null=True)


def public_user(user: User, ranks: Ranks) -> dict[str, Any]:
    """What anybody may see of a user: never the e-mail."""
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "avatarUrl": user.avatar_url or None,
        "bio": user.bio or None,
        "creditBalance": user.credit_balance,
        "totalVolume": user.total_volume,
        "overallPnL": user.overall_pnl,
        "rankByPnL": ranks.by_pnl,
        "rankByVolume": ranks.by_volume,
        "createdAt": user.created_at,
    }


def me(user: User, ranks: Ranks) -> dict[str, Any]:
    """What a user sees of himself."""
    return public_user(user, ranks) | {
        "email": user.email,
        "availableCredits": user.available_credits,
        "lockedCredits": user.locked_credits,
        "expendedCredits": user.expended_credits,
        "consecutiveDaysOnline": user.consecutive_days_online,
        "referralCode": user.referral_code,
        "referralCount": user.referral_count,
        "referralCreditsEarned": user.referral_credits_earned,
        "lastDailyRewardAt": user.last_daily_reward_at,
        "lastLoginAt": user.last_login_at,
    }


def answer(name: str, **fields: serializers.Field[Any, Any, Any, Any]) -> serializers.Serializer[Any]:
    """The schema of a success: `{"success": true, …fields}`."""
    return inline_serializer(name, {"success": serializers.BooleanField(), **fields})


TOKENS: dict[str, Any] = {"accessToken": serializers.CharField(), "refreshToken": serializers.CharField()}
SignedInAnswer = answer("SignedIn", user=MeSchema(), **TOKENS)
RefreshedAnswer = answer("Refreshed", **TOKENS)
MessageAnswer = answer("Message", message=serializers.CharField())
MeAnswer = answer("MeAnswer", user=MeSchema())
PublicUserAnswer = answer("PublicUserAnswer", user=PublicUserSchema())
