"""What browsers are told: who may call (CORS), and the security headers."""

import pytest

pytestmark = pytest.mark.usefixtures("test_views")
FRONTEND = "http://localhost:3000"
STRANGE = "https://evil.example.com"
PATHS = ["/api/hello", "/health", "/api/v1/nothing", "/api/tests/unexpected", "/api/tests/refused"]


@pytest.mark.parametrize("path", PATHS)
def test_the_frontend_may_read_responses_and_errors_with_its_credentials(stranger, path):
    response = stranger.get(path, headers={"Origin": FRONTEND})
    assert response["Access-Control-Allow-Origin"] == FRONTEND
    assert response["Access-Control-Allow-Credentials"] == "true"
    assert "origin" in response["Vary"].lower()
    exposed = response["Access-Control-Expose-Headers"].lower().split(", ")
    assert {"etag", "retry-after", "ratelimit", "ratelimit-policy", "x-request-id", "idempotency-replayed"} <= set(
        exposed
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "origin",
    [STRANGE, "null", "http://localhost.evil.example.com:3000", f"{FRONTEND}.evil.example.com", "http://10.0.0.1:3000"],
)
def test_another_origin_may_read_nothing(stranger, path, origin):
    response = stranger.get(path, headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in response
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.parametrize(
    "origin", ["http://localhost:5173", "http://127.0.0.1:5173", "http://localhost", "https://localhost:3000"]
)
def test_in_development_every_port_of_this_machine_may_read_responses(stranger, origin):
    response = stranger.get("/api/hello", headers={"Origin": origin})
    assert response["Access-Control-Allow-Origin"] == origin
    assert response["Access-Control-Allow-Credentials"] == "true"
    assert preflight(stranger, origin)["Access-Control-Allow-Origin"] == origin


def preflight(
    client, origin, method="POST", headers="authorization, content-type, idempotency-key, if-none-match, x-request-id"
):
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return client.options("/api/v1/bets", headers=asked)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_the_frontend_may_send_its_token_and_an_idempotency_key(stranger, method):
    response = preflight(stranger, FRONTEND, method)
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == FRONTEND
    assert response["Access-Control-Allow-Credentials"] == "true"
    assert method in response["Access-Control-Allow-Methods"]
    allowed = set(response["Access-Control-Allow-Headers"].lower().split(", "))
    assert {"authorization", "content-type", "idempotency-key", "if-none-match", "x-request-id"} <= allowed


def test_another_origin_is_not_let_through_the_preflight(stranger):
    response = preflight(stranger, STRANGE)
    assert "Access-Control-Allow-Origin" not in response
    assert "Access-Control-Allow-Headers" not in response


def test_another_origin_can_be_allowed(stranger, settings):
    settings.CORS_ALLOWED_ORIGINS = [FRONTEND, "https://preview.example.com"]
    response = stranger.get("/api/hello", headers={"Origin": "https://preview.example.com"})
    assert response["Access-Control-Allow-Origin"] == "https://preview.example.com"


def test_the_admin_is_for_no_other_origin(stranger):
    assert "Access-Control-Allow-Origin" not in stranger.get("/admin/login/", headers={"Origin": FRONTEND})


@pytest.mark.parametrize("path", [*PATHS, "/api/docs", "/admin/login/"])
def test_responses_cannot_be_guessed_into_another_type_nor_framed(stranger, path):
    response = stranger.get(path)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"


def test_the_api_sets_no_cookie(stranger):
    for path in PATHS:
        assert not stranger.get(path).cookies
