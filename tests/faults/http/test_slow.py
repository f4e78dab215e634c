"""Bodies that dribble, streams that never end, paths that hang: on a clock that only the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from simulator.core.errors import FaultError
from simulator.core.units import MILLISECOND, SECOND, duration
from simulator.faults.body import DribbleFault
from simulator.faults.endless import EndlessStreamFault
from simulator.live.clock import ManualClock
from simulator.live.server import ReplayServer
from tests.faults.http.web import BODY, STREAM, aio_client, fired, http_client, raw, replaying, run, until

Read = Callable[[ReplayServer, str, list[bytes]], Awaitable[int]]
"""Asks for a path and puts the pieces of the body in a list as they come; gives the status."""


async def with_httpx(server: ReplayServer, path: str, pieces: list[bytes]) -> int:
    async with http_client(server) as client, client.stream("GET", path) as response:
        async for piece in response.aiter_raw():
            pieces.append(piece)  # noqa: PERF401 - each is looked at as it comes
        return response.status_code


async def with_aiohttp(server: ReplayServer, path: str, pieces: list[bytes]) -> int:
    async with aio_client(server) as session, session.get(path) as answer:
        async for piece, _ in answer.content.iter_chunks():
            pieces.append(piece)
        return answer.status


READERS = pytest.mark.parametrize("read", [with_httpx, with_aiohttp])


@READERS
def test_a_body_dribbles(read: Read) -> None:
    async def talk() -> None:
        async with replaying("dribble", chunks="5", duration="2s", clock=ManualClock()) as server:
            pieces: list[bytes] = []
            reading = asyncio.create_task(read(server, "/items", pieces))
            await until(lambda: fired(server) == [1])
            for number in range(1, 6):
                server.pump.advance(400 * MILLISECOND - 1)
                assert len(pieces) == number - 1
                server.pump.advance(1)
                await until(lambda count=number: len(pieces) == count)
            assert await reading == 200
            assert pieces == [BODY[at : at + 38] for at in range(0, 190, 38)]

    run(talk)


@READERS
def test_the_pieces_of_a_stream_dribble_one_after_the_other(read: Read) -> None:
    """The second piece was there at once, and yet comes after all of the first."""

    async def talk() -> None:
        fault = DribbleFault(chunks=2, duration=SECOND)
        async with replaying(fault, clock=ManualClock()) as server:
            pieces: list[bytes] = []
            reading = asyncio.create_task(read(server, "/stream", pieces))
            await until(lambda: fired(server) == [1])
            for number in range(1, 5):
                server.pump.advance(500 * MILLISECOND)
                await until(lambda count=number: len(pieces) == count)
            assert await reading == 200
            first, second = STREAM
            assert b"".join(pieces[:2]) == first
            assert b"".join(pieces[2:]) == second

    run(talk)


def test_a_body_smaller_than_its_pieces_comes_byte_by_byte() -> None:
    async def talk() -> None:
        fault = DribbleFault(chunks=1000, duration=100 * MILLISECOND)
        async with replaying(fault) as server:
            got, end = await raw(server)
            assert (got.partition(b"\r\n\r\n")[2], end) == (BODY, "fin")
            assert sum(event.kind == "chunk" for event in server.session.journal.events) == len(BODY)
            async with http_client(server) as client:
                assert (await client.get("/empty")).content == b""
                assert (await client.get("/items")).content == BODY

    run(talk)


@READERS
def test_a_stream_never_ends(read: Read) -> None:
    async def talk() -> None:
        fault = EndlessStreamFault(interval=SECOND, heartbeat_every=3)
        async with replaying(fault, clock=ManualClock()) as server:
            pieces: list[bytes] = []
            reading = asyncio.create_task(read(server, "/items", pieces))
            await until(lambda: fired(server) == [1])
            for number in range(1, 31):
                server.pump.advance(SECOND)
                await until(lambda count=number: len(pieces) == count)
            assert pieces[0] == b'event: tick\ndata: {"tick": 1}\n\n'
            assert [number for number, piece in enumerate(pieces, 1) if piece == b": heartbeat\n\n"] == [
                *range(3, 31, 3)
            ]
            assert not reading.done()
            assert server.session.deadline() is not None
            reading.cancel()
            await until(lambda: not server.pump.advance(SECOND))
            assert fired(server) == [1]

    run(talk)


@READERS
def test_a_recorded_stream_goes_on_when_it_would_have_ended(read: Read) -> None:
    async def talk() -> None:
        async with replaying("endless-stream", interval="250ms", clock=ManualClock()) as server:
            pieces: list[bytes] = []
            reading = asyncio.create_task(read(server, "/stream", pieces))
            await until(lambda: b"".join(pieces) == b"".join(STREAM))
            server.pump.advance(249 * MILLISECOND)
            assert b"".join(pieces) == b"".join(STREAM)
            server.pump.advance(MILLISECOND)
            await until(lambda: pieces[-1] == b'event: tick\ndata: {"tick": 1}\n\n')
            assert fired(server) == [1]
            async with http_client(server) as client:
                assert (await client.get("/items")).content == BODY
            reading.cancel()
            await until(lambda: not server.pump.advance(SECOND))

    run(talk)


def test_an_event_stream_is_announced_as_one() -> None:
    async def talk() -> None:
        fault = EndlessStreamFault(interval=MILLISECOND)
        async with replaying(fault) as server, http_client(server) as client:
            async with client.stream("GET", "/items") as response:
                assert response.headers["Content-Type"] == "text/event-stream"
                assert "Content-Length" not in response.headers
                lines = response.aiter_lines()
                assert [await anext(lines) for _ in range(3)] == ["event: tick", 'data: {"tick": 1}', ""]
            async with client.stream("GET", "/stream") as response:
                assert response.headers["Cache-Control"] == "no-store", "the recorded head stays"
                assert await first(response.aiter_lines(), 8) == [
                    *b"".join(STREAM).decode().splitlines(),
                    "event: tick",
                    'data: {"tick": 1}',
                ]
            assert (await client.head("/items")).headers["Content-Length"] == str(len(BODY))

    run(talk)


async def first(lines: AsyncIterator[str], count: int) -> list[str]:
    return [await anext(lines) for _ in range(count)]


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(FaultError, match="interval: expected 1ms or more"):
        EndlessStreamFault(interval=0)


def test_health_answers_while_readiness_hangs() -> None:
    async def talk() -> None:
        clock = ManualClock()
        async with replaying("readiness-hangs", clock=clock) as server, http_client(server) as client:
            hanging = asyncio.create_task(client.get("/health/ready"))
            await until(lambda: fired(server) == [1])
            server.pump.advance(duration("10m"))
            assert (await client.get("/health")).json() == {"status": "healthy"}
            async with aio_client(server) as session, session.get("/health") as answer:
                assert answer.status == 200
            assert not hanging.done()
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/health/ready", timeout=0.05)
            server.session.disarm("readiness-hangs", clock.now())
            server.pump.turn()
            assert (await hanging).json() == {"status": "ready"}

    run(talk)
