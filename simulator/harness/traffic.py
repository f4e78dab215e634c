"""What reached a test: which of a run's flows are its own, and what arrived on them. Pure.

A flow belongs to the test during which it began, and to a later one from when that one says something on it: so a
connection that several tests share counts for each of them, and one that a test has left behind for none after it.
What the server sends once the client has closed (RFC 6455 §5.5.1) or gone has reached nobody. Two things cannot be
known from the wire: whose it is when the server alone speaks on a shared connection, and whose a request is that a
thread makes after the test that started it has ended.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

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
    header,
)
from simulator.core.journal import Entry, Note
from simulator.core.jsontext import parse_object
from simulator.core.matching import is_heartbeat, label
from simulator.core.places import json_of
from simulator.core.units import Time

_SERVER_SENT: Final = re.compile(rb"(.*?)(?:\r\n|\r|\n){2}", re.S)
"""One server-sent event up to the blank line that ends it (HTML §9.2.6)."""
_FIELD: Final = re.compile(r"^(event|data): ?(.*)$", re.M)


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
    """A flow so far. `mine` says whether it is the test's own, `open` whether the client still listens."""

    request: Request | None = None
    mine: bool = True
    open: bool = True
    response: Response | None = None
    body: bytearray = field(default_factory=bytearray)


def traffic(entries: Iterable[Entry], begin: Time, end: Time) -> Traffic:
    """What happened for the test that ran between two times; entries are those of the whole run, in order."""
    flows: dict[str, _Flow] = {}
    received: Counter[Sign] = Counter()
    fired: dict[str, None] = {}
    touched = False
    for entry in entries:
        if entry.at > end:
            break
        flow, during = flows.setdefault(entry.flow, _Flow()), entry.at >= begin
        if isinstance(entry, Note):
            if during and flow.mine and entry.what in ("triggered", "fired", "affected"):
                fired[str(entry.detail.get("rule"))] = None
            continue
        _follow(flow, entry, begin)
        signs = list(_signs(flow, entry)) if flow.open and entry.direction is Direction.DOWNSTREAM else []
        many = isinstance(entry, Message | Chunk)
        touched = touched or (during and (flow.mine or (many and bool(signs))))
        for sign in signs if during and flow.mine else ():
            received[sign] = received[sign] + 1 if many else 1
    return Traffic(received=received, touched=touched, fired=tuple(fired))


def _follow(flow: _Flow, event: Event, begin: Time) -> None:
    """Whose the flow is, and whether its client still listens, after what has come."""
    if isinstance(event, Request):
        flow.request, flow.mine = event, event.at >= begin
    elif event.direction is Direction.UPSTREAM:
        flow.open = flow.open and not isinstance(event, Close | Reset)
        flow.mine = flow.mine or (event.at >= begin and isinstance(event, Message | Bytes))


def _signs(flow: _Flow, event: Event) -> Iterator[Sign]:
    """What an event means to a test. A body that comes in pieces has arrived when its end has."""
    on = label(flow.request) if flow.request else ""
    match event:
        case Message() if not is_heartbeat(event):
            yield Sign(label=label(event), flow=on, shape=_shape(json_of(event)))
        case Response(streaming=True):
            flow.response = event
        case Response():
            yield _answer(event, on)
        case Chunk():
            flow.body += event.data
            if flow.response and (header(flow.response.headers, "content-type") or "").startswith(
                "text/event-stream"
            ):
                yield from _server_sent(flow.body, on)
        case End() if flow.response:
            yield _answer(replace(flow.response, body=bytes(flow.body)), on)


def _answer(response: Response, on: str) -> Sign:
    return Sign(label=f"{response.status} to {on or '?'}", flow=on, shape=_shape(json_of(response)))


def _is_event_stream(response: Response) -> bool:
    return (header(response.headers, "content-type") or "").startswith("text/event-stream")


def _server_sent(body: bytearray, on: str) -> Iterator[Sign]:
    """The events that have come whole; they are taken from the body. Comments and other fields do not count."""
    while found := _SERVER_SENT.match(body):
        fields = dict(_FIELD.findall(found[1].decode(errors="replace")))
        del body[: found.end()]
        if fields:
            yield Sign(
                label=fields.get("event", "event"), flow=on, shape=_shape(parse_object(fields.get("data", "")))
            )


def _shape(value: object) -> str:
    """The keys and types of a JSON value; list items count as one."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_shape(inner)}" for key, inner in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(sorted({_shape(inner) for inner in value})) + "]"
    if isinstance(value, bool):
        return "boolean"
    return {str: "text", int: "number", float: "number", type(None): "null"}.get(type(value), "")
