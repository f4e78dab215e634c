"""The stand-in's backend: the HTTP half; the WebSocket half is in `upgrade`."""

import sqlite3
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import WSCloseCode, web
from yarl import URL

from simulator.demo.standin.execute import execute
from simulator.demo.standin.frames import ENVIRONMENT
from simulator.demo.standin.state import HEARTBEAT, SYSTEM, TOKENS, URLS
from simulator.demo.standin.system import System
from simulator.demo.standin.tokens import TokenError, Tokens
from simulator.demo.standin.upgrade import websocket
from simulator.demo.standin.web_common import bearer_token, detail, json_errors, latency

SERVICE = "ai-platform"
VERSION = "1.0.0"


def create_backend(
    system: System, tokens: Tokens, urls: Mapping[str, str], heartbeat_interval: float
) -> web.Application:
    """The backend as an aiohttp application; `urls` are those of all services, and may be filled in later."""
    app = web.Application(middlewares=[latency(system.pace), json_errors(system.ids)])
    app[SYSTEM] = system
    app[TOKENS] = tokens
    app[URLS] = urls
    app[HEARTBEAT] = heartbeat_interval
    app.on_shutdown.append(close_connections)
    app.add_routes(
        [
            web.get("/health", health),
            web.options("/health", health),
            web.get("/health/database", health_database),
            web.get("/health/ready", health_ready),
            web.get("/api/discovery/services", discovery),
            web.get("/api/threads", threads),
            web.get("/api/mcp/servers", mcp_servers),
            web.post("/api/agents/execute", execute),
            web.get("/ws", websocket, allow_head=False),
        ]
    )
    return app


async def close_connections(app: web.Application) -> None:
    """Say goodbye to every client, as a service that is restarted does."""
    for connection in list(app[SYSTEM].connections.values()):
        await connection.close(WSCloseCode.SERVICE_RESTART, "Service restart")


async def health(request: web.Request) -> web.Response:
    """GET, HEAD and OPTIONS /health: 503 with the error if startup failed."""
    wanted = request.headers.get("Accept-Version") or request.headers.get("API-Version") or "current"
    headers = {"API-Version": wanted}
    error = request.app[SYSTEM].startup_error
    if error is None:
        body = {"status": "healthy", "service": SERVICE, "version": VERSION, "timestamp": time.time()}
        return web.json_response(body, headers=headers)
    failed = {"status": "unhealthy", "message": f"Startup failed: {error}", "startup_failed": True}
    return web.json_response(failed, status=HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)


async def health_database(request: web.Request) -> web.Response:
    """GET /health/database: asks the database itself; 503 with its error if it does not answer."""
    try:
        request.app[SYSTEM].initialized_database().ping()
    except (RuntimeError, sqlite3.Error) as error:
        body = {"status": "unhealthy", "connected": False, "error": str(error)}
        return web.json_response(body, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return web.json_response({"status": "healthy", "connected": True})


async def health_ready(request: web.Request) -> web.Response:
    """GET /health/ready: 503 without a database that answers."""
    try:
        request.app[SYSTEM].initialized_database().ping()
    except (RuntimeError, sqlite3.Error):
        return detail(HTTPStatus.SERVICE_UNAVAILABLE, "Core database unavailable")
    return web.json_response(
        {
            "status": "ready",
            "service": SERVICE,
            "timestamp": time.time(),
            "environment": ENVIRONMENT,
            "core_db": "connected",
            "clickhouse_db": "connected",
            "redis_db": "connected",
            "websocket_readiness": {"status": "ready", "websocket_ready": True, "details": {}},
            "details": {},
        }
    )


async def discovery(request: web.Request) -> web.Response:
    """GET /api/discovery/services: where every service is, in absolute URLs."""
    now = datetime.now(UTC).isoformat()
    services = {name: _service(name, url, now) for name, url in request.app[URLS].items()}
    return web.json_response({"services": services, "timestamp": now, "available": len(services)})


def _service(name: str, url: str, now: str) -> dict[str, object]:
    base = url.rstrip("/")
    return {
        "port": URL(base).port,
        "url": base,
        "api_url": f"{base}/auth" if name == "auth" else f"{base}/api",
        "ws_url": f"ws{base.removeprefix('http')}/ws",
        "timestamp": now,
        "cors_metadata": {"service_id": name, "supports_cross_origin": True},
    }


async def threads(request: web.Request) -> web.Response:
    """GET /api/threads: the user's threads; 403 without a token, 401 with one that is not valid."""
    token = bearer_token(request)
    if token is None:
        return detail(HTTPStatus.FORBIDDEN, "Not authenticated")
    try:
        user = request.app[TOKENS].check(token).user
    except TokenError as error:
        return detail(HTTPStatus.UNAUTHORIZED, str(error))
    with request.app[SYSTEM].db_session_factory.session() as session:
        found = session.threads_of(user.user_id)
    return web.json_response(
        [{"id": thread.id, "user_id": thread.user_id, "created_at": thread.created_at} for thread in found]
    )


async def mcp_servers(request: web.Request) -> web.Response:
    """GET /api/mcp/servers."""
    server = {
        "name": "demo-mcp",
        "status": "connected",
        "version": VERSION,
        "capabilities": {"tools": True, "resources": True, "prompts": True},
        "description": "Tools of the demo agents",
    }
    return web.json_response({"data": [server], "status": "success"})
