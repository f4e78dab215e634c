"""The stand-in's HTTP: backend, auth and front end."""

import json
from typing import Any

import httpx
import jwt
import pytest
from websockets.asyncio.client import connect

from simulator.demo.standin import BYPASS_KEY, Standin
from simulator.demo.standin.tokens import SIGNING_KEY
from tests.demo.wire import ASK, USER, bearer, fetch, mint, on_standin, read_until


def test_health() -> None:
    response = fetch("/health", headers={"Accept-Version": "2"})
    assert response.headers["API-Version"] == "2"
    body = response.json()
    assert isinstance(body.pop("timestamp"), float)
    assert body == {"status": "healthy", "service": "ai-platform", "version": "1.0.0"}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_health_by_other_methods(method: str) -> None:
    assert fetch("/health", method=method).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/health",
            {
                "status": "unhealthy",
                "message": "Startup failed: DatabaseManager not initialized",
                "startup_failed": True,
            },
        ),
        (
            "/health/database",
            {"status": "unhealthy", "connected": False, "error": "DatabaseManager not initialized"},
        ),
        ("/health/ready", {"detail": "Core database unavailable"}),
    ],
)
def test_health_without_a_database(path: str, body: object) -> None:
    response = fetch(path, missing={"database"})
    assert response.status_code == 503
    assert response.json() == body


def test_health_of_a_working_database() -> None:
    assert fetch("/health/database").json() == {"status": "healthy", "connected": True}
    assert fetch("/health/ready").json()["status"] == "ready"


def test_discovery_names_the_running_services() -> None:
    async def check(standin: Standin) -> tuple[Standin, Any]:
        async with httpx.AsyncClient() as http:
            return standin, (await http.get(standin.backend_url + "/api/discovery/services")).json()

    standin, body = on_standin(check)
    services = body["services"]
    assert {name: services[name]["url"] for name in services} == {
        "backend": standin.backend_url,
        "auth": standin.auth_url,
        "frontend": standin.frontend_url,
    }
    assert services["backend"]["ws_url"] == standin.ws_url
    assert str(services["auth"]["port"]) in standin.auth_url


def test_discovery_with_public_urls() -> None:
    body = fetch("/api/discovery/services", public_urls={"backend": "https://staging.example.com/"}).json()
    backend = body["services"]["backend"]
    assert backend["url"] == "https://staging.example.com"
    assert backend["api_url"] == "https://staging.example.com/api"
    assert backend["ws_url"] == "wss://staging.example.com/ws"
    assert backend["port"] == 443


def test_unknown_services_are_refused() -> None:
    with pytest.raises(ValueError, match="expected backend, auth, frontend, got database"):
        fetch("/health", ports={"database": 0})


@pytest.mark.parametrize(
    ("headers", "status", "detail"),
    [
        ({}, 403, "Not authenticated"),
        (bearer("not-a-token"), 401, "Invalid token format"),
        (bearer("a.b.c"), 401, "Token validation failed"),
    ],
)
def test_threads_are_for_users(headers: dict[str, str], status: int, detail: str) -> None:
    response = fetch("/api/threads", headers=headers)
    assert (response.status_code, response.json()) == (status, {"detail": detail})


def test_threads_list_what_was_asked() -> None:
    async def check(standin: Standin) -> Any:
        async with connect(standin.ws_url, additional_headers=bearer(mint())) as socket:
            await socket.send(json.dumps(ASK))
            await read_until(socket, "agent_completed")
        async with httpx.AsyncClient(headers=bearer(mint())) as http:
            return (await http.get(standin.backend_url + "/api/threads")).json()

    (thread,) = on_standin(check)
    assert (thread["id"], thread["user_id"]) == ("thread-7", USER.user_id)


def test_an_http_handler_that_fails_answers_500_without_details() -> None:
    body = fetch("/api/threads", headers=bearer(mint()), missing={"db_session_factory"}).json()
    assert set(body) == {"error", "error_code", "message", "trace_id", "timestamp"}


def test_mcp_servers() -> None:
    body = fetch("/api/mcp/servers").json()
    assert body["status"] == "success"
    assert [server["status"] for server in body["data"]] == ["connected"]


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [("GET", "/api/stats", 404, "Not Found"), ("PUT", "/health", 405, "Method Not Allowed")],
)
def test_what_is_absent_is_absent_in_json(method: str, path: str, status: int, detail: str) -> None:
    response = fetch(path, method=method)
    assert (response.status_code, response.json()) == (status, {"detail": detail})


def test_the_front_end_has_a_page_and_a_health() -> None:
    assert "text/html" in fetch("/", service="frontend").headers["Content-Type"]
    assert fetch("/health", service="frontend").json()["status"] == "healthy"


# The auth service.


def log_in(key: str | None = BYPASS_KEY, **request: Any) -> httpx.Response:
    headers = {} if key is None else {"X-E2E-Bypass-Key": key}
    return fetch("/auth/e2e/test-auth", service="auth", method="POST", headers=headers, **request)


def test_a_login_gives_tokens_with_the_usual_claims() -> None:
    response = log_in(json={"email": "ann@example.com", "name": "Ann", "permissions": ["read"]})
    assert response.status_code == 200
    body = response.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert body["user"] == {
        "id": "e2e-ann",
        "email": "ann@example.com",
        "name": "Ann",
        "permissions": ["read"],
        "oauth_simulated": False,
    }
    claims = jwt.decode(body["access_token"], SIGNING_KEY, algorithms=["HS256"], audience="backend")
    assert set(claims) == set("sub email permissions iat exp iss aud jti type token_type env".split())
    assert (claims["sub"], claims["type"], claims["exp"] - claims["iat"]) == ("e2e-ann", "access", 900)


@pytest.mark.parametrize(
    ("key", "status", "detail"),
    [
        (None, 401, "E2E bypass key required"),
        ("wrong", 401, "Invalid E2E bypass key"),
        (BYPASS_KEY, 422, "Invalid JSON in request body"),
    ],
)
def test_a_login_is_refused(key: str | None, status: int, detail: str) -> None:
    response = log_in(key, content="{")
    assert (response.status_code, response.json()) == (status, {"detail": detail})


def test_verify_says_whose_token_it_is() -> None:
    token = mint()
    in_header = fetch("/auth/verify", service="auth", headers=bearer(token)).json()
    in_body = fetch("/auth/verify", service="auth", method="POST", json={"token": token}).json()
    assert in_header == in_body
    assert (in_header["valid"], in_header["user_id"], in_header["email"]) == (True, USER.user_id, USER.email)


def test_verify_never_refuses() -> None:
    response = fetch("/auth/verify", service="auth", method="POST", content="x")
    assert response.status_code == 200
    assert response.json() == {"valid": False, "error": "No authentication token provided"}


@pytest.mark.parametrize("path", ["/auth/health", "/health"])
def test_health_of_the_auth_service(path: str) -> None:
    body = fetch(path, service="auth").json()
    assert (body["service"], body["database_status"]) == ("auth-service", "connected")
