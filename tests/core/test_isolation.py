"""Isolation: whatever clients say, in whatever order, no value of one ever reaches another."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from dataclasses import dataclass, field, replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.isolation import Heard, Said, leaks, visited
from simulator.core.events import Event, Headers, Message, Request, Response, header, is_upgrade
from simulator.core.script import compile_script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.units import MILLISECOND
from simulator.core.values.tokens import sign
from tests.conversations import CREATED, UP, UPGRADE

SCRIPT = compile_script(visited())
TELLING = ("bearer", "cookie", "subprotocol", "own")
WAYS = (*TELLING, "query", "nothing")
API_KEY = ("X-Api-Key", "one-key-for-all-0123456789")
CONSENT = ("Cookie", "consent=accepted-v2-2024; theme=dark-mode-12")


@dataclass
class Visitor:
    """A client of the session that says one thing after another, each in a turn of its own."""

    number: int
    way: str
    common: bool = False
    neighbour: Said | None = None
    """Of whom it knows an id, as members of one team do."""
    heard: Heard = field(default_factory=Heard)
    token: str = ""
    cookie: str = ""
    flows: int = 0

    @property
    def said(self) -> Said:
        return Said.by(self.number)

    def turns(self) -> Generator[Event, list[Event], None]:
        said = self.said
        login = yield from self.ask("POST", "/login", email=said.email, name=said.name, device=said.device)
        self.token = str(login.get("token", ""))
        if self.way == "own":
            self.token = sign({"sub": said.name}, "a key of my own, that the replay has never seen")
        yield from self.ask("GET", "/me")
        about = self.neighbour.thread if self.neighbour else said.thread
        thread = yield from self.ask("POST", "/threads", title=said.title, thread=said.thread, about=about)
        socket = yield from self.open("/ws")
        yield self.says(socket, type="start", thread=said.thread, request=said.request, wish=said.wish)
        yield from self.open(f"/threads/{thread.get('id', 'none')}/events")
        base = f"/threads/{thread.get('id', 'none')}"
        yield from self.ask("POST", f"{base}/notes", thread=said.thread, note=said.note)
        yield from self.ask("GET", base)

    def ask(self, method: str, path: str, **fields: object) -> Generator[Event, list[Event], dict[str, object]]:
        body = json.dumps(fields).encode() if fields else b""
        responses = yield self.request(method, path, (), body)
        for response in responses:
            if isinstance(response, Response) and response.status == 200:
                self.cookie = (header(response.headers, "set-cookie") or self.cookie).partition(";")[0]
                return json.loads(response.body)  # type: ignore[no-any-return]
        return {}

    def open(self, path: str) -> Generator[Event, list[Event], str]:
        request = self.request("GET", path, UPGRADE)
        answers = yield request
        return request.flow if any(map(is_upgrade, answers)) else ""

    def request(self, method: str, path: str, headers: Headers, body: bytes = b"") -> Request:
        self.flows += 1
        target = f"{path}?token={self.token}" if path == "/ws" else path
        return Request(
            flow=f"{self.number}.{self.flows}",
            at=0,
            service="backend",
            method=method,
            target=target,
            headers=(*headers, *self._shown()),
            body=body,
        )

    def _shown(self) -> Headers:
        """How it shows who it is, beside what all have; who shows only that cannot be told from the others."""
        wrapped = base64.urlsafe_b64encode(self.token.encode()).decode().rstrip("=")
        mine = {
            "cookie": ("Cookie", self.cookie),
            "subprotocol": ("Sec-WebSocket-Protocol", f"jwt.{wrapped}"),
            "bearer": ("Authorization", f"Bearer {self.token}"),
            "own": ("Authorization", f"Bearer {self.token}"),
        }
        shown = (mine[self.way],) if self.way in mine and self.token else ()
        return (*shown, *((API_KEY,) if shown and self.common else ()), *((CONSENT,) if self.common else ()))

    def says(self, flow: str, **fields: object) -> Event:
        return Message(flow=flow, at=0, direction=UP, data=json.dumps(fields))


def play(visitors: list[Visitor], order: list[int], seed: int = 0) -> None:
    """Let each have its turns in this order, and then whoever has turns left."""
    session = Session(SCRIPT, settings=Settings(seed=seed, wall=CREATED, speed=float("inf")))
    turns = {visitor.number: visitor.turns() for visitor in visitors}
    answers: dict[int, list[Event]] = {}
    at = 0
    for number in [*order, *(visitor.number for visitor in visitors for _ in range(20))]:
        try:
            first = number not in answers
            event = next(turns[number]) if first else turns[number].send(answers[number])
        except StopIteration:
            continue
        at += MILLISECOND
        session.receive(replace(event, at=at))
        answers[number] = []
        for said in session.due(at):
            to = int(said.flow.partition(".")[0])
            answers.setdefault(to, []).append(said)
            _hear(visitors, to, said)


def _hear(visitors: list[Visitor], to: int, event: Event) -> None:
    visitor = next(visitor for visitor in visitors if visitor.number == to)
    if isinstance(event, Response):
        visitor.heard.texts.append(str(event.headers))
        if event.status == 200:
            visitor.heard.hear(event.body.decode())
    elif isinstance(event, Message):
        visitor.heard.hear(str(event.data))


@st.composite
def crowds(draw: st.DrawFn) -> tuple[list[Visitor], list[int]]:
    numbers = draw(st.lists(st.integers(0, 900), min_size=2, max_size=5, unique=True))
    visitors = [
        Visitor(number=number, way=draw(st.sampled_from(WAYS)), common=draw(st.booleans())) for number in numbers
    ]
    for visitor in visitors[1:]:
        if visitor.way in TELLING and draw(st.booleans()):
            visitor.neighbour = visitors[0].said
    return visitors, draw(st.lists(st.sampled_from(numbers), max_size=40))


def two(way: str, *, common: bool = False, knows: bool = False) -> tuple[list[Visitor], list[int]]:
    second = Visitor(number=2, way=way, common=common, neighbour=Said.by(1) if knows else None)
    return [Visitor(number=1, way=way, common=common), second], [1, 2] * 10


@given(crowds())
@example(two("own", common=True))
@example(two("bearer", common=True, knows=True))
@example(two("nothing"))
@example(two("cookie", common=True, knows=True))
@settings(max_examples=40)
def test_no_value_of_one_reaches_another(crowd: tuple[list[Visitor], list[int]]) -> None:
    visitors, order = crowd
    play(visitors, order)
    found = [
        leak
        for leak in leaks({visitor.said: visitor.heard for visitor in visitors})
        if not any(visitor.neighbour and visitor.neighbour.thread in leak for visitor in visitors)
    ]
    assert found == []
    assert all(visitor.heard.messages > 3 for visitor in visitors)
