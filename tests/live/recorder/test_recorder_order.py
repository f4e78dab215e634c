"""Order by time, and what is known only later: that a response is whole, and a fragmented message."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from staging import frame

from simulator.core.events import Chunk, Close, Direction, Event, Headers, Message, Ping, Request
from simulator.core.units import MILLISECOND, SECOND, Time
from simulator.live.frames import encode
from simulator.live.recorder.exchange import SIZED_WITHIN, UNSIZED_WITHIN, Exchange, end_to_end, patience
from simulator.live.recorder.ordering import Place, TimeOrder
from simulator.live.recorder.tape import Tape
from simulator.live.recorder.websocket import HELD_WITHIN, WebSocketConnection

UP, DOWN = Direction.UPSTREAM, Direction.DOWNSTREAM
UPGRADE: Headers = (("Upgrade", "websocket"),)


def ping(at: Time, flow: str = "1", data: bytes = b"") -> Ping:
    return Ping(flow=flow, at=at, direction=DOWN, data=data)


class Desk:
    """A tape with a clock that is moved by hand, and what it gave to its sink."""

    def __init__(self) -> None:
        self.now: Time = 0
        self.events: list[Event] = []
        self.problems: list[str] = []
        self._numbers = count()
        self._timers: list[tuple[Time, int, Desk.Timer]] = []
        self.tape = Tape(
            self.events.append, on_problem=self.problems.append, clock=lambda: self.now, later=self.later
        )

    class Timer:
        def __init__(self, call: Callable[[], None]) -> None:
            self.call = call

        def cancel(self) -> None:
            self.call = lambda: None

    def later(self, wait: Time, call: Callable[[], None]) -> Timer:
        timer = Desk.Timer(call)
        heapq.heappush(self._timers, (self.now + wait, next(self._numbers), timer))
        return timer

    def pass_by(self, wait: Time) -> None:
        end = self.now + wait
        while self._timers and self._timers[0][0] <= end:
            self.now, _, timer = heapq.heappop(self._timers)
            timer.call()
        self.now = end

    @property
    def kinds(self) -> str:
        return " ".join(event.kind for event in self.events)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def exchange(desk: Desk) -> Exchange:
    return Exchange(desk.tape, Request(flow=desk.tape.open_flow(), at=0, service="a", method="GET", target="/"))


@pytest.fixture
def socket(desk: Desk) -> WebSocketConnection:
    return WebSocketConnection(desk.tape, desk.tape.open_flow(), UPGRADE)


# Order


def test_nothing_waits_without_a_reason() -> None:
    out: list[Event] = []
    order = TimeOrder(out.append)
    for at in (1, 2, 3):
        order.put(ping(at))
        assert out[-1].at == at


def test_what_is_newer_waits_for_what_was_announced() -> None:
    out: list[Event] = []
    order = TimeOrder(out.append)
    place = order.hold(5)
    order.put(ping(7))
    order.put(ping(6))
    assert not out
    order.put(ping(5, "held"), place)
    assert [event.flow for event in out] == ["held"]
    order.release(place)
    order.release(place)
    assert [event.at for event in out] == [5, 6, 7]


def test_what_happened_at_the_same_time_stays_in_its_order() -> None:
    out: list[Event] = []
    order = TimeOrder(out.append)
    order.put(ping(5, "before"))
    place = order.hold(5)
    order.put(ping(5, "after"))
    order.put(ping(5, "held"), place)
    order.release(place)
    assert [event.flow for event in out] == ["before", "held", "after"]


def test_a_place_that_is_never_taken_holds_nothing_up() -> None:
    out: list[Event] = []
    order = TimeOrder(out.append)
    place = order.hold(5)
    order.put(ping(6))
    order.release(place)
    assert len(out) == 1


def test_too_much_to_hold_is_let_go_and_what_comes_late_is_moved() -> None:
    out: list[Event] = []
    late: list[tuple[Event, Time]] = []
    order = TimeOrder(out.append, late=lambda event, by: late.append((event, by)), max_held=5000)
    place = order.hold(1)
    for at in range(2, 12):
        order.put(ping(at, data=bytes(1000)))
    assert [event.at for event in out][:5] == [2, 3, 4, 5, 6]
    order.put(ping(1, "held"), place)
    assert late == [(ping(1, "held"), 10)]
    assert [event.at for event in out] == [*range(2, 12), 11]


@given(st.lists(st.tuples(st.sampled_from("phr"), st.integers(0, 3)), max_size=60))
def test_time_never_goes_back_and_nothing_is_lost_or_doubled(steps: list[tuple[str, int]]) -> None:
    out: list[Event] = []
    late: list[Event] = []
    order = TimeOrder(out.append, late=lambda event, by: late.append(event))
    now, put = 0, 0
    places: list[tuple[Time, Place]] = []
    for step, number in steps:
        now += number
        if step == "h":
            places.append((now, order.hold(now)))
        elif step == "r" and places:
            at, place = places.pop(number % len(places))
            order.put(ping(at, str(put)), place)
            order.release(place)
            put += 1
        else:
            order.put(ping(now, str(put)))
            put += 1
    order.close()
    assert [event.at for event in out] == sorted(event.at for event in out)
    assert sorted(int(event.flow) for event in out) == list(range(put))
    assert not late


# Responses


def test_a_response_that_is_complete_soon_is_whole(desk: Desk, exchange: Exchange) -> None:
    desk.pass_by(1000)
    exchange.respond(200, "OK", (("Content-Length", "4"),))
    exchange.chunk(b"ab")
    desk.pass_by(SIZED_WITHIN - 1)
    desk.tape.put(ping(desk.now, "2"))
    assert desk.kinds == "request"
    exchange.chunk(b"cd")
    exchange.end()
    assert desk.kinds == "request response ping"
    assert (desk.events[1].at, desk.events[1].body, desk.events[1].streaming) == (1000, b"abcd", False)  # type: ignore[attr-defined]
    desk.pass_by(SECOND)
    assert desk.kinds == "request response ping"


def test_a_response_that_takes_its_time_is_a_stream(desk: Desk, exchange: Exchange) -> None:
    exchange.respond(200, "OK", ())
    desk.pass_by(5 * MILLISECOND)
    exchange.chunk(b"a")
    desk.pass_by(UNSIZED_WITHIN)
    assert desk.kinds == "request response chunk"
    exchange.chunk(b"b")
    exchange.end()
    assert desk.kinds == "request response chunk chunk end"
    assert [event.at // MILLISECOND for event in desk.events] == [0, 0, 5, 25, 25]


def test_a_timer_that_is_late_does_not_make_a_slow_response_whole(desk: Desk, exchange: Exchange) -> None:
    exchange.respond(200, "OK", ())
    exchange.chunk(b"a")
    desk.now += SECOND
    exchange.end()
    assert desk.kinds == "request response chunk end"


def test_a_response_without_a_body_does_not_wait(desk: Desk) -> None:
    for method, status, headers in (
        ("HEAD", 200, (("Content-Length", "7"),)),
        ("GET", 204, ()),
        ("GET", 304, ()),
        ("GET", 101, ()),
        ("GET", 200, (("content-length", "0"),)),
    ):
        flow = desk.tape.open_flow()
        exchange = Exchange(desk.tape, Request(flow=flow, at=desk.now, service="a", method=method, target="/"))
        exchange.respond(status, "", headers)
        assert desk.events[-1].kind == "response"
        desk.pass_by(SECOND)
        exchange.end()
        assert desk.kinds.endswith("request response")


def test_an_interim_response_is_a_problem(desk: Desk, exchange: Exchange) -> None:
    exchange.respond(103, "Early Hints", ())
    assert desk.problems == ["flow 1: mitmproxy takes the interim response 103 for the final one"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((("Content-Length", "9"),), SIZED_WITHIN),
        ((), UNSIZED_WITHIN),
        ((("Content-Length", "9"), ("Transfer-Encoding", "chunked")), UNSIZED_WITHIN),
        ((("content-type", "Text/Event-Stream; charset=utf-8"), ("Content-Length", "9")), 0),
        ((("Content-Type", "multipart/x-mixed-replace; boundary=x"),), 0),
    ],
)
def test_how_long_a_response_may_take(headers: Headers, expected: Time) -> None:
    assert patience(headers) == expected


def test_fields_for_one_hop_are_dropped() -> None:
    fields = ((b"Host", b"a"), (b"Connection", b"close, x"), (b"TE", b"trailers"), (b"Proxy-Connection", b"close"))
    assert end_to_end((*fields, (b"Transfer-Encoding", b"chunked"))) == (
        ("Host", "a"),
        ("Transfer-Encoding", "chunked"),
    )
    upgrade = ((b"connection", b"keep-alive, Upgrade"), (b"Upgrade", b"websocket"), (b"Keep-Alive", b"5"))
    assert end_to_end(upgrade) == (("connection", "keep-alive, Upgrade"), ("Upgrade", "websocket"))


def test_fields_keep_every_byte() -> None:
    every = bytes(range(128, 256))
    ((_, value),) = end_to_end([(b"X", every)])
    assert value.encode("latin-1") == every


# Messages


def test_what_is_newer_waits_for_the_last_fragment(desk: Desk, socket: WebSocketConnection) -> None:
    desk.pass_by(10)
    socket.received(DOWN, frame(1, b"whole") + frame(1, b"a", fin=False))
    assert desk.kinds == "message"
    desk.pass_by(10)
    socket.received(DOWN, frame(9, b"?"))
    socket.received(UP, encode(Message(flow="", at=0, direction=UP, data="x"), mask=b"1234"))
    desk.tape.put(ping(desk.now, "2"))
    assert desk.kinds == "message"
    desk.pass_by(10)
    socket.received(DOWN, frame(0, b"b") + frame(1, b"c", fin=False))
    assert [(event.at, event.kind) for event in desk.events[1:]] == [
        (10, "message"),
        (20, "ping"),
        (20, "message"),
        (20, "ping"),
    ]
    desk.pass_by(10)
    socket.received(DOWN, frame(0, b"d"))
    assert isinstance(last := desk.events[-1], Message)
    assert (last.at, last.data, [part.after for part in last.fragments]) == (30, "cd", [0, 10])
    assert not desk.problems


def test_a_message_that_stays_unfinished_holds_up_nothing_for_ever(
    desk: Desk, socket: WebSocketConnection
) -> None:
    socket.received(DOWN, frame(1, b"a", fin=False))
    desk.pass_by(HELD_WITHIN - 1)
    desk.tape.put(ping(desk.now, "2"))
    assert not desk.events
    desk.pass_by(1)
    assert desk.kinds == "ping"
    desk.pass_by(SECOND)
    socket.received(DOWN, frame(0, b"b"))
    message = desk.events[-1]
    assert isinstance(message, Message)
    # It is whole and its pace is right; only its beginning is late, and that is said.
    assert (message.data, message.fragments[1].after) == ("ab", 11 * SECOND)
    assert message.at == HELD_WITHIN - 1
    assert desk.problems == ["flow 1: a message was complete too late, and is written 10.000 s too late"]


def test_an_unfinished_message_at_the_end_is_bytes(desk: Desk, socket: WebSocketConnection) -> None:
    socket.received(DOWN, frame(1, b"a", fin=False))
    desk.pass_by(10)
    socket.received(DOWN, frame(9) + b"\x00\x05x")
    desk.pass_by(10)
    socket.vanished({DOWN: True})
    socket.vanished({UP: False})
    assert [(event.at, event.kind) for event in desk.events] == [
        (0, "bytes"),
        (10, "ping"),
        (20, "bytes"),
        (20, "reset"),
    ]


def test_a_close_in_the_middle_of_a_message(desk: Desk, socket: WebSocketConnection) -> None:
    socket.received(DOWN, frame(1, b"a", fin=False))
    desk.pass_by(10)
    socket.received(DOWN, frame(8, struct.pack("!H", 1011)))
    assert [(event.at, event.kind) for event in desk.events] == [(0, "bytes"), (10, "close")]
    socket.vanished({DOWN: False, UP: True})
    assert [(event.kind, event.direction) for event in desk.events[2:]] == [("reset", UP)]


# The tape


def test_flows_are_numbered_and_problems_counted(desk: Desk) -> None:
    assert [desk.tape.open_flow() for _ in range(3)] == ["1", "2", "3"]
    for line in ("x", "y", "x"):
        desk.tape.problem(line)
    assert desk.problems == ["x", "y"]
    assert desk.tape.summary().problems == 3


def test_a_closed_tape_takes_nothing(desk: Desk) -> None:
    desk.tape.hold(0)
    desk.tape.put(ping(1))
    desk.tape.close()
    desk.tape.put(ping(2))
    desk.tape.problem("x")
    assert [event.at for event in desk.events] == [1]
    assert not desk.problems


def test_what_is_counted(desk: Desk, exchange: Exchange) -> None:
    exchange.respond(101, "", UPGRADE)
    exchange.end()
    socket = WebSocketConnection(desk.tape, exchange.flow, UPGRADE)
    socket.received(DOWN, frame(1, b"a") + frame(2, b"b") + frame(9) + frame(8))
    summary = desk.tape.summary()
    assert (summary.requests, summary.sockets, summary.messages, summary.events) == (1, 1, 2, 6)
    assert isinstance(desk.events[-1], Close)
    assert not any(isinstance(event, Chunk) for event in desk.events)
