"""What the three services have in common: a little latency, and JSON for every error."""

import logging
import time
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from simulator.demo.standin.frames import Frame
from simulator.demo.standin.ids import IdMint
from simulator.demo.standin.pace import Pace

logger = logging.getLogger(__name__)

HTTP_SECONDS = 0.25
UPGRADE_SECONDS = 0.3
"""Latencies: the users' test suites reject staging that answers faster than about this."""


def latency(pace: Pace) -> Middleware:
    """Middleware that answers as late as staging does."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        await pace.sleep(UPGRADE_SECONDS if "Upgrade" in request.headers else HTTP_SECONDS)
        return await handler(request)

    return middleware


def json_errors(ids: IdMint) -> Middleware:
    """Middleware that says refusals as `detail`, and failures as staging's error body with status 500."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            return web.json_response({"detail": refusal.reason}, status=refusal.status)
        except Exception as error:
            logger.error("%s %s failed: %r", request.method, request.path, error)
            return web.json_response(error_body(ids.uuid()), status=HTTPStatus.INTERNAL_SERVER_ERROR)

    return middleware


def error_body(trace_id: str) -> Frame:
    """The body of a 500, without the debugging fields."""
    return {
        "error": True,
        "error_code": "INTERNAL_ERROR",
        "message": "Internal server error",
        "trace_id": trace_id,
        "timestamp": time.time(),
    }


def detail(status: HTTPStatus, text: str) -> web.Response:
    """A refusal with the reason in `detail`."""
    return web.json_response({"detail": text}, status=status)


def bearer_token(request: web.Request) -> str | None:
    """The token of the Authorization header, None without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
