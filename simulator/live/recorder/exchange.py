"""One HTTP request and its response, from what happens to them to events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from simulator.core.events import Chunk, Direction, End, Headers, Request, Reset, Response, header
from simulator.core.units import MILLISECOND, Time
from simulator.files.fields import kept
from simulator.live.recorder.ordering import Place
from simulator.live.recorder.tape import Tape, Timer

SIZED_WITHIN: Final = 250 * MILLISECOND
"""A body of a known length that is complete so soon after its head was sent whole."""
UNSIZED_WITHIN: Final = 20 * MILLISECOND
"""The same for a body of unknown length: long enough for what was there at once, too short for a stream."""

_STREAMS: Final = ("text/event-stream", "multipart/x-mixed-replace")


def end_to_end(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    """`kept` for fields in bytes, read as Latin-1, which loses none (RFC 9110 §5.5)."""
    return kept((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)


def patience(headers: Headers) -> Time:
    """How long to wait for a response to be complete before it is recorded as a streaming one."""
    if (header(headers, "content-type") or "").lower().startswith(_STREAMS):
        return 0
    sized = header(headers, "content-length") is not None and header(headers, "transfer-encoding") is None
    return SIZED_WITHIN if sized else UNSIZED_WITHIN


@dataclass(slots=True)
class _Pending:
    """A response that is not complete, and may still be so soon enough to be recorded whole."""

    head: Response
    place: Place
    timer: Timer
    chunks: list[Chunk] = field(default_factory=list)


class Exchange:
    """Records a request, then its response: whole, or streaming if its body is not there soon.

    A request is recorded when it is complete, which is when the server gets it; a whole response at the time of
    its head. What happens elsewhere in the meantime waits, for `patience` at most, so that the order stays right.
    """

    def __init__(self, tape: Tape, request: Request) -> None:
        self._tape, self.flow, self.service = tape, request.flow, request.service
        self.answered = False
        """Whether the head of a response has arrived."""
        self._bodiless = request.method == "HEAD"
        self._pending: _Pending | None = None
        self._streaming = False
        tape.put(request)

    def respond(self, status: int, reason: str, headers: Headers) -> None:
        """The head of the response has arrived."""
        head = Response(flow=self.flow, at=self._tape.now(), status=status, reason=reason, headers=headers)
        self.answered = True
        if 101 < status < 200:
            self._tape.problem(
                f"flow {self.flow}: mitmproxy takes the interim response {status} for the final one"
            )
        if self._bodiless or status < 200 or status in (204, 304) or header(headers, "content-length") == "0":
            self._tape.put(head)
            return
        wait = patience(headers)
        self._pending = _Pending(head, self._tape.hold(head.at), self._tape.later(wait, self._stream))
        if not wait:
            self._stream()

    def chunk(self, data: bytes) -> None:
        """A piece of the body has arrived."""
        chunk = Chunk(flow=self.flow, at=self._tape.now(), data=data)
        if self._pending is not None:
            self._pending.chunks.append(chunk)
        elif self._streaming:
            self._tape.put(chunk)

    def end(self) -> None:
        """The response is complete."""
        at, pending = self._tape.now(), self._pending
        if pending is not None and at - pending.head.at <= patience(pending.head.headers):
            body = b"".join(chunk.data for chunk in pending.chunks)
            self._record(pending, replace(pending.head, body=body))
            return
        self._stream()
        if self._streaming:
            self._tape.put(End(flow=self.flow, at=at))

    def reset(self, direction: Direction, *, rst: bool) -> None:
        """The client has gone away (upstream), or the server without completing its response (downstream)."""
        self._stream()
        self._tape.put(Reset(flow=self.flow, at=self._tape.now(), direction=direction, rst=rst))

    def abandon(self) -> None:
        """The recording ends here; what has arrived so far is recorded."""
        self._stream()

    def _stream(self) -> None:
        """Record the response as a streaming one from now on, and what has arrived of it."""
        if self._pending is not None:
            self._streaming = True
            self._record(self._pending, replace(self._pending.head, streaming=True), *self._pending.chunks)

    def _record(self, pending: _Pending, head: Response, *chunks: Chunk) -> None:
        self._pending = None
        pending.timer.cancel()
        self._tape.put(head, pending.place)
        for chunk in chunks:
            self._tape.put(chunk)
        self._tape.release(pending.place)
