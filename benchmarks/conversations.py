"""Conversations made from a seed: every kind of exchange, message and ending that a recorder can have seen.

Unlike Hypothesis's (tests/conversations.py), they hold only what is possible on a wire through a proxy, so that
what is recorded of their replay can be compared with them event by event.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import uuid
from collections.abc import Callable, Iterator

from simulator.core.events import (
    Bytes,
    Chunk,
    Close,
    Direction,
    End,
    Event,
    Fragment,
    Headers,
    Message,
    Ping,
    Pong,
    Request,
    Reset,
    Response,
)
from simulator.core.recording import Header, Recording, Service
from simulator.core.units import MILLISECOND, SECOND, Time
from simulator.core.upgrade import accept_key

UP, DOWN = Direction.UPSTREAM, Direction.DOWNSTREAM
CREATED = 1_757_400_000 * SECOND
CODES = (1000, 1001, 1003, 1007, 1008, 1011, 1012, 1013, 3000, 4000, 4999, None)
STREAMED: Headers = (("Transfer-Encoding", "chunked"),)


def conversation(seed: int) -> Recording:
    """One recording: up to three flows, one after the other or overlapping."""
    rng = random.Random(seed)
    events: list[Event] = []
    at = 0
    for number in range(rng.randint(1, 3)):
        talk = _Talk(rng, str(number + 1), at + _gap(rng))
        events += rng.choice((_exchange, _socket, _socket))(talk)
        at = rng.choice((talk.begins, max(event.at for event in events)))
    events.sort(key=lambda event: event.at)
    header = Header(title=f"conversation {seed}", created=CREATED, services=(Service(name="backend"),))
    return Recording(header=header, events=tuple(events))


BEFORE_THE_END = 250 * MILLISECOND
"""What was under way has arrived by then: a reset destroys what was not read, a close what was not answered, and
after an illegal frame nothing is read as one."""


def _gap(rng: random.Random) -> Time:
    return rng.randint(1, 40) * MILLISECOND


class _Talk:
    """The dice and the clock of one flow."""

    def __init__(self, rng: random.Random, flow: str, begins: Time) -> None:
        self.rng, self.flow, self.begins, self.at = rng, flow, begins, begins
        self.head = False
        self.thread = str(uuid.UUID(int=rng.getrandbits(128), version=4))

    def later(self, *, gap: Time | None = None) -> Time:
        self.at += _gap(self.rng) if gap is None else gap
        return self.at

    def document(self, way: Direction) -> str:
        """JSON with an id that the client made, one that the server makes, and what time it is."""
        value = {
            "type": self.rng.choice(("start", "step", "note")),
            "thread_id": self.thread,
            "n": self.rng.random(),
        }
        if way is DOWN:
            value |= {"run_id": f"run_{self.rng.getrandbits(48):012x}", "at": (CREATED + self.at) / SECOND}
        return json.dumps(value, separators=self.rng.choice(((", ", ": "), (",", ":"))))

    def blob(self) -> bytes:
        return self.rng.randbytes(self.rng.choice((0, 1, 125, 126, 1000, 70_000)))


# --- HTTP ------------------------------------------------------------------------------------------------------


def _exchange(talk: _Talk) -> Iterator[Event]:
    rng = talk.rng
    method = rng.choice(("GET", "POST", "HEAD", "DELETE"))
    talk.head = method == "HEAD"
    body = talk.document(UP).encode() if method == "POST" else b""
    length = (("Content-Length", str(len(body))),) if body else ()
    yield Request(
        flow=talk.flow,
        at=talk.begins,
        service="backend",
        method=method,
        target=f"/things/{talk.flow}?page={rng.randint(1, 9)}",
        headers=(("Host", "staging"), ("Accept", "*/*"), ("Content-Type", "application/json"), *length),
        body=body,
    )
    answers = (_whole, _whole, _bodiless, _gone, _given_up) if talk.head else _ANSWERS
    yield from rng.choice(answers)(talk)


def _whole(talk: _Talk) -> Iterator[Event]:
    status = talk.rng.choice((200, 201, 400, 404, 500, 503))
    payload = talk.document(DOWN).encode()
    kind, coding, body = talk.rng.choice(
        (
            ("application/json", (), payload),
            ("text/plain", (), "grün\n".encode()),
            ("application/octet-stream", (), talk.blob()),
            ("application/json", (("Content-Encoding", "gzip"),), gzip.compress(payload, mtime=0)),
        )
    )
    head = talk.rng.choice(((("Content-Length", str(len(body))),), STREAMED))
    headers = (("Content-Type", kind), *coding, *head)
    body = b"" if talk.head else body
    yield Response(flow=talk.flow, at=talk.later(), status=status, reason="Said", headers=headers, body=body)


def _bodiless(talk: _Talk) -> Iterator[Event]:
    status = talk.rng.choice((204, 304))
    yield Response(flow=talk.flow, at=talk.later(), status=status, reason="Nothing", headers=(("ETag", '"1"'),))


def _streamed(talk: _Talk) -> Iterator[Event]:
    sse = talk.rng.random() < 0.5
    kind = "text/event-stream" if sse else "application/octet-stream"
    headers = (("Content-Type", kind), *STREAMED)
    yield Response(flow=talk.flow, at=talk.later(), status=200, reason="OK", headers=headers, streaming=True)
    for _ in range(talk.rng.randint(1, 4)):
        data = f"event: tick\ndata: {talk.document(DOWN)}\n\n".encode() if sse else talk.rng.randbytes(50)
        yield Chunk(flow=talk.flow, at=talk.later(gap=60 * MILLISECOND), data=data)
    ending = talk.rng.choice(("end", "end", "reset", "left"))
    if ending == "end":
        yield End(flow=talk.flow, at=talk.later())
    elif ending == "reset":
        yield Reset(flow=talk.flow, at=talk.later(gap=BEFORE_THE_END), direction=DOWN, rst=talk.rng.random() < 0.5)
    else:
        yield Reset(flow=talk.flow, at=talk.later(gap=BEFORE_THE_END), direction=UP, rst=talk.rng.random() < 0.5)


def _gone(talk: _Talk) -> Iterator[Event]:
    yield Reset(flow=talk.flow, at=talk.later(gap=BEFORE_THE_END), direction=DOWN, rst=talk.rng.random() < 0.5)


def _given_up(talk: _Talk) -> Iterator[Event]:
    yield Reset(flow=talk.flow, at=talk.later(gap=BEFORE_THE_END), direction=UP, rst=talk.rng.random() < 0.5)


_ANSWERS = (_whole, _whole, _whole, _bodiless, _streamed, _streamed, _gone, _given_up)

# --- WebSocket -------------------------------------------------------------------------------------------------


def _socket(talk: _Talk) -> Iterator[Event]:
    rng = talk.rng
    key = base64.b64encode(rng.randbytes(16)).decode()
    deflate = (("Sec-WebSocket-Extensions", "permessage-deflate"),) if rng.random() < 0.5 else ()
    protocol = (("Sec-WebSocket-Protocol", "chat.v2"),) if rng.random() < 0.3 else ()
    opening = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
    asked = (("Host", "staging"), *opening, ("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", "13"))
    yield Request(
        flow=talk.flow,
        at=talk.begins,
        service="backend",
        method="GET",
        target=f"/ws/{talk.flow}",
        headers=(*asked, *deflate, *protocol),
    )
    if rng.random() < 0.1:
        body = b'{"detail": "Not now"}'
        fields = (("Content-Type", "application/json"), ("Content-Length", str(len(body))))
        status = rng.choice((401, 403, 500, 503))
        yield Response(flow=talk.flow, at=talk.later(), status=status, reason="No", headers=fields, body=body)
        return
    accept = (("Sec-WebSocket-Accept", accept_key(key)),)
    yield Response(
        flow=talk.flow,
        at=talk.later(),
        status=101,
        reason="Switching Protocols",
        headers=(*opening, *accept, *deflate, *protocol),
    )
    for _ in range(rng.randint(0, 10)):
        yield from _said(talk, compressed=bool(deflate))
    yield from rng.choice(_ENDINGS)(talk)


def _said(talk: _Talk, *, compressed: bool) -> Iterator[Event]:
    rng, way = talk.rng, talk.rng.choice((UP, DOWN, DOWN))
    if rng.random() < 0.1:
        data = rng.randbytes(rng.choice((0, 4, 125)))
        yield Ping(flow=talk.flow, at=talk.later(), direction=way, data=data)
        if rng.random() < 0.8:
            yield Pong(flow=talk.flow, at=talk.later(gap=MILLISECOND), direction=way.opposite, data=data)
        return
    for _ in range(rng.choice((1, 1, 1, 3))):  # a burst
        yield _message(talk, way, compressed=compressed and rng.random() < 0.8)


def _message(talk: _Talk, way: Direction, *, compressed: bool) -> Message:
    rng = talk.rng
    data: str | bytes = rng.choice(
        (talk.document(way), talk.document(way), "grün 🎈" * rng.randint(0, 9), talk.blob())
    )
    at = talk.later(gap=rng.choice((0, None, None)))
    made = Message(flow=talk.flow, at=at, direction=way, data=data, compressed=compressed)
    if len(made.payload) < 4 or rng.random() < 0.8:
        return made
    cut = rng.randint(1, len(made.payload) - 1)
    parts = (Fragment(size=cut), Fragment(size=len(made.payload) - cut, after=rng.randint(0, 3) * MILLISECOND))
    talk.later(gap=parts[-1].after)
    return Message(flow=talk.flow, at=at, direction=way, data=data, compressed=compressed, fragments=parts)


_Ending = Callable[["_Talk", Direction], Iterator[Event]]


def _closed(talk: _Talk, first: Direction) -> Iterator[Event]:
    """A closing handshake, the answer with the same code, as libraries do."""
    code = talk.rng.choice(CODES)
    reason = "" if code is None else talk.rng.choice(("", "bye", "zu spät"))
    yield Close(flow=talk.flow, at=talk.later(gap=BEFORE_THE_END), direction=first, code=code, reason=reason)
    if talk.rng.random() < 0.2:
        yield _message(talk, first.opposite, compressed=False)
    answered = reason if talk.rng.random() < 0.5 else ""
    yield Close(flow=talk.flow, at=talk.later(), direction=first.opposite, code=code, reason=answered)


def _unanswered(talk: _Talk, first: Direction) -> Iterator[Event]:
    """One side says goodbye, and the other vanishes."""
    yield Close(flow=talk.flow, at=talk.later(gap=BEFORE_THE_END), direction=first, code=1001)
    yield Reset(
        flow=talk.flow, at=talk.later(gap=BEFORE_THE_END), direction=first.opposite, rst=talk.rng.random() < 0.5
    )


def _vanished(talk: _Talk, first: Direction) -> Iterator[Event]:
    yield Reset(flow=talk.flow, at=talk.later(gap=BEFORE_THE_END), direction=first, rst=talk.rng.random() < 0.5)


def _illegal(talk: _Talk, first: Direction) -> Iterator[Event]:
    """A frame with a reserved bit, and the end of it."""
    yield Bytes(flow=talk.flow, at=talk.later(gap=BEFORE_THE_END), direction=first, data=b"\xf1\x00")
    yield Reset(flow=talk.flow, at=talk.later(gap=BEFORE_THE_END), direction=DOWN, rst=False)


def _left_open(talk: _Talk, first: Direction) -> Iterator[Event]:
    yield from ()


def _by(
    ending: Callable[[_Talk, Direction], Iterator[Event]], first: Direction
) -> Callable[[_Talk], Iterator[Event]]:
    return lambda talk: ending(talk, first)


_ENDINGS = [
    _by(ending, first) for ending in (_closed, _closed, _unanswered, _vanished, _left_open) for first in Direction
] + [_by(_illegal, DOWN)]
