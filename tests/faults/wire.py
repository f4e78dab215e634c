"""Conversations with the replay server under faults, as clients see them that other people wrote."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from simulator.core.events import Close, Direction, Event, Headers, Request, Response
from simulator.core.recording import Recording
from simulator.core.rule import Rule
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.core.units import MILLISECOND, duration
from simulator.files.faultfiles import load_fault
from simulator.live.clock import Clock, ManualClock, RealClock
from simulator.live.server import ReplayServer
from tests.conversations import DOWN, UP, UPGRADE, recording, text
from tests.faults.foreign import CLIENTS, Client, Conversation, Seen, by_hand

PATIENCE = 20
"""Seconds that no conversation here takes: what does hangs."""
STEPS = 8
"""A span of time passes in so many steps, between which the client can say something."""
SWITCHED = (*UPGRADE[1:], ("Sec-WebSocket-Protocol", "chat"))
TICKS = ["tick 1", "tick 2", "tick 3", "tick 4", "tick 5"]
ALL = ["open", "welcome", *TICKS, "closed 1000 done"]
"""What is seen without faults."""


def ticking(ticks: int = 5, *, closes: bool = True, headers: Headers = ()) -> Recording:
    """A greeting, a request, what came of it, and the server's close."""
    end = 100 * (ticks + 1) * MILLISECOND
    events: list[Event] = [
        Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=UPGRADE),
        Response(flow="1", at=1000, status=101, headers=(*SWITCHED, *headers)),
        text("1", 10, DOWN, type="welcome", connection="conn_8f14e45fceea"),
        text("1", 50, UP, type="go", id="req_1f0e3dad9990"),
        *(text("1", 100 * n, DOWN, type="tick", number=n, run_id="run_6512bd43d9ca") for n in range(1, ticks + 1)),
    ]
    if closes:
        events.append(Close(flow="1", at=end, direction=DOWN, code=1000, reason="done"))
        events.append(Close(flow="1", at=end + 1000, direction=UP, code=1000))
    return recording(*events)


@asynccontextmanager
async def serving(
    played: Recording,
    *rules: Rule,
    clock: Clock | None = None,
    speed: float = math.inf,
    seed: int = 0,
) -> AsyncIterator[ReplayServer]:
    server = ReplayServer(
        script=compile_script(played),
        rules=rules,
        settings=Settings(speed=speed, seed=seed),
        clock=clock or RealClock(),
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def ws_url(server: ReplayServer) -> str:
    return server.url.replace("http", "ws", 1) + "/ws"


def rules_of(fault: str, **params: object) -> tuple[Rule, ...]:
    """The rules of an example file, with these parameters."""
    return load_fault(fault, {name: json.dumps(value) for name, value in params.items()}).rules


def look(
    client: str,
    rules: Iterable[Rule],
    played: Recording | None = None,
    talk: Conversation | None = None,
    seed: int = 0,
) -> tuple[Seen, ReplayServer]:
    """A whole conversation of one client under some rules."""

    async def main() -> tuple[Seen, ReplayServer]:
        seen = Seen()
        async with serving(played or ticking(), *rules, seed=seed) as server, asyncio.timeout(PATIENCE):
            await CLIENTS[client](ws_url(server), talk or Conversation(), seen)
        return seen, server

    return asyncio.run(main())


def sees(
    client: str, fault: str, played: Recording | None = None, talk: Conversation | None = None, **params: object
) -> list[str]:
    """What a client sees under an example file; its rules have fired."""
    seen, server = look(client, rules_of(fault, **params), played, talk)
    assert all(stage.fired for stage in server.session.stages), "the fault never fired"
    return seen.words


def watch(
    client: str | Client,
    rules: Iterable[Rule],
    *spans: str,
    played: Recording | None = None,
    talk: Conversation | None = None,
) -> list[list[str]]:
    """What a client has seen after each of these spans of time on the server's clock.

    That clock stands still until everything that was sent has arrived.
    """

    async def main() -> list[list[str]]:
        seen, found, clock = Seen(), [], ManualClock()
        async with serving(played or ticking(), *rules, clock=clock, speed=1) as server:
            speak = CLIENTS[client] if isinstance(client, str) else client
            talking = asyncio.ensure_future(speak(ws_url(server), talk or Conversation(), seen))
            async with asyncio.timeout(PATIENCE):
                for span in spans:
                    for _ in range(STEPS):
                        await settled(server)
                        server.pump.advance(duration(span) // STEPS)
                    await settled(server)
                    found.append(list(seen.words))
            assert all(stage.fired for stage in server.session.stages), "the fault never fired"
            talking.cancel()
        await asyncio.wait([talking])
        return found

    return asyncio.run(main())


async def settled(server: ReplayServer) -> None:
    """Wait until whatever was on the wire has arrived, at either end: for a round trip of one's own, twice."""
    host, port = server.url.removeprefix("http://").split(":")
    for _ in range(2):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")  # no Host: the server answers by itself, and no flow begins
        await reader.read()
        writer.close()
        await writer.wait_closed()


def on_the_wire(fault: str, *, until: bytes = b"done", **params: object) -> tuple[bytes, str]:
    """The bytes that a server under an example file sends after its 101, and how the connection ends."""

    async def main() -> tuple[bytes, str]:
        async with serving(ticking(), *rules_of(fault, **params)) as server, asyncio.timeout(PATIENCE):
            return await by_hand(ws_url(server), until)

    return asyncio.run(main())


def heard(server: ReplayServer, kind: type[Event]) -> list[Event]:
    """What the server has got of a kind from its clients."""
    events = server.session.journal.events
    return [event for event in events if isinstance(event, kind) and event.direction is Direction.UPSTREAM]
