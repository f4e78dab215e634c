"""Recordings as dumps of mitmproxy, which mitmweb and mitmproxy open (`mitmweb -r FILE`)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import BinaryIO, Final
from urllib.parse import urlsplit

from mitmproxy import connection, http
from mitmproxy import flow as flows
from mitmproxy.io import FlowWriter
from mitmproxy.websocket import WebSocketData, WebSocketMessage
from websockets.frames import Opcode

from simulator.core.events import Close, Direction, Headers, Request, Response
from simulator.core.recording import Recording
from simulator.core.units import SECOND, Time
from simulator.files.exporters.exchanges import Exchange, exchanges
from simulator.files.losses import Losses

NO_ANSWER: Final = "second closes left out, for dumps hold the first"
NO_RST: Final = "resets that lose whether they were RST or FIN"
NO_RESET: Final = "resets of HTTP given as an error, for dumps do not hold when they were"
_NAMES: Final = uuid.UUID("7a1c2f9e-52c1-4b3a-9c51-3c1f0a2f8d10")
"""Makes the ids of flows, the same for the same recording."""


def write_flows(recording: Recording, file: BinaryIO, losses: Losses) -> None:
    """Write a recording as a dump. Raises RecordingError."""
    writer = FlowWriter(file)  # type: ignore[no-untyped-call]
    for exchange in exchanges(recording, losses):
        writer.add(_flow(exchange, recording.header.created, losses))


def _flow(exchange: Exchange, created: Time, losses: Losses) -> http.HTTPFlow:
    parts = urlsplit(exchange.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    began, ended = _stamp(created + exchange.request.at), _stamp(created + exchange.ended)
    client = connection.Client(
        peername=("127.0.0.1", 0),
        sockname=("127.0.0.1", 0),
        timestamp_start=began,
        id=_id(created, exchange.flow, "client"),
        state=connection.ConnectionState.CLOSED,
    )
    server = connection.Server(
        address=(host, port), timestamp_start=began, id=_id(created, exchange.flow, "server")
    )
    flow = http.HTTPFlow(client, server)
    flow.id = _id(created, exchange.flow, "flow")
    flow.timestamp_created = began
    flow.request = _request(exchange.request, parts.scheme, host, port, began)
    if exchange.response is not None:
        flow.response = _response(exchange.response, exchange.body, created, ended)
    if exchange.is_socket:
        flow.websocket = _socket(exchange, created, losses)
    elif exchange.ends:
        losses.add(NO_RESET)
        sides = {Direction.UPSTREAM: "client", Direction.DOWNSTREAM: "server"}
        reset = exchange.ends[0]
        flow.error = flows.Error(f"The {sides[reset.direction]} was gone.", _stamp(created + reset.at))
    return flow


def _request(request: Request, scheme: str, host: str, port: int, at: float) -> http.Request:
    return http.Request(
        host=host,
        port=port,
        method=request.method.encode(),
        scheme=scheme.encode(),
        authority=b"",
        path=request.target.encode("utf-8", "surrogateescape"),
        http_version=b"HTTP/1.1",
        headers=http.Headers(_fields(request.headers)),
        content=request.body,
        trailers=None,
        timestamp_start=at,
        timestamp_end=at,
    )


def _response(response: Response, body: bytes, created: Time, ended: float) -> http.Response:
    return http.Response(
        http_version=b"HTTP/1.1",
        status_code=response.status,
        reason=response.reason.encode("latin-1", "replace"),
        headers=http.Headers(_fields(response.headers)),
        content=body,
        trailers=None,
        timestamp_start=_stamp(created + response.at),
        timestamp_end=ended,
    )


def _socket(exchange: Exchange, created: Time, losses: Losses) -> WebSocketData:
    data = WebSocketData()
    for message in exchange.messages:
        kind = Opcode.TEXT if isinstance(message.data, str) else Opcode.BINARY
        sent = message.direction is Direction.UPSTREAM
        data.messages.append(WebSocketMessage(int(kind), sent, message.payload, _stamp(created + message.at)))
    if exchange.ends:
        end = exchange.ends[0]
        losses.add(NO_ANSWER, len(exchange.ends) - 1)
        losses.add(NO_RST, not isinstance(end, Close))
        data.closed_by_client = end.direction is Direction.UPSTREAM
        data.timestamp_end = _stamp(created + end.at)
        if isinstance(end, Close):
            data.close_code, data.close_reason = 1005 if end.code is None else end.code, end.reason
        else:
            data.close_code, data.close_reason = 1006, ""
    return data


def _fields(headers: Headers) -> Iterable[tuple[bytes, bytes]]:
    return [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers]


def _id(created: Time, flow: str, what: str) -> str:
    return str(uuid.uuid5(_NAMES, f"{created}/{flow}/{what}"))


def _stamp(time: Time) -> float:
    return time / SECOND
