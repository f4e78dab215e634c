"""Events: everything that can happen on the wire between a client and a server.

A recording, a run and a journal are all timelines of these. One class per thing that can happen; all are frozen,
so an event may be kept, compared, and changed only by `dataclasses.replace`.
"""

from __future__ import annotations

import http
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from simulator.core.units import Time

Headers = tuple[tuple[str, str], ...]
"""Header fields in wire order, repeats and case kept (RFC 9110 §5.2, §5.3)."""


class Direction(StrEnum):
    """Which way an event travels."""

    UPSTREAM = "upstream"
    """From the client to the server."""
    DOWNSTREAM = "downstream"
    """From the server to the client."""

    @property
    def opposite(self) -> Direction:
        return Direction.DOWNSTREAM if self is Direction.UPSTREAM else Direction.UPSTREAM


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened on a flow, `at` microseconds since the timeline began.

    `id` names the event within its recording, and `cause` the event that it answers; both are optional, see
    `simulator.core.script` for the cause of an event that names none.
    """

    kind: ClassVar[str] = "event"
    flow: str
    at: Time
    direction: Direction
    id: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Event):
    """An HTTP request, whole; also the opening of a WebSocket (RFC 6455 §4.1). `target` is path and query."""

    kind: ClassVar[str] = "request"
    direction: Direction = Direction.UPSTREAM
    service: str
    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Event):
    """An HTTP response. With `streaming`, `body` is empty and Chunks follow, closed by an End.

    A status of 101 turns the flow into a WebSocket.
    """

    kind: ClassVar[str] = "response"
    direction: Direction = Direction.DOWNSTREAM
    status: int
    reason: str = ""
    headers: Headers = ()
    body: bytes = b""
    streaming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk(Event):
    """A piece of a streaming response's body, as it arrived."""

    kind: ClassVar[str] = "chunk"
    direction: Direction = Direction.DOWNSTREAM
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Event):
    """The regular end of a streaming response's body."""

    kind: ClassVar[str] = "end"
    direction: Direction = Direction.DOWNSTREAM


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One frame of a fragmented message: its payload's bytes, and its time after the first frame."""

    size: int
    after: Time = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Event):
    """A WebSocket message: text if `data` is str, binary if it is bytes (RFC 6455 §5.6).

    `fragments` is empty for a message sent in one frame; otherwise the sizes add up to the payload's bytes.
    `compressed` says that permessage-deflate was used on it (RFC 7692 §6).
    """

    kind: ClassVar[str] = "message"
    data: str | bytes
    fragments: tuple[Fragment, ...] = ()
    compressed: bool = False

    @property
    def payload(self) -> bytes:
        return self.data.encode("utf-8", "surrogatepass") if isinstance(self.data, str) else self.data


def continuations(message: Message) -> tuple[Continuation, ...]:
    """When the frames after the first go out; none for a message whose frames go out at once."""
    if not any(fragment.after for fragment in message.fragments):
        return ()
    flow, at = message.flow, message.at
    return tuple(Continuation(flow=flow, at=at + fragment.after) for fragment in message.fragments[1:])


def hastened(message: Message, speed: float) -> Message:
    """The message with the times between its frames divided by a speed."""
    if not any(fragment.after for fragment in message.fragments):
        return message
    sooner = (replace(fragment, after=round(fragment.after / speed)) for fragment in message.fragments)
    return replace(message, fragments=tuple(sooner))


def refitted(message: Message) -> Message:
    """The message with fragments that add up to its payload, after a change of its data: the last ones take it."""
    left, sizes = len(message.payload), []
    for fragment in message.fragments[:-1]:
        sizes.append(min(fragment.size, left))
        left -= sizes[-1]
    sizes.append(left)
    if not message.fragments or sizes == [fragment.size for fragment in message.fragments]:
        return message
    fitting = zip(message.fragments, sizes, strict=True)
    return replace(message, fragments=tuple(replace(fragment, size=size) for fragment, size in fitting))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Event):
    """A protocol ping (RFC 6455 §5.5.2)."""

    kind: ClassVar[str] = "ping"
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong(Event):
    """A protocol pong (RFC 6455 §5.5.3)."""

    kind: ClassVar[str] = "pong"
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close(Event):
    """A close frame (RFC 6455 §5.5.1); `code` None is a frame without one, which the peer reports as 1005."""

    kind: ClassVar[str] = "close"
    code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Event):
    """The connection is gone without a goodbye: by TCP RST, or (`rst` False) by a bare FIN.

    On a WebSocket the peer reports 1006; on HTTP, a broken response.
    """

    kind: ClassVar[str] = "reset"
    rst: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes(Event):
    """Raw bytes on the connection, illegal on purpose or not understood."""

    kind: ClassVar[str] = "bytes"
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation(Event):
    """The time for the next frame of the message that is under way; told to the wire, and never recorded."""

    kind: ClassVar[str] = "continuation"
    direction: Direction = Direction.DOWNSTREAM


EVENT_CLASSES: tuple[type[Event], ...] = (
    Request,
    Response,
    Chunk,
    End,
    Message,
    Ping,
    Pong,
    Close,
    Reset,
    Bytes,
)


def is_upgrade(event: Event) -> bool:
    """Whether this response turns its flow into a WebSocket."""
    return isinstance(event, Response) and event.status == 101


def ends_link(event: Event) -> bool:
    """Whether nothing may follow this event in its direction of a flow."""
    return isinstance(event, Close | Reset | End) or (
        isinstance(event, Response) and not event.streaming and event.status != 101
    )


def header(headers: Headers, name: str) -> str | None:
    """The first value of a header field, whatever its case."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)


def phrase(status: int) -> str:
    """The standard reason phrase (RFC 9110 §15); none for codes of one's own."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
