"""HAR files, with the WebSocket messages that Chrome, Playwright and mitmproxy put into them.

They do not agree on all of it: Chrome and Playwright write 'ws://…' and mitmproxy 'http://…'; Playwright counts a
message's time in milliseconds, the others in seconds; mitmproxy's `connect` is part of its `wait`; Chrome's `wait`
of a WebSocket reaches to its last message; bytes in a request are Latin-1 text, or with Playwright not there.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from simulator.core.errors import RecordingError
from simulator.core.events import Direction, Event, Headers, Message, Request, Response, header
from simulator.core.serversent import is_event_stream
from simulator.core.units import MILLISECOND, SECOND, Time, since_epoch
from simulator.core.upgrade import accept_key
from simulator.files.fields import kept, resized
from simulator.files.importers.bodies import body_of, is_bodiless, length
from simulator.files.importers.gathering import Exchange, Imported, gathered
from simulator.files.importers.harmodels import (
    Content,
    Entry,
    HarFile,
    HarRequest,
    Pair,
    PostData,
    SocketMessage,
    Timings,
)
from simulator.files.losses import Losses
from simulator.files.problems import first_problem
from simulator.files.upstreams import ServiceNames, request_target

NO_END: Final = "WebSockets without their end, for HAR holds no closes (a replay leaves closing to the client)"
NO_FRAMES: Final = "WebSockets without pings, pongs, fragments and compression, which HAR does not hold"
NO_PIECES: Final = "responses whose pieces come at once, for HAR holds no times within a body"
NO_RESPONSE: Final = "requests without a response, for HAR does not hold how they failed"
NO_BODY: Final = "responses without their body, which this HAR does not hold"
NO_FORM: Final = "forms without their body, of which this HAR holds only the fields"
NO_MESSAGES: Final = "WebSockets without their messages, which this HAR does not hold"
NOT_ACCEPTED: Final = "messages left out, of WebSockets without a 101 response"
ERRORS: Final = "WebSocket errors left out, for HAR does not hold what was on the wire"
NOT_HTTP: Final = "entries left out that are no HTTP or WebSocket (CONNECT, data:, chrome-extension:, …)"
_IN_MILLISECONDS: Final = 1e11
"""Times beyond this are milliseconds since the epoch: as seconds, they would be in the year 5138."""
_PIECES_AFTER: Final = 250.0
"""Milliseconds that a body took to arrive, from which on that is worth a word."""
_SIDES: Final = {"send": Direction.UPSTREAM, "receive": Direction.DOWNSTREAM}
_TEXT, _BINARY = 1, 2
_FORM: Final = "application/x-www-form-urlencoded"
_SCHEMES: Final = ("http", "https", "ws", "wss")

Model = TypeVar("Model", bound=BaseModel)


def read_har(data: dict[str, object], path: Path, names: ServiceNames) -> Imported:
    """A HAR's events; services are named by `names`. Raises RecordingError."""
    log = _model(HarFile, data, str(path), ": ").log
    losses = Losses()
    reader = _Reader(names, losses, counts_connect=log.creator.name != "mitmproxy")
    exchanges: list[Exchange] = []
    for index, item in enumerate(log.entries):
        place = f"log.entries[{index}]"
        try:
            events = list(reader.events(_model(Entry, item, "", "")))
        except RecordingError as error:
            raise error.within(f"{path}: {place}", ".") from None
        if events:
            exchanges.append(Exchange(place=place, events=events))
    creator = f"{log.creator.name} {log.creator.version}".strip()
    title = log.comment or f"Imported from a HAR by {creator or 'nobody'}"
    return gathered(exchanges, losses, path=path, title=title)


def _model(model: type[Model], data: object, place: str, joint: str) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problem = first_problem(error, RecordingError)
        raise (problem.within(place, joint) if place else problem) from None


class _Reader:
    """Turns entries into events; `counts_connect` says whether the other phases come after `connect`."""

    def __init__(self, names: ServiceNames, losses: Losses, *, counts_connect: bool) -> None:
        self._names, self._losses, self._counts_connect = names, losses, counts_connect

    def events(self, entry: Entry) -> Iterator[Event]:
        """The events of one entry. Raises RecordingError with the place in it."""
        scheme, colon, _ = entry.request.url.partition(":")
        if entry.request.method == "CONNECT" or (colon and scheme.lower() not in _SCHEMES):
            self._losses.add(NOT_HTTP)
            return
        socket = entry.response.status == 101
        messages = list(self._messages(entry.messages)) if socket else []
        self._note(entry, messages)
        asked = since_epoch(entry.started) + self._before_sent(entry.timings)
        answered = asked + _time(entry.timings.wait)
        if messages:
            asked, answered = min(asked, messages[0].at), min(answered, messages[0].at)
        request = self._request(entry.request, asked, socket=socket)
        yield request
        if entry.response.status:
            yield self._response(entry, request, answered)
        yield from messages

    def _note(self, entry: Entry, messages: list[Message]) -> None:
        """Say what is lost with an entry."""
        status, losses = entry.response.status, self._losses
        losses.add(NO_RESPONSE, not status)
        losses.add(NOT_ACCEPTED, len(entry.messages) if status != 101 else 0)
        stream = is_event_stream(tuple((field.name, field.value) for field in entry.response.headers))
        losses.add(NO_PIECES, status != 101 and (stream or (entry.timings.receive or 0) > _PIECES_AFTER))
        losses.add(NO_MESSAGES, status == 101 and not entry.has_messages)
        losses.add(NO_FRAMES, status == 101 and entry.has_messages)
        losses.add(NO_END, status == 101)

    def _before_sent(self, timings: Timings) -> Time:
        """How long after its start a request was sent whole."""
        phases = (timings.blocked, timings.dns, timings.connect) if self._counts_connect else ()
        return sum(_time(phase) for phase in (*phases, timings.send))

    def _request(self, asked: HarRequest, at: Time, *, socket: bool) -> Request:
        origin, target = request_target(asked.url, "request.url")
        headers = _headers(asked.headers)
        authority = next((pair.value for pair in asked.headers if pair.name.lower() == ":authority"), None)
        if authority and header(headers, "host") is None:
            headers = (("Host", authority), *headers)
        body, headers = self._posted(asked.post_data, headers)
        if socket:
            headers = _with(headers, ("Upgrade", "websocket"), ("Connection", "Upgrade"))
        return Request(
            flow="",
            at=at,
            service=self._names.of(origin),
            method=asked.method,
            target=target,
            headers=headers,
            body=body,
        )

    def _posted(self, posted: PostData | None, headers: Headers) -> tuple[bytes, Headers]:
        """A request's body; what is known by its fields alone can be written again only if it was URL-encoded."""
        kept: bytes | str | None = None
        if posted is not None and (posted.text is not None or not posted.params):
            kept = _content(Content(text=posted.text, encoding=posted.encoding), "request.postData.text")
        elif posted is not None:
            kind = header(headers, "content-type") or posted.mime_type
            if kind.partition(";")[0].strip().lower() != _FORM:
                self._losses.add(NO_FORM)
                return b"", resized(headers, 0)
            kept = urlencode([(pair.name, pair.value) for pair in posted.params])
        return body_of(kept, headers, self._losses)

    def _response(self, entry: Entry, request: Request, at: Time) -> Response:
        answer = entry.response
        headers, body = _headers(answer.headers), b""
        if not is_bodiless(request.method, answer.status):
            content = _content(answer.content, "response.content.text")
            if content is None:
                self._losses.add(NO_BODY, max(answer.content.size or 0, length(headers) or 0) > 0)
                headers = resized(headers, 0)
            else:
                body, headers = body_of(content, headers, self._losses)
        if answer.status == 101:
            key = accept_key(header(request.headers, "sec-websocket-key") or "")
            upgraded = ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", key)
            headers = _with(headers, *upgraded)
        return Response(
            flow="", at=at, status=answer.status, reason=answer.status_text, headers=headers, body=body
        )

    def _messages(self, messages: list[SocketMessage]) -> Iterator[Message]:
        for index, message in enumerate(messages):
            place = f"_webSocketMessages[{index}]"
            if message.type == "error":
                self._losses.add(ERRORS)
                continue
            if message.type not in _SIDES:
                problem = f"expected 'send' or 'receive', got {message.type!r}"
                raise RecordingError(problem, place=f"{place}.type")
            if message.opcode not in (_TEXT, _BINARY):
                problem = f"expected opcode 1 (text) or 2 (binary), got {message.opcode}"
                raise RecordingError(problem, place=f"{place}.opcode")
            data = message.data if message.opcode == _TEXT else _unbase64(message.data, f"{place}.data")
            at = message.time / 1000 if message.time > _IN_MILLISECONDS else message.time
            yield Message(flow="", at=round(at * SECOND), direction=_SIDES[message.type], data=data)


def _time(phase: float | None) -> Time:
    """A phase in µs; one that does not apply took none."""
    return round(phase * MILLISECOND) if phase is not None and phase > 0 else 0


def _headers(pairs: list[Pair]) -> Headers:
    """Header fields without HTTP/2's pseudo fields; some tools join the lines of a repeated one."""
    fields = [(pair.name, line.strip(" \t\r")) for pair in pairs for line in pair.value.split("\n")]
    return kept((name, _latin(value)) for name, value in fields if not name.startswith(":"))


def _latin(value: str) -> str:
    """A field's value as Latin-1 text: bytes beyond it were UTF-8."""
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode("latin-1")
    return value


def _with(headers: Headers, *fields: tuple[str, str]) -> Headers:
    """Header fields with those that no WebSocket is opened without (RFC 6455 §4), if they are not there."""
    return (*headers, *(field for field in fields if header(headers, field[0]) is None))


def _content(content: Content, place: str) -> bytes | str | None:
    if content.text is not None and (content.encoding or "").lower() == "base64":
        return _unbase64(content.text, place)
    return content.text


def _unbase64(text: str, place: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RecordingError(f"not base64: {error}", place=place) from None
