"""The recorded answer to a WebSocket upgrade, as it must be for a client whose key and offers are its own."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Final

from simulator.core.events import Headers, Request, Response, header, is_upgrade

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key: str) -> str:
    """The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455 §4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def offered_protocols(headers: Headers) -> list[str]:
    """Every subprotocol that a client offers, in order, from however many header fields."""
    values = [value for name, value in headers if name.lower() == "sec-websocket-protocol"]
    return [item.strip() for value in values for item in value.split(",")]


def agreed(response: Response, request: Request) -> Response:
    """A recorded 101 for this request; any other response as it is.

    Accept answers the client's key. A recorded subprotocol that the client did not offer is left out: the client
    would have to fail the connection (RFC 6455 §4.1), and the recorded server would not have chosen it either.
    """
    key, offers = header(request.headers, "sec-websocket-key"), offered_protocols(request.headers)
    if not is_upgrade(response):
        return response
    fields = []
    for name, value in response.headers:
        lower = name.lower()
        if lower == "sec-websocket-accept" and key is not None:
            fields.append((name, accept_key(key)))
        elif lower != "sec-websocket-protocol" or value in offers:
            fields.append((name, value))
    return replace(response, headers=tuple(fields))
