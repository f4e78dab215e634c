"""Who may ask: whoever has the token, over loopback, and no web page of others. Errors are JSON."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel

from simulator.core import jsontext
from simulator.core.errors import StagesimError
from simulator.core.jsontext import MISSING, Json
from simulator.live.control.errors import RefusedError
from simulator.live.control.models import Problem

MAX_BODY: Final = 1024 * 1024
"""Bytes of a request's body that are read; what is longer is refused with 413."""
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)(?::(?P<port>\d{1,5}))?")
_LOG: Final = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Check = Callable[[web.Request], None]
"""Raises RefusedError for a request that is not to be answered."""
Say = Callable[[int, StagesimError], BaseModel]
"""What the body of an error says, by status."""


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine only."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_place(request: web.Request) -> None:
    """Raise RefusedError unless Host is our own address, and Origin, if there is one, as well.

    A web page elsewhere can make its reader's browser ask us: its Origin gives it away, or, where it has bound its
    own name to the loopback address, its Host.
    """
    port = request.transport.get_extra_info("sockname")[1] if request.transport else 0
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or not _is_ours(hosts[0], port):
        raise RefusedError(403, "expected our own loopback address", place="Host")
    for origin in request.headers.getall("Origin", []):
        scheme, _, host = origin.partition("://")
        if scheme != "http" or not _is_ours(host, port):
            raise RefusedError(403, "other web pages may not ask", place="Origin")


def _is_ours(host: str, port: int) -> bool:
    match = _HOST.fullmatch(host)
    return match is not None and is_loopback(match["name"]) and int(match["port"] or 80) == port


def token_check(token: str) -> Check:
    """Raises RefusedError unless a request carries the token."""
    wanted = f"Bearer {token}".encode()

    def check(request: web.Request) -> None:
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, wanted):
            what = "wrong token" if given else "no token"
            raise RefusedError(401, what, place="Authorization", hint="Authorization: Bearer TOKEN")

    return check


def check_type(request: web.Request) -> None:
    """Raise RefusedError for a body that does not call itself JSON."""
    if request.body_exists and request.content_type != "application/json":
        raise RefusedError(415, f"expected application/json, got {request.content_type}", place="Content-Type")


async def json_of(request: web.Request) -> Json:
    """A request's body; nothing reads as None. Raises RefusedError for what is no JSON."""
    data = await request.read()
    value = jsontext.parse(data) if data else None
    if value is MISSING:
        raise RefusedError(400, "not JSON", place="body")
    return value


def guarded(checks: tuple[Check, ...], say: Say) -> Any:
    """A middleware that asks the checks before anything else, and answers every error in one form."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers: dict[str, str] = {}
        try:
            for check in checks:
                check(request)
            return await handler(request)
        except RefusedError as refusal:
            status, error = refusal.status, refusal.error
        except StagesimError as problem:
            status, error = 422, problem
        except web.HTTPException as refused:  # aiohttp's own: no such path or method, a body that is too large
            status, error = refused.status, StagesimError(refused.reason.lower(), place=request.path)
            headers = {"Allow": refused.headers["Allow"]} if "Allow" in refused.headers else {}
        except Exception:
            _LOG.exception("%s %s", request.method, request.path)
            status, error = 500, StagesimError("a mistake of ours; the log of the replay says more")
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return json_response(say(status, error), status, headers)

    return guard


def problem_of(status: int, error: StagesimError) -> Problem:
    """The form of the control API's errors."""
    return Problem(error=str(error), place=error.place, problem=error.problem, hint=error.hint)


def json_response(body: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=body.model_dump_json(by_alias=True).encode(),
        status=status,
        content_type="application/json",
        headers={**(headers or {}), "Cache-Control": "no-store"},
    )
