"""The server's answer to a WebSocket upgrade: what the recording answered, as far as this client offered it."""

from __future__ import annotations

from dataclasses import replace

from websockets.headers import parse_extension
from websockets.utils import accept_key

from simulator.core.events import Headers, Request, Response, header

_PER_CONNECTION = {"sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions"}


def switching(response: Response, request: Request) -> Response:
    """The 101 for this request (RFC 6455 §4.2.2).

    A recorded subprotocol or extension that the client did not offer is left out: it would have to fail the
    connection (§4.1), and the recorded server would not have chosen it either.
    """
    chosen = []
    for name, value in response.headers:
        lower = name.lower()
        if lower == "sec-websocket-protocol" and value in offered_protocols(request.headers):
            chosen.append((name, value))
        elif lower == "sec-websocket-extensions" and (agreed := _extension(value, request.headers)):
            chosen.append((name, agreed))
        elif lower not in _PER_CONNECTION:
            chosen.append((name, value))
    for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade")):
        if header(tuple(chosen), name) is None:
            chosen.append((name, value))
    key = header(request.headers, "sec-websocket-key") or ""
    chosen.append(("Sec-WebSocket-Accept", accept_key(key)))
    return replace(response, headers=tuple(chosen), reason=response.reason or "Switching Protocols")


def offered_protocols(headers: Headers) -> list[str]:
    """Every subprotocol that a client offers, in order, from however many header fields."""
    values = [value for name, value in headers if name.lower() == "sec-websocket-protocol"]
    return [item.strip() for value in values for item in value.split(",")]


def _extension(recorded: str, headers: Headers) -> str | None:
    """The recorded permessage-deflate answer, without what this client did not offer (RFC 7692 §7.1)."""
    offers = [value for name, value in headers if name.lower() == "sec-websocket-extensions"]
    try:
        offered = {name: dict(parameters) for name, parameters in parse_extension(", ".join(offers))}
        answers = parse_extension(recorded)
    except Exception:  # what cannot be parsed cannot be agreed on; websockets raises several kinds
        return None
    if len(answers) != 1 or answers[0][0] not in offered:
        return None
    name, parameters = answers[0]
    kept = [
        f"{key}={value}" if value else key
        for key, value in parameters
        if key != "client_max_window_bits" or key in offered[name]
    ]
    return "; ".join([name, *kept])
