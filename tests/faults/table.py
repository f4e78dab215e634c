"""What foreign clients report under each fault: every kind is played over real sockets, to clients of both sorts.

All conversations go on at once, each with a server of its own, in one process. The servers' clocks stand still
until everything that was sent has arrived, then each goes to its next deadline: nothing depends on how fast it is.
`rows` gives the table's cells; `python -m tests.reference` writes them to the README, and a test compares.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import jwt

from simulator.core.events import Close, Event, Request, Response
from simulator.core.recording import Recording
from simulator.core.rule import Rule
from simulator.core.units import MILLISECOND, SECOND, Time
from simulator.core.values.tokens import SIMULATOR_KEY, sign
from simulator.faults.registry import all_faults
from simulator.live.clock import ManualClock
from simulator.live.server import ReplayServer
from tests.conversations import DOWN, UP, UPGRADE, recording, text
from tests.faults.foreign import CLIENTS, Conversation, Seen
from tests.faults.http.foreign import BROWSERS
from tests.faults.wire import rules_of, serving, settled, ws_url

MESSAGES = [json.dumps({"type": "tick", "number": number}) for number in range(1, 6)]
BODY = b"0123456789" * 20
LIMIT = 60 * SECOND
"""How long a client is watched, on its server's clock; who has not ended by then waits."""
LATE = 50 * MILLISECOND
"""What is less than that is not called late."""
ROUNDS = 3
"""After so many rounds in which nothing came anywhere, nothing is under way."""
GRACE = 200
"""So many rounds are left to clients that run in threads, once their servers have nothing more to say."""
MANY = 4
"""So many of the same in a row are counted."""
CONTROL = ""
"""The play without a fault."""

TOKEN = sign({"sub": "user-001", "exp": 4_000_000_000})
IN_A_SUBPROTOCOL = f"jwt.{base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip('=')}"


def conversation(*, closes: bool) -> Recording:
    """Five messages after a first one from the client, and the server's close."""
    events: list[Event] = [
        Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=UPGRADE),
        Response(flow="1", at=MILLISECOND, status=101, headers=UPGRADE[1:]),
        text("1", 50, UP, type="go", id="req_1f0e3dad9990"),
        *(text("1", 100 * number, DOWN, **json.loads(said)) for number, said in enumerate(MESSAGES, 1)),
    ]
    if closes:
        events.append(Close(flow="1", at=600 * MILLISECOND, direction=DOWN, code=1000))
        events.append(Close(flow="1", at=601 * MILLISECOND, direction=UP, code=1000))
    return recording(*events)


def exchanges() -> Recording:
    """A page, and a login that hands out a token."""
    token = json.dumps({"access_token": TOKEN}).encode()
    return recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/items"),
        Response(flow="1", at=MILLISECOND, status=200, headers=(("Content-Length", str(len(BODY))),), body=BODY),
        Request(flow="2", at=0, service="backend", method="GET", target="/login"),
        Response(
            flow="2", at=MILLISECOND, status=200, headers=(("Content-Type", "application/json"),), body=token
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Play:
    """One fault file with parameters, and what the clients do; a subclass says of which sort they are."""

    file: str
    params: Mapping[str, object] = field(default_factory=dict)

    def rules(self) -> tuple[Rule, ...]:
        return rules_of(self.file, **self.params) if self.file != CONTROL else ()

    def played(self) -> Recording:
        raise NotImplementedError

    async def talk(self, client: str, server: ReplayServer, seen: Seen) -> None:
        """Come to an end, or wait for ever."""
        raise NotImplementedError

    def waits(self, words: Sequence[str]) -> str:
        """What to call it that a client waits for ever, after all that it saw."""
        return "waits"


@dataclass(frozen=True, kw_only=True)
class Talk(Play):
    """A WebSocket conversation."""

    closes: bool = True
    does: Conversation = field(default_factory=Conversation)

    def played(self) -> Recording:
        return conversation(closes=self.closes)

    async def talk(self, client: str, server: ReplayServer, seen: Seen) -> None:
        await CLIENTS[client](ws_url(server), self.does, seen)

    def waits(self, words: Sequence[str]) -> str:
        return "waits for a pong" if self.does.pings_at and "pong" not in words else "waits"


def unread(body: bytes) -> str:
    return "" if body == BODY else "other body"


def with_pyjwt(body: bytes) -> str:
    """What a client finds that checks the token that it was given."""
    try:
        jwt.decode(json.loads(body)["access_token"], SIMULATOR_KEY, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        return f"(PyJWT: {type(error).__name__})"
    return ""


@dataclass(frozen=True, kw_only=True)
class Visit(Play):
    """An HTTP request."""

    target: str = "/items"
    reads: Callable[[bytes], str] = unread

    def played(self) -> Recording:
        return exchanges()

    async def talk(self, client: str, server: ReplayServer, seen: Seen) -> None:
        try:
            status, body = await BROWSERS[client](server.url + self.target)
            seen.words.append(f"{status} {self.reads(body) if status == 200 else ''}".strip())
        except Exception as error:
            seen.words.append(type(error).__name__)


TALKS: Sequence[Talk] = (
    Talk(file=CONTROL),
    Talk(file="abnormal-end"),
    Talk(file="close"),
    Talk(file="close-without-code"),
    Talk(file="ignore-close", closes=False, does=Conversation(leaves_at="5")),
    Talk(file="latency"),
    Talk(file="limit", params={"connections": 0}),
    Talk(file="missing-pong", closes=False, does=Conversation(pings_at="5")),
    Talk(file="partial-then-stall", params={"types": "tick"}),
    Talk(file="reset"),
    Talk(file="silence", closes=False),
    Talk(file="stall"),
    Talk(file="throttle", params={"rate": 100}),
    Talk(file="token-expired", does=Conversation(offers=[IN_A_SUBPROTOCOL])),
)
"""WebSocket conversations, without those of the kinds that have only one, which `talks` adds."""
VISITS: Sequence[Visit] = (
    Visit(file=CONTROL),
    Visit(file="dribble"),
    Visit(file="empty-response"),
    Visit(file="endless-stream", params={"path": "/items"}),
    Visit(file="issued-token-expired", target="/login", reads=with_pyjwt),
    Visit(file="issued-token-wrong-signature", target="/login", reads=with_pyjwt),
    Visit(file="latency"),
    Visit(file="malformed-response-chunk"),
    Visit(file="mock", params={"path": "/items"}),
    Visit(file="random-data-then-close"),
    Visit(file="rate-limit", params={"limit": 0}),
    Visit(file="readiness-hangs", params={"path": "/items"}),
    Visit(file="reset-before-response"),
    Visit(file="reset-in-response", params={"hold": "1ms"}),
    Visit(file="status"),
    Visit(file="token-expired", target=f"/items?token={TOKEN}"),
    Visit(file="truncated-body", params={"hold": "1ms"}),
)


def kinds(plays: Sequence[Play]) -> set[str]:
    """The kinds of fault that are played."""
    return {rule.fault.name for play in plays for rule in play.rules()}


def talks() -> list[Talk]:
    """All WebSocket conversations, by name."""
    others = set(all_faults()) - kinds(TALKS) - kinds(VISITS)
    return sorted([*TALKS, *(Talk(file=kind) for kind in others)], key=lambda play: play.file)


@dataclass(kw_only=True)
class Performance:
    """One client under one play."""

    play: Play
    client: str
    server: ReplayServer
    seen: Seen
    task: asyncio.Task[None]
    took: Time = 0

    def begun(self) -> bool:
        return self.task.done() or bool(self.server.session.journal.events)

    def traces(self) -> tuple[int, int, bool]:
        return len(self.server.session.journal.events), len(self.seen.words), self.task.done()

    def step(self) -> bool:
        """Let time pass until something is due; False if nothing is, or nobody is there to see it."""
        now, deadline = self.server.clock.now(), self.server.session.deadline()
        if self.task.done() or deadline is None or deadline > LIMIT:
            return False
        self.took = max(now, deadline)
        self.server.pump.advance(self.took - now)
        return True

    def report(self) -> Report:
        idle = [stage.rule.name for stage in self.server.session.stages if not stage.fired]
        assert not idle, f"{idle} never fired under {self.play}: give it a play of its own"
        words = [re.sub(r"^(ping|pong) .*", r"\1", word) for word in self.seen.words if word[:4] != "open"]
        if self.task.done():
            self.task.result()
            return Report(words, self.took)
        return Report([*words, self.play.waits(words)], None)


@dataclass(frozen=True)
class Report:
    """What a client saw, and when it had seen all; None if it waits for more."""

    words: Sequence[str]
    ended: Time | None

    def cell(self, usual: Report) -> str:
        """It all in one line, with how late it was."""
        told = " ".join(_counted(self.words))
        late = 0 if self.ended is None or usual.ended is None else self.ended - usual.ended
        return f"{told}, {round(late / SECOND, 1):g} s late" if late > LATE else told


def _counted(words: Iterable[str]) -> Iterator[str]:
    for word, same in itertools.groupby(words):
        times = len(list(same))
        yield from [f"{times} × {word}"] if times >= MANY else [word] * times


async def perform(plays: Sequence[Play], clients: Iterable[str]) -> dict[tuple[str, str], Report]:
    """What every client reports of every play, by the play's file and the client."""
    found: list[Performance] = []
    try:
        async with AsyncExitStack() as servers:
            for play, client in itertools.product(plays, clients):
                found.append(await _begin(servers, play, client))
            while not all(each.begun() for each in found):
                await settled(found[0].server)
            await _quiet(found, ROUNDS)
            while _time_passes(found):
                await _quiet(found, ROUNDS)
            await _quiet(found, GRACE)
            return {(each.play.file, each.client): each.report() for each in found}
    finally:
        for each in found:
            each.task.cancel()
        await asyncio.wait([each.task for each in found])


async def _begin(servers: AsyncExitStack, play: Play, client: str) -> Performance:
    clock, seen = ManualClock(), Seen(named=number)
    server = await servers.enter_async_context(serving(play.played(), *play.rules(), clock=clock, speed=1))
    task = asyncio.create_task(play.talk(client, server, seen))
    return Performance(play=play, client=client, server=server, seen=seen, task=task)


def _time_passes(performances: Sequence[Performance]) -> bool:
    """Let every server go on to what it does next; False if all have done everything."""
    stepped = [each.step() for each in performances]
    return any(stepped)


async def _quiet(performances: Sequence[Performance], rounds: int) -> None:
    """Wait until nothing has come anywhere for so many rounds, each a round trip on the same loop."""
    still, before = 0, None
    while still < rounds:
        await settled(performances[0].server)
        now = [each.traces() for each in performances]
        still, before = (still + 1 if now == before else 0), now


def number(data: str | bytes) -> str:
    """A message's number in the recording."""
    return str(MESSAGES.index(data) + 1) if data in MESSAGES else "other"


def rows(plays: Sequence[Play], clients: Sequence[str]) -> dict[str, list[str]]:
    """For every fault file, what each of the clients reported."""
    found = asyncio.run(perform(plays, clients))
    return {
        play.file: [found[play.file, client].cell(found[CONTROL, client]) for client in clients] for play in plays
    }
