"""What reached a test: which of a run's flows are its own, and what arrived on them. Pure.

A flow belongs to the test during which it began, and to a later one from when that one says something on it: so a
connection that several tests share counts for each of them, and one that a test has left behind for none after it.
What the server sends once the client has closed (RFC 6455 §5.5.1) or gone has reached nobody. Two things cannot be
known from the wire: whose it is when the server alone speaks on a shared connection, and whose a request is that a
thread makes after the test that started it has ended.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from simulator.core.events import (
    Bytes,
    Chunk,
    Close,
    Direction,
    End,
    Event,
    Message,
    Request,
    Reset,
    Response,
)
from simulator.core.journal import Entry, Note
from simulator.core.jsontext import parse_object
from simulator.core.matching.compare import is_heartbeat, label
from simulator.core.serversent import EventStream, is_event_stream
from simulator.core.units import NEVER, Time
from simulator.core.values.places import json_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What makes two things that a server sent the same to a test: not their values.

    `label` is a message's type or '200 to GET /health', `flow` what it came on, `shape` its JSON's keys and types.
    """

    label: str
    flow: str = ""
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What was on the wire for one test. `received` says how often things came; answers count once."""

    received: Mapping[Sign, int] = field(default_factory=dict)
    touched: bool = False
    fired: tuple[str, ...] = ()
    """Names of the rules that fired on it."""

    def by_flow(self) -> dict[str, dict[str, int]]:
        """What came on each flow, by label."""
        found: dict[str, dict[str, int]] = {}
        for sign, count in self.received.items():
            labels = found.setdefault(sign.flow, {})
            labels[sign.label] = labels.get(sign.label, 0) + count
        return found


def missing_signs(control: Traffic, run: Traffic) -> tuple[str, ...]:
    """Labels of what arrived in the control run and not, or not as often, in this one."""
    return tuple(sign.label for sign, count in control.received.items() if run.received.get(sign, 0) < count)


@dataclass(slots=True, kw_only=True)
class _Flow:
    """A flow so far: since when it is whose test it is, and whether the client still listens.

    It is the test's own that was running at `since`, and of every one that began before.
    """

    request: Request | None = None
    since: Time = NEVER
    open: bool = True
    response: Response | None = None
    body: bytearray = field(default_factory=bytearray)
    events: EventStream | None = None


@dataclass(slots=True, kw_only=True)
class _Test:
    """What is known of a test so far."""

    begin: Time
    end: Time
    received: Counter[Sign] = field(default_factory=Counter)
    fired: dict[str, None] = field(default_factory=dict)
    touched: bool = False

    def owns(self, flow: _Flow) -> bool:
        return flow.since >= self.begin

    def take(self, flow: _Flow, event: Event, signs: Iterable[Sign]) -> None:
        """Take in what an event has brought, while this test ran."""
        many = isinstance(event, Message | Chunk)
        self.touched = self.touched or self.owns(flow) or (many and bool(signs))
        for sign in signs if self.owns(flow) else ():
            self.received[sign] = self.received[sign] + 1 if many else 1

    def traffic(self) -> Traffic:
        return Traffic(received=self.received, touched=self.touched, fired=tuple(self.fired))


def traffic(entries: Iterable[Entry], begin: Time, end: Time) -> Traffic:
    """What happened for the test that ran between two times; entries are those of the whole run, in order."""
    return traffics(entries, [(begin, end)])[0]


def traffics(entries: Iterable[Entry], times: Iterable[tuple[Time, Time]]) -> list[Traffic]:
    """The same for many tests, each with its begin and end, in one pass."""
    tests = [_Test(begin=begin, end=end) for begin, end in times]
    later = sorted(tests, key=lambda test: test.begin, reverse=True)
    running: list[_Test] = []
    flows: defaultdict[str, _Flow] = defaultdict(_Flow)
    for entry in entries:
        while later and later[-1].begin <= entry.at:
            running.append(later.pop())
        running = [test for test in running if entry.at <= test.end]
        if not running and not later:
            break
        if isinstance(entry, Note):
            _note(entry, flows[entry.flow], running)
        else:
            _event(entry, flows[entry.flow], running)
    return [test.traffic() for test in tests]


def _note(note: Note, flow: _Flow, running: Iterable[_Test]) -> None:
    for test in running if note.what in ("triggered", "fired", "affected") else ():
        if test.owns(flow):
            test.fired[str(note.detail.get("rule"))] = None


def _event(event: Event, flow: _Flow, running: list[_Test]) -> None:
    _follow(flow, event)
    heard = flow.open and event.direction is Direction.DOWNSTREAM
    if not running and not isinstance(event, Response | Chunk):
        return  # nobody asks what it says, nor does what comes later depend on it
    signs = list(_signs(flow, event)) if heard else []
    for test in running:
        test.take(flow, event, signs)


def _follow(flow: _Flow, event: Event) -> None:
    """Whose the flow is, and whether its client still listens, after what has come."""
    if isinstance(event, Request):
        flow.request, flow.since = event, event.at
    elif event.direction is Direction.UPSTREAM:
        flow.open = flow.open and not isinstance(event, Close | Reset)
        flow.since = max(flow.since, event.at) if isinstance(event, Message | Bytes) else flow.since


def _signs(flow: _Flow, event: Event) -> Iterator[Sign]:
    """What an event means to a test. A body that comes in pieces has arrived when its end has."""
    on = label(flow.request) if flow.request else ""
    match event:
        case Message() if not is_heartbeat(event):
            yield Sign(label=label(event), flow=on, shape=_shape(json_of(event)))
        case Response(streaming=True):
            flow.response = event
            flow.events = EventStream() if is_event_stream(event.headers) else None
        case Response():
            yield _answer(event, on)
        case Chunk() if flow.events is not None:
            yield from _server_sent(flow.events, event.data, on)
        case Chunk():
            flow.body += event.data
        case End() if flow.response:
            yield _answer(replace(flow.response, body=bytes(flow.body)), on)


def _answer(response: Response, on: str) -> Sign:
    return Sign(label=f"{response.status} to {on or '?'}", flow=on, shape=_shape(json_of(response)))


def _server_sent(stream: EventStream, data: bytes, on: str) -> Iterator[Sign]:
    """The events that are whole with this data. Those of other fields do not count."""
    for fields in stream.feed(data):
        if "event" in fields or "data" in fields:
            shape = _shape(parse_object(fields.get("data", "")))
            yield Sign(label=fields.get("event", "event"), flow=on, shape=shape)


def _shape(value: object) -> str:
    """The keys and types of a JSON value; list items count as one."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_shape(inner)}" for key, inner in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(sorted({_shape(inner) for inner in value})) + "]"
    if isinstance(value, bool):
        return "boolean"
    return {str: "text", int: "number", float: "number", type(None): "null"}.get(type(value), "")
