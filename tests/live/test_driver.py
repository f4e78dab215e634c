"""The live driver: a recorded client on real sockets, byte by byte, against real servers and against replays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from simulator.core.errors import RecordingError, StagesimError
from simulator.core.events import Close, Direction, Fragment, Message, Ping, Pong, Request, Reset, Response
from simulator.core.recording import Recording
from simulator.core.script import compile_script
from simulator.core.units import MILLISECOND
from simulator.live.driver import LiveDriver
from simulator.live.frames import FrameParser
from simulator.live.server import ReplayServer
from tests.conversations import DOWN, UP, agent_run, recording, text

MS = MILLISECOND
OPENING = (
    ("Host", "staging"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
)


def opened(*events: Any) -> Recording:
    request = Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=OPENING)
    return recording(request, Response(flow="1", at=MS, status=101), *events)


def drive(
    whole: Recording, handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
) -> Any:
    """Drive a recording against a raw server; gives back the driver and what never came."""

    async def main() -> Any:
        handled: list[asyncio.Task[None]] = []

        def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            handled.append(asyncio.ensure_future(handler(reader, writer)))

        server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        driver = LiveDriver(whole, {"backend": url}, patience=0.3)
        try:
            return driver, await driver.run()
        finally:
            driver.close()
            server.close()
            await asyncio.wait_for(asyncio.gather(*handled), 30)

    return asyncio.run(main())


ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def test_frames_go_out_as_they_were_recorded() -> None:
    said = [
        Message(flow="1", at=2 * MS, direction=UP, data="grün!", fragments=(Fragment(size=3), Fragment(size=3))),
        Ping(flow="1", at=3 * MS, direction=UP, data=b"beat"),
        Message(flow="1", at=4 * MS, direction=UP, data=b"\x00\x01"),
        Close(flow="1", at=5 * MS, direction=UP, code=4999, reason="enough"),
    ]
    heard: list[Any] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ACCEPTED)
        parser = FrameParser(Direction.UPSTREAM, flow="1")
        while not parser.closed:
            heard.extend(parser.feed(await reader.read(65536), 0))
        writer.write(b"\x8a\x04beat" + b"\x88\x02\x13\x87")
        writer.close()

    answers = [Pong(flow="1", at=6 * MS, direction=DOWN, data=b"beat"), Close(flow="1", at=7 * MS, direction=DOWN)]
    driver, unseen = drive(opened(*said, *answers), server)
    assert (unseen, driver.problems) == ([], [])
    assert [(event.kind, event.data) for event in heard[:3]] == [
        ("message", "grün!"),
        ("ping", b"beat"),
        ("message", b"\x00\x01"),
    ]
    assert [part.size for part in heard[0].fragments] == [3, 3]
    assert (heard[3].code, heard[3].reason) == (4999, "enough")


@pytest.mark.parametrize("rst", [True, False])
def test_a_client_that_vanished_vanishes_again(rst: bool) -> None:
    ended: list[str] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ACCEPTED)
        try:
            ended.append(repr(await reader.read(1)))
        except ConnectionResetError:
            ended.append("reset")
        writer.close()

    drive(opened(Reset(flow="1", at=20 * MS, direction=UP, rst=rst), text("1", 30, DOWN, type="never")), server)
    assert ended == ["reset" if rst else "b''"]


def test_what_never_came_is_told_and_nothing_is_waited_for_without_end() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno")
            await reader.read()
        writer.close()

    driver, unseen = drive(agent_run(), server)
    assert [event.kind for event in unseen][-1] == "close"
    assert [event.kind for event in driver.otherwise()] == ["response"] * 2  # 503, and no 101
    assert any(isinstance(event, Message) for event in unseen)


def test_a_server_that_only_says_what_was_never_recorded_is_not_heard_for_ever() -> None:
    async def main() -> list[str]:
        left = asyncio.Event()

        async def talker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ACCEPTED)
            with suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(b"\x81\x02{}")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            writer.close()
            left.set()

        server = await asyncio.start_server(talker, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        driver = LiveDriver(opened(text("1", 5, DOWN, type="never")), {"backend": url}, patience=0.3)
        try:
            async with asyncio.timeout(30):
                return [event.kind for event in await driver.run()]
        finally:
            driver.close()
            await left.wait()
            server.close()

    assert asyncio.run(main()) == ["message"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://a..b"])
def test_a_server_that_is_not_there_is_not_waited_for(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> tuple[LiveDriver, int]:
        driver = LiveDriver(agent_run(), {"backend": url}, speed=100, patience=3600)
        try:
            async with asyncio.timeout(60):
                return driver, len(await driver.run())
        finally:
            driver.close()

    driver, unseen = asyncio.run(main())
    requests = [event for event in agent_run().events if isinstance(event, Request)]
    assert unseen > 0
    assert len(driver.problems) == len(requests), "each was tried"
    assert all("no connection: " in problem for problem in driver.problems)
    assert caplog.records == []


def test_a_library_s_server_takes_the_driver_for_a_client() -> None:
    whole = opened(text("1", 2, UP, type="hello"), text("1", 3, DOWN, type="hello"))

    async def main() -> Any:
        async def echo(socket: ServerConnection) -> None:
            await socket.send(await socket.recv())

        async with serve(echo, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            driver = LiveDriver(whole, {"backend": f"http://127.0.0.1:{port}"})
            try:
                return await driver.run()
            finally:
                driver.close()

    assert asyncio.run(main()) == []


def test_a_recorded_client_gets_from_a_replay_what_it_got() -> None:
    async def main() -> Any:
        server = ReplayServer(script=compile_script(agent_run()))
        await server.start()
        driver = LiveDriver(agent_run(), server.urls, speed=10)
        try:
            return await driver.run(), server.session.journal.notes("missed")
        finally:
            driver.close()
            await server.stop()

    assert asyncio.run(main()) == ([], ())


def test_a_service_without_an_address_and_what_no_client_could_send_are_errors() -> None:
    with pytest.raises(StagesimError, match="no URL for the service 'backend'"):
        LiveDriver(agent_run(), {})
    with pytest.raises(RecordingError, match="control frames"):
        LiveDriver(opened(Ping(flow="1", at=9, direction=UP, data=bytes(126))), {"backend": "http://127.0.0.1:1"})
