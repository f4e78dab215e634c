"""The server's answer to a WebSocket upgrade: what the recording answered, as far as this client offered it."""

from __future__ import annotations

from dataclasses import replace

from websockets.headers import parse_extension

from simulator.core.events import Headers, Request, Response, header
from simulator.core.upgrade import accept_key
from simulator.live.frames import UnknownExtensionError, negotiated


def switching(response: Response, request: Request) -> Response:
    """The 101 for this request (RFC 6455 §4.2.2), with the fields that it must have and does not.

    A recorded extension that the client did not offer is left out: it would have to fail the connection (§4.1),
    and the recorded server would not have chosen it either. Whatever else the response says is sent, for that was
    made right before (`simulator.core.upgrade`), or wrong on purpose.
    """
    chosen = []
    for name, value in response.headers:
        lower = name.lower()
        if lower != "sec-websocket-extensions":
            chosen.append((name, value))
        elif agreed := _extension(value, request.headers):
            chosen.append((name, agreed))
    accept = accept_key(header(request.headers, "sec-websocket-key") or "")
    for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
        if header(tuple(chosen), name) is None:
            chosen.append((name, value))
    return replace(response, headers=tuple(chosen), reason=response.reason or "Switching Protocols")


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
    agreed = "; ".join([name, *kept])
    try:
        negotiated((("Sec-WebSocket-Extensions", agreed),))
    except UnknownExtensionError:
        return None
    return agreed
