"""Small recordings for tests, and Hypothesis strategies that make any recording a staging could give."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hypothesis import strategies as st

from simulator.core.events import Chunk, Close, Direction, End, Event, Message, Ping, Request, Reset, Response
from simulator.core.matching.corpus import corpus_of
from simulator.core.recording import Header, Recording, Service
from simulator.core.script import Script, compile_script
from simulator.core.units import MILLISECOND, SECOND

UP, DOWN = Direction.UPSTREAM, Direction.DOWNSTREAM
CREATED = 1_757_400_000 * SECOND
"""2025-09-09T06:40:00Z"""
UPGRADE = (("Host", "staging"), ("Upgrade", "websocket"), ("Connection", "Upgrade"))
THREAD, RUN = "pipeline_test_1757400000", "run_start_agent_1_ab12cd34"


def recording(*events: Event, **header: object) -> Recording:
    fields: dict[str, object] = {
        "created": CREATED,
        "services": (Service(name="backend", origins=("https://api.staging",)),),
    }
    return Recording(header=Header(**(fields | header)), events=tuple(sorted(events, key=lambda event: event.at)))


def corpus(*recordings: tuple[str, Recording]) -> Script:
    return corpus_of([(name, compile_script(each)) for name, each in recordings])


def text(flow: str, at: int, way: Direction, **fields: object) -> Message:
    return Message(flow=flow, at=at * MILLISECOND, direction=way, data=json.dumps(fields))


def agent_run() -> Recording:
    """A login, a WebSocket, one agent run: the shape of the first users' golden path."""
    login = b'{"email": "e2e@example.com"}'
    token = b'{"access_token": "opaque", "user": {"id": "e2e-user-001"}}'
    return recording(
        Request(flow="1", at=0, service="backend", method="POST", target="/login", body=login),
        Response(flow="1", at=300 * MILLISECOND, status=200, reason="OK", body=token),
        Request(flow="2", at=400 * MILLISECOND, service="backend", method="GET", target="/ws", headers=UPGRADE),
        Response(flow="2", at=700 * MILLISECOND, status=101, headers=UPGRADE[1:]),
        text("2", 800, DOWN, type="system_message", timestamp=1757400000.8),
        text("2", 810, DOWN, type="ping"),
        text("2", 1000, UP, type="start_agent", thread_id=THREAD, payload={"user_request": "Cut the costs"}),
        text("2", 1100, DOWN, type="agent_started", data={"thread_id": THREAD, "run_id": RUN}),
        text("2", 1300, DOWN, type="agent_thinking", data={"thread_id": THREAD, "run_id": RUN}),
        text("2", 1500, DOWN, type="agent_completed", data={"thread_id": THREAD, "run_id": RUN}),
        Close(flow="2", at=1600 * MILLISECOND, direction=UP, code=1000),
        Close(flow="2", at=1601 * MILLISECOND, direction=DOWN, code=1000),
    )


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    """Recordings of some WebSockets, exchanges and streams, interleaved, with every kind of message and ending."""
    events: list[Event] = []
    for number in range(draw(st.integers(1, 3))):
        flow, at = str(number + 1), draw(st.integers(0, 500)) * MILLISECOND
        events += list(draw(st.sampled_from((_exchange, _socket, _stream)))(draw, flow, at))
    return recording(*events)


def _exchange(draw: st.DrawFn, flow: str, at: int) -> Iterator[Event]:
    target = f"/things/{flow}?page={draw(st.integers(1, 9))}"
    yield Request(
        flow=flow, at=at, service="backend", method=draw(st.sampled_from(["GET", "POST"])), target=target
    )
    if draw(st.booleans()):
        status = draw(st.sampled_from([200, 404, 503]))
        body = draw(st.binary(max_size=20))
        yield Response(flow=flow, at=at + draw(gaps), status=status, body=body)


def _stream(draw: st.DrawFn, flow: str, at: int) -> Iterator[Event]:
    """Server-sent events about what the client asked for, each of which may be cut in two."""
    body = json.dumps({"thread_id": f"thread_{flow}_7f3a99bc"}).encode()
    yield Request(flow=flow, at=at, service="backend", method="POST", target="/chat", body=body)
    at += draw(gaps)
    fields = (("Content-Type", "text/event-stream"),)
    yield Response(flow=flow, at=at, status=200, headers=fields, streaming=True)
    for number in range(draw(st.integers(0, 4))):
        said = {"thread_id": f"thread_{flow}_7f3a99bc", "run_id": f"run_{flow}_ab12cd34", "n": number}
        data = f"id: {number}\ndata: {json.dumps(said)}\n\n".encode()
        cut = draw(st.sampled_from([len(data), 9, 40]))
        for piece in (data[:cut], data[cut:]):
            at += draw(gaps)
            if piece:
                yield Chunk(flow=flow, at=at, data=piece)
    if draw(st.booleans()):
        yield End(flow=flow, at=at + draw(gaps))


def _socket(draw: st.DrawFn, flow: str, at: int) -> Iterator[Event]:
    yield Request(flow=flow, at=at, service="backend", method="GET", target=f"/ws/{flow}", headers=UPGRADE)
    at += draw(gaps)
    yield Response(flow=flow, at=at, status=101)
    for number in range(draw(st.integers(0, 6))):
        at += draw(gaps)
        yield _frame(draw, flow, at, number)
    if draw(st.booleans()):
        yield draw(st.sampled_from(_endings))(flow, at + draw(gaps))


gaps = st.integers(1, 2000).map(lambda milliseconds: milliseconds * MILLISECOND)
_endings = (
    lambda flow, at: Close(flow=flow, at=at, direction=DOWN, code=1011, reason="Internal error"),
    lambda flow, at: Reset(flow=flow, at=at, direction=DOWN),
)


def _frame(draw: st.DrawFn, flow: str, at: int, number: int) -> Event:
    way = draw(st.sampled_from([UP, DOWN]))
    match draw(st.sampled_from(["json", "text", "binary", "ping"])):
        case "json":
            return Message(flow=flow, at=at, direction=way, data=json.dumps({"type": f"kind_{number}"}))
        case "text":
            return Message(flow=flow, at=at, direction=way, data=f"text {number} {draw(st.text(max_size=5))}")
        case "binary":
            return Message(flow=flow, at=at, direction=way, data=bytes([number]) + draw(st.binary(max_size=5)))
    return Ping(flow=flow, at=at, direction=DOWN, data=bytes([number]))
