"""Requests and responses of accounts. PublicUserSerializer and MeSerializer declare the fields of a user."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from django.core.validators import RegexValidator, URLValidator
from rest_framework import serializers

from accounts import rules
from accounts.models import User
from accounts.passwords import weaknesses
from accounts.services import BettingRecord, Ranks
from core.api.serializers import CreditsField, ResourceSerializer, TextField, response_schema

MAX_TOKEN_LENGTH = 500
WIN_RATE = "Percent of the bets won or lost that were won; 0 without any"
USERNAME_VALIDATOR = RegexValidator(
    rf"\A[{rules.USERNAME_CHARACTERS}]*\Z",
    "Only the letters A to Z and a to z, digits and _ are allowed.",
    "invalid_username",
)


class PublicTextField(TextField):
    """Text that others see. `multiline` keeps its line breaks."""

    default_error_messages = {"direction": "Characters that change the direction of writing aren't allowed."}

    # Control characters become spaces; what has to be left after that is said in words.
    pattern = ""

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        self.kept = "\n" if multiline else ""
        super().__init__(**kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(rules.clean_text(data, keep=self.kept) if isinstance(data, str) else data)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if rules.changes_direction(text):
            self.fail("direction")
        return text


class NameField(PublicTextField):
    pattern = r"[^\s\x00-\x1f\x7f-\x9f]"
    default_error_messages = {"invisible": "A name needs a character that can be seen."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=rules.MAX_NAME_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not rules.is_visible(name):
            self.fail("invisible")
        return name


class UsernameField(TextField):
    def __init__(self, **kwargs: Any) -> None:
        length: dict[str, Any] = {"min_length": rules.MIN_USERNAME_LENGTH, "max_length": rules.MAX_USERNAME_LENGTH}
        super().__init__(**length, validators=[USERNAME_VALIDATOR], **kwargs)


class EmailField(serializers.EmailField):
    """An address in ASCII alone: Django's pattern, which ignores case, would let the Kelvin sign pass for a k."""

    def to_internal_value(self, data: Any) -> str:
        email = super().to_internal_value(data)
        if not isinstance(data, str) or not email.isascii() or rules.is_refused_domain(email):
            self.fail("invalid")
        return email


class PasswordField(TextField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=rules.MAX_PASSWORD_LENGTH, trim_whitespace=False, **kwargs)


class SignupRequest(serializers.Serializer[dict[str, Any]]):
    username = UsernameField()
    email = EmailField(max_length=rules.MAX_EMAIL_LENGTH)
    password = PasswordField()
    name = NameField()
    referralCode = TextField(
        max_length=rules.MAX_REFERRAL_CODE_INPUT,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="In any case.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the validated fields; a weak password is reported together with what is wrong of the others."""
        errors: dict[str, Any] = {}
        values: dict[str, Any] = {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as exc:
            errors = {**exc.detail} if isinstance(exc.detail, dict) else {}
            if not errors or not isinstance(data, Mapping):
                raise
        password = data.get("password")
        if isinstance(password, str) and "password" not in errors:
            # Compared with what was sent, valid or not.
            sent = {name: data[name] for name in ("username", "email", "name") if isinstance(data.get(name), str)}
            errors |= weaknesses(password, user=User(**sent))
        if errors:
            raise serializers.ValidationError(errors)
        return values


class LoginRequest(serializers.Serializer[dict[str, Any]]):
    email = TextField(max_length=rules.MAX_EMAIL_LENGTH)
    password = PasswordField()


class RefreshRequest(serializers.Serializer[dict[str, Any]]):
    refreshToken = TextField()


class LogoutRequest(serializers.Serializer[dict[str, Any]]):
    refreshToken = TextField(required=False, allow_null=True, allow_blank=True)


class ChangePasswordRequest(serializers.Serializer[dict[str, Any]]):
    currentPassword = PasswordField()
    newPassword = PasswordField()


class LeaveRequest(serializers.Serializer[dict[str, Any]]):
    password = PasswordField(
        required=False, allow_null=True, help_text="Needed where the user has one: not with a sign-in by X alone."
    )


class ForgottenPasswordRequest(serializers.Serializer[dict[str, Any]]):
    email = EmailField(max_length=rules.MAX_EMAIL_LENGTH)


class MailedTokenField(TextField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_TOKEN_LENGTH, help_text="Of the link that was mailed.", **kwargs)


class ResetPasswordRequest(serializers.Serializer[dict[str, Any]]):
    token = MailedTokenField()
    password = PasswordField()


class VerifyEmailRequest(serializers.Serializer[dict[str, Any]]):
    token = MailedTokenField()


class ProfileRequest(serializers.Serializer[dict[str, Any]]):
    """Changes of a profile; a field that is missing stays as it is."""

    name = NameField(required=False)
    username = UsernameField(required=False)
    avatarUrl = TextField(
        source="avatar_url",
        max_length=rules.MAX_AVATAR_URL_LENGTH,
        validators=[URLValidator(schemes=["https"], message="Enter a valid https URL.")],
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="An https URL; empty or null for none.",
    )
    bio = PublicTextField(
        multiline=True, max_length=rules.MAX_BIO_LENGTH, required=False, allow_null=True, allow_blank=True
    )
    email = EmailField(
        max_length=rules.MAX_EMAIL_LENGTH,
        required=False,
        help_text="Counts once the link that is mailed there was used; one's own address takes a change back.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {field: "" if value is None else value for field, value in attrs.items()}


class WinRateField(serializers.DecimalField):
    """Percent: a JSON number from 0 to 100 with 2 decimals."""

    def __init__(self, **kwargs: Any) -> None:
        given = {"max_digits": 5, "decimal_places": 2, "coerce_to_string": False, "min_value": 0, "max_value": 100}
        super().__init__(**{**given, "help_text": f"{WIN_RATE}.", **kwargs})


class PublicUserSerializer(ResourceSerializer):
    """What anybody may see of a user: never the e-mail."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    name = serializers.CharField()
    avatarUrl = serializers.URLField(source="avatar_url", allow_null=True)
    bio = serializers.CharField(allow_null=True)
    creditBalance = CreditsField(source="credit_balance")
    totalVolume = CreditsField(source="total_volume")
    overallPnL = CreditsField(source="overall_pnl")
    rankByPnL = serializers.IntegerField(source="rank_by_pnl", allow_null=True)
    rankByVolume = serializers.IntegerField(source="rank_by_volume", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")

    class Meta:
        alias = "users"

    @classmethod
    def from_user(cls, user: User, ranks: Ranks, **values: Any) -> dict[str, Any]:
        """Return the user as JSON values, by source where they are no columns; empty texts as null."""
        texts = {"avatar_url": user.avatar_url or None, "bio": user.bio or None}
        return cls.from_object(user, rank_by_pnl=ranks.by_pnl, rank_by_volume=ranks.by_volume, **texts, **values)


class MeSerializer(PublicUserSerializer):
    """What users see of themselves."""

    email = serializers.EmailField()
    emailVerified = serializers.BooleanField(
        source="email_verified",
        help_text="Whether the user has proved to read mail to an address of the account, or came by X.",
    )
    pendingEmail = serializers.EmailField(
        source="pending_email", allow_null=True, help_text="The new address, until it is verified."
    )
    availableCredits = CreditsField(source="available_credits")
    lockedCredits = CreditsField(source="locked_credits")
    expendedCredits = CreditsField(source="expended_credits")
    consecutiveDaysOnline = serializers.IntegerField(source="consecutive_days_online")
    referralCode = serializers.CharField(source="referral_code")
    referralCount = serializers.IntegerField(source="referral_count")
    referralCreditsEarned = CreditsField(source="referral_credits_earned")
    lastDailyRewardAt = serializers.DateTimeField(source="last_daily_reward_at", allow_null=True)
    lastLoginAt = serializers.DateTimeField(source="last_login_at", allow_null=True)
    totalBets = serializers.IntegerField(source="total_bets", help_text="Placed so far.")
    winRate = WinRateField(source="win_rate")
    biggestWin = CreditsField(source="biggest_win", help_text="The most profit that one bet was settled with.")

    class Meta:
        alias = "users"
        aliases: ClassVar[dict[str, str]] = {"profileImageUrl": "avatarUrl", "dailyStreak": "consecutiveDaysOnline"}

    @classmethod
    def from_record(cls, user: User, ranks: Ranks, record: BettingRecord) -> dict[str, Any]:
        """Return the user as JSON values, with what became of the user's bets."""
        mail = {"email_verified": user.email_verified_at is not None, "pending_email": user.pending_email or None}
        return cls.from_user(user, ranks, **mail, **asdict(record))


class SessionSerializer(ResourceSerializer):
    """A session of the current user."""

    id = serializers.UUIDField(source="family")
    createdAt = serializers.DateTimeField(source="signed_in_at")
    lastUsedAt = serializers.DateTimeField(source="created_at", help_text="When its tokens were last refreshed.")
    ip = serializers.IPAddressField(allow_null=True, help_text="Where they were refreshed from.")
    userAgent = serializers.CharField(source="user_agent")
    current = serializers.BooleanField(help_text="Whether it is the one that asks.")


SessionsResponse = response_schema("SessionsResponse", sessions=SessionSerializer(many=True))
TOKENS: dict[str, Any] = {"accessToken": serializers.CharField(), "refreshToken": serializers.CharField()}
RESTORED = "Whether the user had deleted the account, and has it back by this sign-in."
SignedInResponse = response_schema(
    "SignedInResponse", user=MeSerializer(), **TOKENS, restored=serializers.BooleanField(help_text=RESTORED)
)
TokensResponse = response_schema("TokensResponse", **TOKENS)
MessageResponse = response_schema("MessageResponse", message=serializers.CharField())
LeaveResponse = response_schema(
    "LeaveResponse",
    message=serializers.CharField(),
    deletionDueAt=serializers.DateTimeField(help_text="When the account is erased, unless the user signs in before."),
)
MeResponse = response_schema("MeResponse", user=MeSerializer())
PublicUserResponse = response_schema("PublicUserResponse", user=PublicUserSerializer())
