"""A conversation with a session, line by line: what a client says, and what it hears. Times are milliseconds."""

from __future__ import annotations

import json
from collections.abc import Iterable

from simulator.core.events import Close, Direction, Event, Headers, Message, Request, Response
from simulator.core.journal import Note
from simulator.core.recording import Recording
from simulator.core.rule import Rule
from simulator.core.script import Script, compile_script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.units import MILLISECOND
from tests.conversations import CREATED, DOWN, UP, UPGRADE, recording

Heard = tuple[int, str]
"""When, and what: the type of a message, a status, 'close 1011'."""


def brief(event: Event) -> str:
    """An event in a word."""
    if isinstance(event, Response):
        return str(event.status)
    if isinstance(event, Close):
        return f"close {event.code}"
    if isinstance(event, Message) and isinstance(event.data, str):
        try:
            return str(json.loads(event.data)["type"])
        except (ValueError, KeyError, TypeError):
            return event.data
    return event.kind


def briefly(events: Iterable[Event]) -> list[Heard]:
    return [(event.at // MILLISECOND, brief(event)) for event in events]


def data(event: Event) -> dict[str, object]:
    """The JSON of a message or a response."""
    assert isinstance(event, Message | Response)
    found = json.loads(event.data if isinstance(event, Message) else event.body)
    assert isinstance(found, dict)
    return found


def get(flow: str, at: int, target: str, headers: Headers = (), service: str = "backend") -> Request:
    return Request(
        flow=flow, at=at * MILLISECOND, service=service, method="GET", target=target, headers=tuple(headers)
    )


def post(flow: str, at: int, target: str, headers: Headers = (), **fields: object) -> Request:
    body = json.dumps(fields).encode()
    return Request(
        flow=flow,
        at=at * MILLISECOND,
        service="backend",
        method="POST",
        target=target,
        headers=(*headers, ("Content-Type", "application/json")),
        body=body,
    )


def answer(flow: str, at: int, status: int = 200, headers: Headers = (), **fields: object) -> Response:
    body = json.dumps(fields).encode() if fields else b""
    return Response(flow=flow, at=at * MILLISECOND, status=status, headers=tuple(headers), body=body)


def upgrade(flow: str, at: int, target: str = "/ws", headers: Headers = ()) -> list[Event]:
    """The opening of a WebSocket: its request, and 100 ms later its 101."""
    opened = Response(flow=flow, at=(at + 100) * MILLISECOND, status=101, headers=UPGRADE[1:])
    return [get(flow, at, target, (*UPGRADE, *headers)), opened]


def socket(*said: Event, **header: object) -> Recording:
    """A recording of one WebSocket, flow '1', open from 100 ms on."""
    return recording(*upgrade("1", 0), *said, **header)


def up(at: int, /, **fields: object) -> Message:
    return message("1", at, UP, **fields)


def down(at: int, /, **fields: object) -> Message:
    return message("1", at, DOWN, **fields)


def message(flow: str, at: int, way: Direction, /, **fields: object) -> Message:
    return Message(flow=flow, at=at * MILLISECOND, direction=way, data=json.dumps(fields))


def start(at: int, thread: str, flow: str = "1") -> Message:
    """What the client of `agent_run` says to start an agent."""
    return message(flow, at, UP, type="start_agent", thread_id=thread, payload={"user_request": "Hello"})


class Staging:
    """A session, and the time it is in."""

    def __init__(self, played: Recording | Script, *rules: Rule, **settings: object) -> None:
        chosen = Settings(**({"wall": CREATED} | settings))  # type: ignore[arg-type]
        script = played if isinstance(played, Script) else compile_script(played)
        self.session = Session(script, rules, chosen)

    def hears(self, *events: Event) -> None:
        """The server gets what clients say."""
        for event in events:
            self.session.receive(event)

    def says(self, until: int) -> list[Event]:
        """Everything that the server says up to a time."""
        return self.session.due(until * MILLISECOND)

    def opens(self, flow: str = "1", at: int = 0, target: str = "/ws", headers: Headers = ()) -> None:
        """A client asks for a WebSocket."""
        self.hears(get(flow, at, target, (*UPGRADE, *headers)))

    def notes(self, what: str) -> tuple[Note, ...]:
        return self.session.journal.notes(what)
