"""What is no response, or breaks in it: what parsers of other people make of it."""

from __future__ import annotations

import asyncio

import aiohttp
import httpx
import pytest

from simulator.core.units import SECOND
from simulator.faults.body import TruncatedBodyFault
from simulator.faults.broken import MalformedResponseChunkFault, RandomDataThenCloseFault
from simulator.live.clock import ManualClock
from tests.faults.http.web import (
    BODY,
    STREAM,
    TRUNCATED,
    aio_client,
    fired,
    http_client,
    raw,
    replaying,
    run,
    until,
)


def test_an_empty_response() -> None:
    async def talk() -> None:
        async with replaying("empty-response") as server:
            assert await raw(server) == (b"", "fin")
            with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
                async with http_client(server) as client:
                    await client.get("/items")
            with pytest.raises(aiohttp.ServerDisconnectedError):
                async with aio_client(server) as session:
                    await session.get("/items")
            assert fired(server)[0] >= 3, "aiohttp asks again, for GET may be repeated"

    run(talk)


def test_an_empty_response_in_place_of_a_stream() -> None:
    async def talk() -> None:
        async with replaying("empty-response") as server:
            assert await raw(server, "/stream") == (b"", "fin")

    run(talk)


def test_a_reset_before_the_response() -> None:
    async def talk() -> None:
        async with replaying("reset-before-response") as server:
            assert await raw(server) == (b"", "rst")
            with pytest.raises(httpx.ReadError):
                async with http_client(server) as client:
                    await client.get("/items")
            with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
                async with aio_client(server) as session:
                    await session.get("/items")
            assert fired(server)[0] >= 3

    run(talk)


def test_a_body_that_is_cut_short() -> None:
    half = len(BODY) // 2

    async def talk() -> None:
        async with replaying("truncated-body") as server:
            got, end = await raw(server)
            head, _, body = got.partition(b"\r\n\r\n")
            assert (f"Content-Length: {len(BODY)}".encode() in head, body, end) == (True, BODY[:half], "fin")
            with pytest.raises(
                httpx.RemoteProtocolError, match=rf"{TRUNCATED} \(received {half} bytes, expected {len(BODY)}\)"
            ):
                async with http_client(server) as client:
                    await client.get("/items")
            async with aio_client(server) as session, session.get("/items") as answer:
                assert answer.content_length == len(BODY)
                with pytest.raises(aiohttp.ClientPayloadError):
                    await answer.read()

    run(talk)


@pytest.mark.parametrize(("path", "length"), [("/items", len(BODY)), ("/empty", 0)])
def test_the_head_promises_more_than_all_there_is(path: str, length: int) -> None:
    async def talk() -> None:
        async with replaying(TruncatedBodyFault(after_bytes=1000)) as server:
            got, _ = await raw(server, path)
            head, _, body = got.partition(b"\r\n\r\n")
            assert (f"Content-Length: {length + 1}".encode() in head, len(body)) == (True, length)
            with pytest.raises(httpx.RemoteProtocolError, match=TRUNCATED):
                async with http_client(server) as client:
                    await client.get(path)

    run(talk)


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (TruncatedBodyFault(fraction=0.5), STREAM[0][: len(STREAM[0]) // 2]),
        (TruncatedBodyFault(after_bytes=len(STREAM[0]) + 3), STREAM[0] + STREAM[1][:3]),
        (TruncatedBodyFault(after_bytes=10_000), b"".join(STREAM)),
    ],
    ids=["in the first piece", "in the second", "at the end"],
)
def test_a_stream_that_breaks_off(fault: TruncatedBodyFault, seen: bytes) -> None:
    async def talk() -> None:
        async with replaying(fault) as server:
            async with http_client(server) as client, client.stream("GET", "/stream") as response:
                pieces = []
                with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
                    async for piece in response.aiter_raw():
                        pieces.append(piece)  # noqa: PERF401 - what came before it raised counts
                assert b"".join(pieces) == seen
            async with aio_client(server) as session, session.get("/stream") as answer:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await answer.read()
            assert fired(server) == [2]

    run(talk)


def test_a_reset_in_the_middle_of_a_response() -> None:
    async def talk() -> None:
        async with replaying("reset-in-response") as server:
            got, end = await raw(server)
            assert (got.partition(b"\r\n\r\n")[2], end) == (BODY[: len(BODY) // 2], "rst")
            with pytest.raises(httpx.ReadError):
                async with http_client(server) as client:
                    await client.get("/items")
            with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
                async with aio_client(server) as session, session.get("/items") as answer:
                    await answer.read()

    run(talk)


def test_the_connection_is_held_before_it_is_cut() -> None:
    async def talk() -> None:
        clock = ManualClock()
        fault = TruncatedBodyFault(after_bytes=7, hold=5 * SECOND, rst=True)
        async with replaying(fault, clock=clock) as server, http_client(server) as client:
            pieces: list[bytes] = []

            async def read() -> None:
                async with client.stream("GET", "/items") as response:
                    async for piece in response.aiter_raw():
                        pieces.append(piece)  # noqa: PERF401 - each is looked at as it comes

            reading = asyncio.create_task(read())
            await until(lambda: pieces)
            server.pump.advance(5 * SECOND - 1)
            assert not reading.done()
            server.pump.advance(1)
            with pytest.raises(httpx.ReadError):
                await reading
            assert pieces == [BODY[:7]]

    run(talk)


def test_a_chunk_that_has_no_size() -> None:
    async def talk() -> None:
        async with replaying("malformed-response-chunk") as server:
            got, end = await raw(server)
            head, _, body = got.partition(b"\r\n\r\n")
            half = BODY[: len(BODY) // 2]
            assert b"transfer-encoding: chunked" in head.lower()
            assert b"content-length" not in head.lower()
            assert body.startswith(b"%x\r\n%b\r\nlskdu018" % (len(half), half))
            assert end == "fin"
            with pytest.raises(httpx.RemoteProtocolError, match="illegal chunk header"):
                async with http_client(server) as client:
                    await client.get("/items")
            with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientResponseError)):
                async with aio_client(server) as session, session.get("/items") as answer:
                    await answer.read()

    run(talk)


def test_a_stream_whose_second_chunk_has_no_size() -> None:
    async def talk() -> None:
        async with replaying(MalformedResponseChunkFault(size="-1")) as server:
            got, _ = await raw(server, "/stream")
            body = got.partition(b"\r\n\r\n")[2]
            assert body == b"%x\r\n%b\r\n-1\r\n" % (len(STREAM[0]), STREAM[0])
            with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientResponseError)):
                async with aio_client(server) as session, session.get("/stream") as answer:
                    await answer.read()
            assert fired(server) == [2]

    run(talk)


def test_random_data() -> None:
    async def seen() -> bytes:
        async with replaying("random-data-then-close", size="40") as server:
            got, end = await raw(server)
            assert (len(got), end) == (40, "fin")
            with pytest.raises(httpx.RemoteProtocolError):
                async with http_client(server) as client:
                    await client.get("/items")
            with pytest.raises((aiohttp.ClientResponseError, aiohttp.ServerDisconnectedError)):
                async with aio_client(server) as session:
                    await session.get("/items")
        return got

    async def talk() -> None:
        assert await seen() == await seen(), "the same seed gives the same bytes"

    run(talk)


@pytest.mark.parametrize(
    "fault", [TruncatedBodyFault(), MalformedResponseChunkFault()], ids=lambda fault: str(fault.name)
)
def test_what_has_no_body_cannot_break_in_it(fault: TruncatedBodyFault | MalformedResponseChunkFault) -> None:
    """HEAD and 204 (RFC 9112 §6.3): nothing is changed, so nothing fired."""

    async def talk() -> None:
        async with replaying(fault) as server, http_client(server) as client:
            assert (await client.head("/items")).headers["Content-Length"] == str(len(BODY))
            assert (await client.delete("/items")).status_code == 204
            assert fired(server) == [0]

    run(talk)


def test_a_size_that_is_one_after_all_is_refused() -> None:
    with pytest.raises(Exception, match="expected what is no chunk size"):
        MalformedResponseChunkFault(size="1f")
    with pytest.raises(Exception, match="expected 1 to"):
        RandomDataThenCloseFault(size=0)
