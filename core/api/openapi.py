"""How the API describes itself, and what every operation has in common, added after drf-spectacular made the rest."""

from typing import Any

SETTINGS: dict[str, Any] = {
    "TITLE": "THISTHAT",
    "DESCRIPTION": "A play-money prediction market: binary THIS/THAT markets mirrored from Polymarket.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    # Several things have a status.
    "ENUM_NAME_OVERRIDES": {
        "MarketStatus": "markets.models.Market.Status",
        "BetStatus": "betting.models.Bet.Status",
        "StockStatus": "economy.stocks.models.Stock.Status",
        "StockTransactionType": "economy.stocks.models.StockTransaction.Type",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.api.openapi.add_common_parts",
    ],
}

ERROR = {
    "type": "object",
    "required": ["success", "error", "code"],
    "properties": {
        "success": {"type": "boolean", "const": False},
        "error": {"type": "string", "description": "A sentence for a person."},
        "code": {"type": "string", "description": "Stable; what a client branches on."},
        "details": {
            "type": "array",
            "description": "On validation errors only, one entry a field.",
            "items": {
                "type": "object",
                "required": ["field", "message", "code"],
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
        "requestId": {"type": "string", "description": "On unexpected failures only."},
    },
}
ERROR_RESPONSE = {
    "description": "Any failure.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
HEALTH = {
    "get": {
        "operationId": "health",
        "summary": "The process answers",
        "tags": ["system"],
        "responses": {
            "200": {
                "description": "Alive",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["status", "timestamp"],
                            "properties": {
                                "status": {"type": "string", "const": "ok"},
                                "timestamp": {"type": "string", "format": "date-time"},
                            },
                        },
                    },
                },
            },
        },
    },
}


def add_common_parts(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """A drf-spectacular postprocessing hook: the error shape on every operation, and `/health`, a plain view."""
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = ERROR
    result["paths"]["/health"] = HEALTH
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"].setdefault("default", ERROR_RESPONSE)
    return result
