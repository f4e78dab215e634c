"""Recordings as HAR 1.2 files, WebSocket messages as Chrome writes them: DevTools and mitmproxy open them."""

from __future__ import annotations

import base64
from typing import Final
from urllib.parse import parse_qsl

import simulator
from simulator.core.events import Direction, Headers, Message, Request, Reset, Response, header
from simulator.core.recording import Recording
from simulator.core.units import MILLISECOND, SECOND, Time, iso_time
from simulator.core.values.coding import decoded
from simulator.files.exporters.exchanges import Exchange, exchanges
from simulator.files.losses import Losses

NO_CLOSES: Final = "closes and resets left out, for HAR has no place for them"
AS_SENT: Final = "bodies given as they were on the wire, for their coding is not read here"
_NO_RESPONSE: Final = {
    "status": 0,
    "statusText": "",
    "httpVersion": "",
    "cookies": [],
    "headers": [],
    "content": {"size": 0, "mimeType": ""},
    "redirectURL": "",
    "headersSize": -1,
    "bodySize": -1,
}

Object = dict[str, object]


def har_of(recording: Recording, losses: Losses) -> Object:
    """A recording as the object of a HAR file. Raises RecordingError."""
    created = recording.header.created
    told = sorted(exchanges(recording, losses), key=lambda exchange: exchange.request.at)
    log: Object = {
        "version": "1.2",
        "creator": {"name": "stagesim", "version": simulator.__version__},
        "pages": [],
        "entries": [_entry(exchange, created, losses) for exchange in told],
    }
    return {"log": log | ({"comment": recording.header.title} if recording.header.title else {})}


def _entry(exchange: Exchange, created: Time, losses: Losses) -> Object:
    request, response = exchange.request, exchange.response
    answered = response.at if response is not None else request.at
    wait, receive = answered - request.at, 0 if exchange.is_socket else exchange.ended - answered
    entry: Object = {
        "startedDateTime": iso_time(created + request.at),
        "time": (wait + receive) / MILLISECOND,
        "request": _request(exchange),
        "response": _NO_RESPONSE if response is None else _response(request, response, exchange.body, losses),
        "cache": {},
        "timings": {"send": 0, "wait": wait / MILLISECOND, "receive": receive / MILLISECOND},
    }
    losses.add(NO_CLOSES, sum(exchange.is_socket or isinstance(end, Reset) for end in exchange.ends))
    if exchange.is_socket:
        messages = [_message(message, created) for message in exchange.messages]
        entry |= {"_resourceType": "websocket", "_webSocketMessages": messages}
    return entry


def _request(exchange: Exchange) -> Object:
    request = exchange.request
    url = f"ws{exchange.url.removeprefix('http')}" if exchange.is_socket else exchange.url
    told: Object = {
        "method": request.method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _fields(request.headers),
        "queryString": [
            {"name": name, "value": value} for name, value in parse_qsl(request.query, keep_blank_values=True)
        ],
        "headersSize": -1,
        "bodySize": len(request.body),
    }
    if request.body:
        mime = header(request.headers, "content-type") or ""
        told["postData"] = {"mimeType": mime, "params": [], **_text(request.body, mime)}
    return told


def _response(request: Request, response: Response, body: bytes, losses: Losses) -> Object:
    mime = header(response.headers, "content-type") or ""
    content = _decoded(body, response.headers)
    losses.add(AS_SENT, content is None)
    plain = body if content is None else content
    size: Object = {"size": len(plain), "compression": len(plain) - len(body), "mimeType": mime}
    return {
        "status": response.status,
        "statusText": response.reason,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _fields(response.headers),
        "content": size | (_text(plain, mime) if content is not None else _base64(plain)),
        "redirectURL": header(response.headers, "location") or "",
        "headersSize": -1,
        "bodySize": len(body),
    }


def _decoded(body: bytes, headers: Headers) -> bytes | None:
    """A body without its content codings; None where one is unknown."""
    plain = decoded(body, headers)
    return None if plain is None else plain.data


def _text(body: bytes, mime: str) -> Object:
    """A body as text where any reader makes the same bytes of it again, else as base64."""
    named = mime.lower().partition("charset=")[2].strip("\"' ")
    if body.isascii() or not named or named.startswith("utf-8"):
        try:
            return {"text": body.decode()}
        except UnicodeDecodeError:
            pass
    return _base64(body)


def _base64(body: bytes) -> Object:
    return {"text": base64.b64encode(body).decode("ascii"), "encoding": "base64"}


def _fields(headers: Headers) -> list[Object]:
    return [{"name": name, "value": value} for name, value in headers]


def _message(message: Message, created: Time) -> Object:
    text = isinstance(message.data, str)
    return {
        "type": "send" if message.direction is Direction.UPSTREAM else "receive",
        "time": (created + message.at) / SECOND,
        "opcode": 1 if text else 2,
        "data": message.data if text else base64.b64encode(message.payload).decode("ascii"),
    }
