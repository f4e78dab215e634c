"""Dumps of mitmproxy (`mitmdump -w`), as events; one that holds raw connections says all that a recording does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from mitmproxy import flow as flows
from mitmproxy import http, tcp
from mitmproxy.io import compat
from websockets.frames import Opcode

from simulator.core.errors import RecordingError
from simulator.core.events import (
    Close,
    Direction,
    Event,
    Headers,
    Message,
    Ping,
    Pong,
    Request,
    Reset,
    Response,
    header,
)
from simulator.core.serversent import is_event_stream
from simulator.core.units import SECOND, Time
from simulator.files.fields import resized
from simulator.files.importers.bodies import is_bodiless
from simulator.files.importers.gathering import Exchange, Imported, gathered
from simulator.files.losses import Losses
from simulator.files.upstreams import ServiceNames, origin
from simulator.live.recorder.exchange import end_to_end
from simulator.live.recorder.tape import Tape
from simulator.live.recorder.tnetstring import read
from simulator.live.recorder.websocket import WebSocketConnection

NO_FRAMES: Final = "WebSockets without pings, pongs, fragments and compression, which this dump does not hold"
NO_END: Final = (
    "WebSockets without their end, which this dump does not hold (a replay leaves closing to the client)"
)
NO_ANSWER: Final = "WebSockets without the second close frame, for dumps hold the first"
NO_RST: Final = "peers that vanished, by FIN or by RST: dumps do not say which, and FIN is written"
NO_MESSAGES: Final = "WebSockets without their messages, which this dump does not hold"
NO_RESPONSE: Final = "requests without a response, for dumps do not hold how they failed on the wire"
NO_BODY: Final = "bodies that were streamed, and are not in this dump"
NO_PIECES: Final = "responses whose pieces come at once, for dumps hold no times within a body"
NO_TRAILERS: Final = "trailers left out, which recordings do not hold"
NOT_SENT: Final = "messages left out that never reached the client, or never came from it"
NOT_DATA: Final = "messages left out that are neither text nor binary"
NOT_HTTP: Final = "flows left out that are no HTTP"
_BY_ADDRESS: Final = frozenset(("transparent", "wireguard", "local", "tun"))
"""Modes in which mitmproxy knows servers by their address only."""


def read_flows(path: Path, names: ServiceNames) -> Imported:
    """The events of a dump; services are named by `names`. Raises RecordingError."""
    losses = Losses()
    found: list[tuple[str, http.HTTPFlow]] = []
    raw: dict[str, tcp.TCPFlow] = {}
    for place, flow in _flows(path):
        if isinstance(flow, http.HTTPFlow) and flow.request.method != "CONNECT":
            found.append((place, flow))
        elif isinstance(flow, tcp.TCPFlow):
            raw[flow.client_conn.id] = flow
        else:
            losses.add(NOT_HTTP)
    exchanges = []
    for place, flow in found:
        follows = raw.pop(flow.client_conn.id, None) if _is_raw(flow) else None
        try:
            events = tuple(_events(flow, follows, names, losses, number=place.split()[-1]))
        except Exception as error:  # a dump can give any attribute any type
            raise RecordingError(f"not a flow of mitmproxy's: {_said(error)}", place=f"{path}: {place}") from None
        exchanges.append(Exchange(place=place, events=events))
    losses.add(NOT_HTTP, len(raw))
    return gathered(exchanges, losses, path=path, title="Imported from a dump of mitmproxy's")


def _flows(path: Path) -> Iterator[tuple[str, flows.Flow]]:
    try:
        with path.open("rb") as file:
            yield from _read(file, path.stat().st_size, path)
    except OSError as error:
        raise RecordingError(f"cannot be read: {error.strerror or error}", place=str(path)) from None


def _read(file: BinaryIO, left: int, path: Path) -> Iterator[tuple[str, flows.Flow]]:
    number = 0
    while left:
        number += 1
        place = f"flow {number}"
        try:
            state: Any
            state, left = read(file, left)
            flow = flows.Flow.from_state(compat.migrate_flow(state))
        except Exception as error:  # whatever mitmproxy makes of what is no flow
            problem = f"not a dump that mitmproxy reads: {_said(error)}"
            raise RecordingError(problem, place=f"{path}: {place}") from None
        yield place, flow


def _said(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)
    return text if len(text) <= 200 else text[:199] + "…"


def _is_raw(flow: http.HTTPFlow) -> bool:
    """Whether what followed an upgrade may be a flow of its own, as with mitmproxy's websocket=false."""
    return flow.response is not None and flow.response.status_code == 101 and flow.websocket is None


def _events(
    flow: http.HTTPFlow, raw: tcp.TCPFlow | None, names: ServiceNames, losses: Losses, *, number: str
) -> Iterator[Event]:
    yield _request(flow, names, losses)
    if flow.response is None:
        losses.add(NO_RESPONSE)
        return
    response = _response(flow.request, flow.response, losses)
    yield response
    if flow.websocket is not None:
        yield from _messages(flow.websocket.messages, losses)
        yield from _end(flow, losses)
    elif raw is not None:
        yield from _unframed(raw, number, response.headers, losses)
    elif response.status == 101:
        losses.add(NO_MESSAGES)
        losses.add(NO_END)


def _request(flow: http.HTTPFlow, names: ServiceNames, losses: Losses) -> Request:
    asked = flow.request
    by_address = flow.client_conn.proxy_mode.type_name in _BY_ADDRESS
    host = asked.pretty_host if by_address else asked.host
    headers = end_to_end(asked.headers.fields)
    if asked.authority and header(headers, "host") is None:
        headers = (("Host", asked.authority), *headers)
    losses.add(NO_BODY, asked.raw_content is None)
    losses.add(NO_TRAILERS, asked.trailers is not None)
    return Request(
        flow="",
        at=_time(asked.timestamp_end or asked.timestamp_start),
        service=names.of(origin(asked.scheme, host.lower(), asked.port)),
        method=asked.method,
        target=asked.data.path.decode("latin-1"),
        headers=headers if asked.raw_content is not None else resized(headers, 0),
        body=asked.raw_content or b"",
    )


def _response(asked: http.Request, answer: http.Response, losses: Losses) -> Response:
    headers = end_to_end(answer.headers.fields)
    if answer.raw_content is None and not is_bodiless(asked.method, answer.status_code):
        losses.add(NO_BODY)
        headers = resized(headers, 0)
    losses.add(NO_PIECES, is_event_stream(headers))
    losses.add(NO_TRAILERS, answer.trailers is not None)
    return Response(
        flow="",
        at=_time(answer.timestamp_start),
        status=answer.status_code,
        reason=answer.data.reason.decode("latin-1"),
        headers=headers,
        body=answer.raw_content or b"",
    )


def _messages(messages: list[Any], losses: Losses) -> Iterator[Event]:
    """What mitmproxy's WebSocket messages say; what it dropped or injected counts as the client saw it."""
    losses.add(NO_FRAMES)
    for message in messages:
        if message.injected if message.from_client else message.dropped:
            losses.add(NOT_SENT)
            continue
        way = Direction.UPSTREAM if message.from_client else Direction.DOWNSTREAM
        at, content = _time(message.timestamp), bytes(message.content)
        match int(message.type):
            case Opcode.TEXT:
                yield Message(flow="", at=at, direction=way, data=content.decode())
            case Opcode.BINARY:
                yield Message(flow="", at=at, direction=way, data=content)
            case Opcode.PING:
                yield Ping(flow="", at=at, direction=way, data=content)
            case Opcode.PONG:
                yield Pong(flow="", at=at, direction=way, data=content)
            case _:
                losses.add(NOT_DATA)


def _end(flow: http.HTTPFlow, losses: Losses) -> Iterator[Event]:
    """How a WebSocket ended: mitmproxy says 1006 of a peer that vanished, 1005 of a close without a code."""
    end = flow.websocket
    if end is None or end.closed_by_client is None or end.close_code is None or end.timestamp_end is None:
        losses.add(NO_END)
        return
    way = Direction.UPSTREAM if end.closed_by_client else Direction.DOWNSTREAM
    at, code = _time(end.timestamp_end), end.close_code
    if code == 1006:
        losses.add(NO_RST)
        yield Reset(flow="", at=at, direction=way, rst=False)
        return
    losses.add(NO_ANSWER)
    yield Close(flow="", at=at, direction=way, code=None if code == 1005 else code, reason=end.close_reason or "")


class _NoTimer:
    """All of a dump is there at once: nothing is waited for."""

    def cancel(self) -> None:
        pass


def _unframed(raw: tcp.TCPFlow, number: str, response: Headers, losses: Losses) -> list[Event]:
    """The events in the bytes of an upgraded connection, as while recording."""
    now = _time(raw.messages[0].timestamp) if raw.messages else 0
    events: list[Event] = []
    began = now
    tape = Tape(events.append, on_problem=losses.add, clock=lambda: now, later=lambda _wait, _call: _NoTimer())
    connection = WebSocketConnection(tape, number, response)
    for message in raw.messages:
        now = max(now, _time(message.timestamp))
        direction = Direction.UPSTREAM if message.from_client else Direction.DOWNSTREAM
        connection.received(direction, bytes(message.content))
    connection.abandon()
    tape.close()
    losses.add(NO_END, not any(isinstance(event, Close) for event in events))
    return [replace(event, at=event.at + began) for event in events]


def _time(timestamp: float) -> Time:
    return round(timestamp * SECOND)
