from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from accounts import recovery, rules, services, sessions, verification
from accounts.authentication import client_of, current_session, current_user
from accounts.errors import (
    AccountLeaving,
    AccountSuspended,
    AlreadyVerified,
    EmailTaken,
    InvalidCredentials,
    InvalidReferralCode,
    InvalidRefreshToken,
    InvalidToken,
    InvalidUserId,
    SessionNotFound,
    StaffCannotLeave,
    TokenReused,
    UsernameReserved,
    UsernameTaken,
    WrongPassword,
)
from accounts.models import User
from accounts.serializers import (
    ChangePasswordRequest,
    ForgottenPasswordRequest,
    LeaveRequest,
    LeaveResponse,
    LoginRequest,
    LogoutRequest,
    MeResponse,
    MeSerializer,
    MessageResponse,
    ProfileRequest,
    PublicUserResponse,
    PublicUserSerializer,
    RefreshRequest,
    ResetPasswordRequest,
    SessionSerializer,
    SessionsResponse,
    SignedInResponse,
    SignupRequest,
    TokensResponse,
    VerifyEmailRequest,
)
from accounts.services import SignedIn, ranks_if_readable, ranks_of, record_of, update_profile
from accounts.throttles import PASSWORD_THROTTLES, remember_device
from accounts.tokens import TokenPair
from core.api.openapi import operation
from core.api.requests import parse_uuid, validate
from core.api.responses import PublicReadsMixin, json_response

DASHED_UUID_LENGTH = 36


def token_fields(pair: TokenPair) -> dict[str, str]:
    return {"accessToken": pair.access, "refreshToken": pair.refresh}


def signed_in_response(result: SignedIn, *, status: int = 200) -> HttpResponse:
    me = MeSerializer.from_record(result.user, ranks_if_readable(result.user.pk), result.record)
    return json_response(status, user=me, **token_fields(result.tokens), restored=result.tokens.restored)


def remembered(request: Request, result: SignedIn, *, status: int = 200) -> HttpResponse:
    """Return the response to somebody who has signed in, whose browser is known to the account from now on."""
    response = signed_in_response(result, status=status)
    remember_device(request, response, result.user.email)
    return response


class PrivateViewSet(ViewSet):
    """Keep all responses out of caches, errors too: they hold tokens or personal data."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)


class SignInViewSet(PrivateViewSet):
    """Sign up, log in and out, and refresh tokens."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @operation(
        operation_id="auth_signup",
        summary="Sign up with e-mail and password",
        request=SignupRequest,
        responses={201: SignedInResponse},
        errors=[EmailTaken, UsernameTaken, UsernameReserved, InvalidReferralCode],
        tags=["auth"],
    )
    def signup(self, request: Request) -> HttpResponse:
        fields = validate(SignupRequest, request.data)
        code = fields.pop("referralCode", None)
        result = services.sign_up(**fields, referral_code=code, client=client_of(request), now=timezone.now())
        return remembered(request, result, status=201)

    @operation(
        operation_id="auth_login",
        summary="Sign in with e-mail and password",
        description="Whoever has deleted the account gets it back, as it was: `restored` is true then.",
        request=LoginRequest,
        responses=SignedInResponse,
        errors=[InvalidCredentials, AccountSuspended],
        tags=["auth"],
    )
    def login(self, request: Request) -> HttpResponse:
        fields = validate(LoginRequest, request.data)
        return remembered(request, services.log_in(**fields, client=client_of(request), now=timezone.now()))

    @operation(
        operation_id="auth_refresh",
        summary="New tokens for a refresh token",
        description=(
            "The refresh token that was sent stays good until the new one is first used. Sent again after that, it "
            "signs out everybody who holds a token of this sign-in: 401 `token_reused`."
        ),
        request=RefreshRequest,
        responses=TokensResponse,
        errors=[InvalidRefreshToken, TokenReused, AccountSuspended],
        tags=["auth"],
    )
    def refresh(self, request: Request) -> HttpResponse:
        token = validate(RefreshRequest, request.data)["refreshToken"]
        pair = services.refresh(refresh_token=token, client=client_of(request), now=timezone.now())
        return json_response(**token_fields(pair))

    @operation(
        operation_id="auth_logout",
        summary="End the session that a refresh token is of",
        description="Its access tokens are refused from now on. Responds alike where there is no such token.",
        request=LogoutRequest,
        responses=MessageResponse,
        tags=["auth"],
    )
    def logout(self, request: Request) -> HttpResponse:
        token = validate(LogoutRequest, request.data).get("refreshToken") or ""
        services.log_out(refresh_token=token, now=timezone.now())
        return json_response(message="Logged out successfully")


class RecoveryViewSet(PrivateViewSet):
    """Send mails with links, and do what their links are for; nobody needs to be signed in for it."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @operation(
        operation_id="auth_forgot_password",
        summary="Have a mail sent that resets the password",
        description=(
            "Responds alike whether or not the address is anybody's. The mail has a link to "
            "`FRONTEND_URL/auth/reset?token=…`, good once, for an hour."
        ),
        request=ForgottenPasswordRequest,
        responses=MessageResponse,
        tags=["auth"],
    )
    def forgot(self, request: Request) -> HttpResponse:
        email = validate(ForgottenPasswordRequest, request.data)["email"]
        recovery.request_password_reset(email=email, now=timezone.now())
        return json_response(message="If the address is known, a mail is on its way")

    @operation(
        operation_id="auth_reset_password",
        summary="Set a new password with a mailed token",
        description="Signs out all devices, and signs in here. The address that the mail went to is verified by it.",
        request=ResetPasswordRequest,
        responses=SignedInResponse,
        errors=[InvalidToken, AccountSuspended],
        tags=["auth"],
    )
    def reset(self, request: Request) -> HttpResponse:
        fields = validate(ResetPasswordRequest, request.data)
        return remembered(request, recovery.reset_password(**fields, client=client_of(request), now=timezone.now()))

    @operation(
        operation_id="auth_verify_email",
        summary="Verify an e-mail address with a mailed token",
        description=(
            "The mail of a sign-up, of `POST /auth/email/resend` or of a new address has a link to "
            "`FRONTEND_URL/auth/verify?token=…`, good once. A new address replaces the old one now."
        ),
        request=VerifyEmailRequest,
        responses=MessageResponse,
        errors=[InvalidToken, AccountLeaving, AccountSuspended, EmailTaken],
        tags=["auth"],
    )
    def verify(self, request: Request) -> HttpResponse:
        verification.verify_email(token=validate(VerifyEmailRequest, request.data)["token"], now=timezone.now())
        return json_response(message="E-mail address verified")


class MeViewSet(PrivateViewSet):
    """Show users themselves, let them change their profile and password, and leave."""

    def get_throttles(self) -> list[Any]:
        """Return the throttles of the path; leaving, which shares its path with the profile, takes a password."""
        if self.action == "leave":
            return [kind() for kind in PASSWORD_THROTTLES]
        throttles: list[Any] = super().get_throttles()
        return throttles

    @operation(operation_id="auth_me", summary="Who I am", responses=MeResponse, tags=["auth"])
    def retrieve(self, request: Request) -> HttpResponse:
        user = current_user(request)
        return json_response(user=MeSerializer.from_record(user, ranks_of(user.pk), record_of(user.pk)))

    @operation(
        operation_id="auth_resend_verification",
        summary="Have the mail sent again that verifies my address",
        description="To the new address where one waits to be verified.",
        request=None,
        responses=MessageResponse,
        errors=[AlreadyVerified],
        tags=["auth"],
    )
    def resend(self, request: Request) -> HttpResponse:
        verification.resend_verification(user_id=current_user(request).pk, now=timezone.now())
        return json_response(message="A mail is on its way")

    @operation(
        operation_id="users_update_me",
        summary="Change my profile",
        description=(
            f"A username that is given up is nobody else's for {rules.USERNAME_HELD_FOR.days} days; the user may take "
            "it back. Some are reserved, and what looks like one of them is: 400 `username_reserved`. "
            "A new `email` gets a mail with a link, and counts once that is used (`POST /auth/email/verify`); the "
            "response is the same if somebody else has the address, who is told by mail."
        ),
        request=ProfileRequest,
        responses=PublicUserResponse,
        errors=[UsernameTaken, UsernameReserved],
        tags=["users"],
    )
    def update(self, request: Request) -> HttpResponse:
        changes: Any = validate(ProfileRequest, request.data)
        email = changes.pop("email", None)
        user = update_profile(user_id=current_user(request).pk, changes=changes, email=email, now=timezone.now())
        return json_response(user=PublicUserSerializer.from_user(user, ranks_if_readable(user.pk)))

    @operation(
        operation_id="auth_change_password",
        summary="Change my password",
        description=(
            "Ends all other sessions. The response has new tokens of this one; those that it had are good as after a "
            "refresh."
        ),
        request=ChangePasswordRequest,
        responses=SignedInResponse,
        errors=[WrongPassword, AccountLeaving],
        tags=["auth"],
    )
    def change_password(self, request: Request) -> HttpResponse:
        fields = validate(ChangePasswordRequest, request.data)
        result = services.change_own_password(
            user_id=current_user(request).pk,
            session_id=current_session(request),
            current_password=fields["currentPassword"],
            new_password=fields["newPassword"],
            client=client_of(request),
            now=timezone.now(),
        )
        return signed_in_response(result)

    @operation(
        operation_id="users_delete_me",
        summary="Delete my account",
        description=(
            "Ends all sessions, and hides the account from leaderboards and other users, at once. It is erased at "
            f"`deletionDueAt`, {rules.ACCOUNT_DELETION_PERIOD.days} days later; a sign-in before that, in "
            "whichever way, restores it, and its response says so. Open bets and stocks aren't sold: they stay with "
            "the account, bets are settled as any other, and after the erasure nobody can use what they bring. "
            "`GET /users/me/export` comes first for whoever wants their data."
        ),
        request=LeaveRequest,
        responses={200: LeaveResponse},
        errors=[WrongPassword, StaffCannotLeave],
        tags=["users"],
    )
    def leave(self, request: Request) -> HttpResponse:
        password = validate(LeaveRequest, request.data).get("password")
        due_at = services.leave(user_id=current_user(request).pk, password=password, now=timezone.now())
        return json_response(message="Your account will be deleted. Sign in to keep it", deletionDueAt=due_at)


class SessionViewSet(PrivateViewSet):
    """List the sessions of the current user, and end them."""

    @operation(
        operation_id="auth_sessions",
        summary="My sessions",
        description=f"Those that go on, the last refreshed first; at most {sessions.SHOWN}.",
        responses=SessionsResponse,
        tags=["auth"],
    )
    def list(self, request: Request) -> HttpResponse:
        mine, current = current_user(request).pk, current_session(request)
        found = sessions.list_sessions(mine, now=timezone.now())[: sessions.SHOWN]
        return json_response(
            sessions=[SessionSerializer.from_object(token, current=token.family == current) for token in found]
        )

    @operation(
        operation_id="auth_end_session",
        summary="End one of my sessions",
        description="Its refresh and access tokens are refused from now on.",
        parameters=[OpenApiParameter("session_id", UUID, OpenApiParameter.PATH)],
        responses={200: MessageResponse},
        errors=[SessionNotFound],
        tags=["auth"],
    )
    def destroy(self, request: Request, session_id: str) -> HttpResponse:
        session = parse_uuid(session_id)
        if session is None:
            raise SessionNotFound
        sessions.end_own_session(user_id=current_user(request).pk, session_id=session, now=timezone.now())
        return json_response(message="The session has ended")

    @operation(
        operation_id="auth_logout_all",
        summary="End all my sessions",
        description="The one that asks, too. A sign-in to the admin isn't one of them.",
        request=None,
        responses=MessageResponse,
        tags=["auth"],
    )
    def end_all(self, request: Request) -> HttpResponse:
        sessions.end_own_sessions(user_id=current_user(request).pk, now=timezone.now())
        return json_response(message="Logged out everywhere")


class PublicUserViewSet(PublicReadsMixin, ViewSet):
    """Show what anybody may see of a user."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @operation(
        operation_id="users_retrieve",
        summary="A user's public profile",
        parameters=[OpenApiParameter("user_id", UUID, OpenApiParameter.PATH)],
        responses=PublicUserResponse,
        errors=[InvalidUserId, NotFound],
        tags=["users"],
    )
    def retrieve(self, request: Request, user_id: str) -> HttpResponse:
        # The form without dashes isn't one of the contract's ids.
        if len(user_id) != DASHED_UUID_LENGTH or parse_uuid(user_id) is None:
            raise InvalidUserId
        user = User.objects.filter(pk=user_id).first()
        if user is None or user.is_leaving:
            raise NotFound("User not found")
        return json_response(user=PublicUserSerializer.from_user(user, ranks_of(user.pk)))
