"""How the access token is described in the OpenAPI schema."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class JWTScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.JWTAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class PublicJWTScheme(JWTScheme):  # type: ignore[no-untyped-call]
    """Under another name: drf-spectacular takes one name for one way to authenticate."""

    target_class = "accounts.authentication.PublicJWTAuthentication"
    name = "optionalAccessToken"
