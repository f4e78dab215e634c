"""Whether a recording can be said on a wire at all: what no HTTP or WebSocket peer could have sent is an error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from simulator.core.errors import RecordingError
from simulator.core.events import Chunk, Close, End, Event, Headers, Ping, Pong, Request, Response, is_upgrade
from simulator.core.matching.compare import is_upgrade_request
from simulator.core.recording import Recording

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile("[\t\x20-\x7e\x80-\xff]*")
_CONTROL_PAYLOAD: Final = 125
_CLOSE_REASON: Final = 123


def check_sendable(recording: Recording) -> None:
    """Raise RecordingError, with the place, for the first event that cannot be sent."""
    for _ in sendable(recording.events):
        pass


def sendable(events: Iterable[Event]) -> Iterator[Event]:
    """The events, as long as they can be sent. Going through them raises RecordingError for one that cannot."""
    requests: dict[str, Request] = {}
    streaming: set[str] = set()
    for index, event in enumerate(events):
        problem = _problem(event, requests.get(event.flow), streaming=event.flow in streaming)
        if problem is not None:
            raise RecordingError(problem, place=f"event {index + 1} (flow {event.flow})")
        if isinstance(event, Request):
            requests[event.flow] = event
        elif isinstance(event, Response) and event.streaming:
            streaming.add(event.flow)
        yield event


def _problem(event: Event, request: Request | None, *, streaming: bool) -> str | None:
    if isinstance(event, Request | Response):
        wrong = _headers(event.headers)
        if wrong is not None:
            return wrong
    if isinstance(event, Response):
        return _response(event, request)
    if isinstance(event, Chunk | End) and not streaming:
        return f"a {event.kind} without a streaming response before it"
    if isinstance(event, Ping | Pong) and len(event.data) > _CONTROL_PAYLOAD:
        return f"a {event.kind} of {len(event.data)} bytes; control frames hold at most {_CONTROL_PAYLOAD}"
    if isinstance(event, Close) and len(event.reason.encode("utf-8", "surrogatepass")) > _CLOSE_REASON:
        return f"a close reason of more than {_CLOSE_REASON} bytes"
    return None


def _response(event: Response, request: Request | None) -> str | None:
    if not _VALUE.fullmatch(event.reason):
        return f"expected a reason phrase of one line of Latin-1, got {event.reason!r}"
    if event.status < 200 and event.status != 101:
        return f"status {event.status} is not a final response"
    if is_upgrade(event) and (request is None or not is_upgrade_request(request)):
        return "a 101 to a request that asks for no WebSocket"
    return None


def _headers(headers: Headers) -> str | None:
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            return f"expected a header field's name, got {name!r}"
        if not _VALUE.fullmatch(value):
            return f"expected one line of Latin-1 in the header field {name}, got {value!r}"
    return None
