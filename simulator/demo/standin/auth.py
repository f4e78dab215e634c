"""The stand-in's auth service: logs test users in, and says whom a token belongs to."""

import json
import time
from http import HTTPStatus

from aiohttp import web

from simulator.demo.standin.ids import IdMint
from simulator.demo.standin.pace import Pace
from simulator.demo.standin.state import TOKENS
from simulator.demo.standin.tokens import ACCESS_SECONDS, REFRESH_SECONDS, TokenError, Tokens, User
from simulator.demo.standin.web_common import bearer_token, detail, json_errors, latency

BYPASS_KEY = "demo-bypass-key"
DEFAULT_EMAIL = "e2e-test@example.com"
DEFAULT_PERMISSIONS = ("read", "write")


def create_auth(tokens: Tokens, pace: Pace, ids: IdMint) -> web.Application:
    """The auth service as an aiohttp application."""
    app = web.Application(middlewares=[latency(pace), json_errors(ids)])
    app[TOKENS] = tokens
    app.add_routes(
        [
            web.post("/auth/e2e/test-auth", test_auth),
            web.get("/auth/verify", verify),
            web.post("/auth/verify", verify),
            web.get("/auth/health", health),
            web.get("/health", health),
        ]
    )
    return app


async def test_auth(request: web.Request) -> web.Response:
    """POST /auth/e2e/test-auth: tokens for whoever knows the bypass key; 401 without it, 422 without JSON."""
    key = request.headers.get("X-E2E-Bypass-Key")
    if not key:
        return detail(HTTPStatus.UNAUTHORIZED, "E2E bypass key required")
    if key != BYPASS_KEY:
        return detail(HTTPStatus.UNAUTHORIZED, "Invalid E2E bypass key")
    body = await _json_object(request)
    if body is None:
        return detail(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid JSON in request body")
    return web.json_response(_login(request.app[TOKENS], body))


def _login(tokens: Tokens, body: dict[str, object]) -> dict[str, object]:
    user = _test_user(body)
    return {
        "access_token": tokens.mint(user),
        "refresh_token": tokens.mint(user, kind="refresh", seconds=REFRESH_SECONDS),
        "token_type": "Bearer",
        "expires_in": ACCESS_SECONDS,
        "user": {
            "id": user.user_id,
            "email": user.email,
            "name": str(body.get("name") or "E2E Test User"),
            "permissions": list(user.permissions),
            "oauth_simulated": bool(body.get("simulate_oauth", False)),
        },
    }


def _test_user(body: dict[str, object]) -> User:
    email = str(body.get("email") or DEFAULT_EMAIL)
    listed = body.get("permissions")
    permissions = tuple(map(str, listed)) if isinstance(listed, list) else DEFAULT_PERMISSIONS
    return User("e2e-" + email.partition("@")[0], email, permissions)


async def verify(request: web.Request) -> web.Response:
    """GET or POST /auth/verify: always 200; `valid` says whether the token is."""
    token = bearer_token(request)
    if token is None:
        named = (await _json_object(request) or {}).get("token")
        token = named if isinstance(named, str) else None
    try:
        grant = request.app[TOKENS].check(token)
    except TokenError as error:
        return web.json_response({"valid": False, "error": str(error)})
    return web.json_response(
        {
            "valid": True,
            "user_id": grant.user.user_id,
            "email": grant.user.email,
            "exp": grant.expires_at,
            "permissions": list(grant.user.permissions),
        }
    )


async def health(request: web.Request) -> web.Response:
    """GET /auth/health and /health."""
    return web.json_response(
        {
            "status": "healthy",
            "service": "auth-service",
            "version": "1.0.0",
            "timestamp": time.time(),
            "database_status": "connected",
        }
    )


async def _json_object(request: web.Request) -> dict[str, object] | None:
    try:
        body = json.loads(await request.read())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
