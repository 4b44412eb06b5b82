"""Who is asking: `Authorization: Bearer <accessToken>`, a JWT with the claim `userId`."""

from typing import Any

from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt import authentication


class JWTAuthentication(authentication.JWTAuthentication):
    """Answers 401 for a token that is bad or expired, or whose user is gone."""


class PublicJWTAuthentication(JWTAuthentication):
    """For public endpoints: a bad token is as good as none."""

    def authenticate(self, request: Request) -> Any:
        try:
            return super().authenticate(request)
        except AuthenticationFailed:
            return None
