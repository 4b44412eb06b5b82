import re
from typing import Any, cast
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import ViewSet

from accounts import serializers as shapes
from accounts import services
from accounts.clients import client_of
from accounts.models import User
from accounts.profiles import ranks_of
from accounts.services import SignedIn
from accounts.tokens import TokenPair
from core.api.errors import DomainError
from core.api.responses import PublicReadsMixin, rendered

CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class InvalidUserId(DomainError):
    code = "invalid_id"
    message = "This isn't a user id."


def checked(serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    given = serializer(data=data)
    given.is_valid(raise_exception=True)
    validated: dict[str, Any] = given.validated_data
    return validated


def asking(request: Request) -> User:
    """Who asks, where the view's permissions let nobody in that isn't signed in."""
    return cast("User", request.user)


def pair_as_contract(pair: TokenPair) -> dict[str, str]:
    return {"accessToken": pair.access, "refreshToken": pair.refresh}


def signed_in(result: SignedIn, *, status: int) -> Response:
    body = {
        "success": True,
        "user": shapes.me(result.user, ranks_of(result.user.pk)),
        **pair_as_contract(result.tokens),
    }
    return Response(body, status=status)


class PrivateViewSet(ViewSet):
    """Its answers hold tokens or what is nobody else's affair: no cache keeps them."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)


class SignInViewSet(PrivateViewSet):
    """Getting tokens, and giving them back."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="auth_signup",
        summary="Sign up with e-mail and password",
        request=shapes.SignupRequest,
        responses={201: shapes.SignedInAnswer},
        tags=["auth"],
    )
    def signup(self, request: Request) -> Response:
        given = checked(shapes.SignupRequest, request.data)
        code = given.pop("referralCode", None)
        result = services.sign_up(**given, referral_code=code, client=client_of(request), now=timezone.now())
        return signed_in(result, status=201)

    @extend_schema(
        operation_id="auth_login",
        summary="Sign in with e-mail and password",
        request=shapes.LoginRequest,
        responses=shapes.SignedInAnswer,
        tags=["auth"],
    )
    def login(self, request: Request) -> Response:
        given = checked(shapes.LoginRequest, request.data)
        return signed_in(services.log_in(**given, client=client_of(request), now=timezone.now()), status=200)

    @extend_schema(
        operation_id="auth_refresh",
        summary="New tokens for a refresh token",
        description=(
            "The refresh token that was sent stays good until the new one is first used. Sent again after that, it "
            "signs out everybody who holds a token of this sign-in: 401 `token_reused`."
        ),
        request=shapes.RefreshRequest,
        responses=shapes.RefreshedAnswer,
        tags=["auth"],
    )
    def refresh(self, request: Request) -> Response:
        given = checked(shapes.RefreshRequest, request.data)
        pair = services.refresh(refresh_token=given["refreshToken"], client=client_of(request), now=timezone.now())
        return Response({"success": True, **pair_as_contract(pair)})

    @extend_schema(
        operation_id="auth_logout",
        summary="End the sign-in that a refresh token came from",
        description="Answers alike where there is no such token.",
        request=shapes.LogoutRequest,
        responses=shapes.MessageAnswer,
        tags=["auth"],
    )
    def logout(self, request: Request) -> Response:
        given = checked(shapes.LogoutRequest, request.data)
        services.log_out(refresh_token=given.get("refreshToken") or "", now=timezone.now())
        return Response({"success": True, "message": "Logged out successfully"})


class MeViewSet(PrivateViewSet):
    """What users see and change of themselves."""

    @extend_schema(operation_id="auth_me", summary="Who I am", responses=shapes.MeAnswer, tags=["auth"])
    def retrieve(self, request: Request) -> Response:
        user = asking(request)
        return Response({"success": True, "user": shapes.me(user, ranks_of(user.pk))})

    @extend_schema(
        operation_id="users_update_me",
        summary="Change my profile",
        request=shapes.ProfileRequest,
        responses=shapes.PublicUserAnswer,
        tags=["users"],
    )
    def update(self, request: Request) -> Response:
        changes: Any = checked(shapes.ProfileRequest, request.data)
        user = services.update_profile(user_id=asking(request).pk, changes=changes)
        return Response({"success": True, "user": shapes.public_user(user, ranks_of(user.pk))})

    @extend_schema(
        operation_id="auth_change_password",
        summary="Change my password",
        description="Signs out all devices; the answer's tokens are for this one.",
        request=shapes.ChangePasswordRequest,
        responses=shapes.SignedInAnswer,
        tags=["auth"],
    )
    def change_password(self, request: Request) -> Response:
        given = checked(shapes.ChangePasswordRequest, request.data)
        result = services.change_own_password(
            user_id=asking(request).pk,
            current_password=given["currentPassword"],
            new_password=given["newPassword"],
            client=client_of(request),
            now=timezone.now(),
        )
        return signed_in(result, status=200)


class PublicUserViewSet(PublicReadsMixin, ViewSet):
    """What anybody may see of a user."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="users_retrieve",
        summary="A user's public profile",
        parameters=[OpenApiParameter("user_id", UUID, OpenApiParameter.PATH)],
        responses=shapes.PublicUserAnswer,
        tags=["users"],
    )
    def retrieve(self, request: Request, user_id: str) -> HttpResponse:
        if not CANONICAL_UUID.fullmatch(user_id):
            raise InvalidUserId
        user = User.objects.filter(pk=user_id).first()
        if user is None:
            raise NotFound("User not found")
        return rendered({"success": True, "user": shapes.public_user(user, ranks_of(user.pk))})
