"""From an upgrade request to a conversation: subprotocol, authentication, refusal."""

import base64
import binascii
from collections.abc import Mapping
from contextlib import suppress

from aiohttp import WSCloseCode, hdrs, web

from simulator.demo.standin import frames
from simulator.demo.standin.conversation import Conversation
from simulator.demo.standin.pace import Pace
from simulator.demo.standin.state import HEARTBEAT, SYSTEM, TOKENS
from simulator.demo.standin.tokens import TokenError
from simulator.demo.standin.web_common import bearer_token

ACCEPT_SECONDS = 0.1
REFUSAL_SECONDS = 0.1
PROTOCOL_PING_SECONDS = 20.0
"""Below the JSON heartbeat there is one of protocol pings; it is not scaled, being about the real network."""

CLOSE_TIMEOUT = 2.0
E2E_HEADERS: Mapping[str, str] = {
    "X-Test-Type": "E2E",
    "X-Test-Environment": "staging",
    "X-E2E-Test": "true",
    "X-Test-Mode": "true",
}


async def websocket(request: web.Request) -> web.WebSocketResponse:
    """GET /ws: accept first and authenticate then, as staging did, so that a refusal is a close and not a 403."""
    system = request.app[SYSTEM]
    socket = web.WebSocketResponse(
        protocols=("jwt-auth",) if "jwt-auth" in offered_protocols(request) else (),
        heartbeat=PROTOCOL_PING_SECONDS,
        timeout=CLOSE_TIMEOUT,
    )
    await socket.prepare(request)
    try:
        grant = request.app[TOKENS].check(token_of(request), trust_signature=is_e2e(request.headers))
    except TokenError as error:
        # A client that does not wait for the reason is gone, and nothing is to be done about it.
        with suppress(ConnectionResetError):
            await refuse(socket, error, system.pace)
        return socket
    await system.pace.sleep(ACCEPT_SECONDS)
    await Conversation(system, socket, grant.user.user_id, request.app[HEARTBEAT]).hold()
    return socket


async def refuse(socket: web.WebSocketResponse, error: TokenError, pace: Pace) -> None:
    """Say why in a frame, and close with 1008 a moment later."""
    await socket.send_json(frames.auth_failed(error.code, str(error)))
    await pace.sleep(REFUSAL_SECONDS)
    await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"SSOT Auth failed")


def is_e2e(headers: Mapping[str, str]) -> bool:
    """Whether any one of the headers that mark end-to-end tests is there."""
    return any(headers.get(name) == value for name, value in E2E_HEADERS.items())


def offered_protocols(request: web.Request) -> list[str]:
    """The subprotocols that the client offers, in order, over all of its headers."""
    lines = request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, ())
    return [item.strip() for line in lines for item in line.split(",")]


def token_of(request: web.Request) -> str | None:
    """The token: from the Authorization header, else the subprotocol `jwt.<base64url>`, else `?token=`."""
    return bearer_token(request) or _protocol_token(request) or request.query.get("token")


def _protocol_token(request: web.Request) -> str | None:
    for item in offered_protocols(request):
        if item.startswith("jwt."):
            return _from_base64url(item.removeprefix("jwt."))
    return None


def _from_base64url(text: str) -> str:
    padded = text + "=" * (-len(text) % 4)
    # What does not decode is no token, but not nothing either: the check will call it malformed.
    try:
        return base64.urlsafe_b64decode(padded).decode() or text
    except (binascii.Error, UnicodeDecodeError):
        return text
