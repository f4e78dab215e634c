"""Virtual time: real clients, sockets and threads, two minutes in no time, and exact."""

from __future__ import annotations

import asyncio
import json
import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import aiohttp
import anyio.to_thread
import httpx
import pytest
import trio
from websockets.asyncio.client import ClientConnection, connect

from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.files.faultfiles import load_fault
from simulator.files.locate import find_recording
from simulator.files.reader import load
from simulator.harness.staging import Staging
from simulator.live import quiet
from simulator.live.virtualtime import VirtualTimeError

PAYLOAD = {"user_request": "Hello", "user_id": "me"}
START = json.dumps({"type": "start_agent", "thread_id": "thread_of_mine_1", "timestamp": 1.5, "payload": PAYLOAD})
STALL, BELOW, ABOVE = 120, 119.9, 120.1


@contextmanager
def staging(fault: str = "", **parameters: str) -> Iterator[Staging]:
    faults = [load_fault(fault, parameters)] if fault else []
    script = compile_script(load(find_recording("golden-path")).recording)
    with Staging(script, faults, Settings(seed=1, speed=math.inf)) as running:
        yield running


async def first_of_agent(connection: ClientConnection) -> str:
    await connection.send(START)
    while not (kind := json.loads(await connection.recv())["type"]).startswith("agent_"):
        pass
    return str(kind)


async def by_websockets(running: Staging, within: float) -> bool:
    async with connect(running.ws_url("/ws"), ping_interval=None) as connection:
        return await answered(first_of_agent(connection), within)


async def by_aiohttp(running: Staging, within: float) -> bool:
    async with aiohttp.ClientSession() as session, session.ws_connect(running.url(path="/ws")) as connection:
        await connection.send_str(START)
        while True:
            try:
                if json.loads((await connection.receive(timeout=within)).data)["type"] == "agent_started":
                    return True
            except TimeoutError:
                return False


async def by_httpx(running: Staging, within: float) -> bool:
    async with httpx.AsyncClient(timeout=within) as client:
        try:
            return (await client.get(running.url(path="/health"))).status_code == 200
        except httpx.ReadTimeout:
            return False


async def answered(answer: Coroutine[object, object, object], within: float) -> bool:
    try:
        await asyncio.wait_for(answer, within)
    except TimeoutError:
        return False
    return True


CLIENTS = [
    pytest.param(by_websockets, "hang-120s", {}, id="websockets"),
    pytest.param(by_aiohttp, "hang-120s", {}, id="aiohttp"),
    pytest.param(by_httpx, "mock", {"path": "/health", "delay": "120s"}, id="httpx"),
]


@pytest.mark.parametrize(("client", "fault", "parameters"), CLIENTS)
def test_a_timeout_is_exact_on_both_sides(
    client: Callable[[Staging, float], Coroutine[object, object, bool]], fault: str, parameters: dict[str, str]
) -> None:
    for within in (BELOW, ABOVE):
        with staging(fault, **parameters) as running, running.virtual_time() as virtual:
            assert asyncio.run(client(running, within)) is (within > STALL)
            assert virtual.elapsed == pytest.approx(STALL, abs=STALL - BELOW + 0.001)
            assert running.proofs[0].fired


def test_it_is_entered_inside_a_running_loop_and_left_again() -> None:
    async def test(running: Staging) -> None:
        loop = asyncio.get_running_loop()
        async with connect(running.ws_url("/ws"), ping_interval=None) as connection:
            before = loop.time()
            with running.virtual_time():
                assert not await answered(first_of_agent(connection), STALL / 2)
            with running.virtual_time() as again:
                assert await answered(first_of_agent(connection), STALL / 2)
                assert 0 < again.elapsed < STALL / 2
            after = loop.time()
            assert STALL <= after - before < STALL + 60
            await asyncio.sleep(0.01)
            assert loop.time() - after < 60

    with staging("hang-120s") as running:
        asyncio.run(test(running))
        assert running.journal.received().count("agent_started") == 1


def test_clients_in_threads_share_one_time() -> None:
    def client(running: Staging, within: float) -> None:
        found[within] = asyncio.run(by_websockets(running, within))

    found: dict[float, bool] = {}
    with staging("hang-120s") as running, running.virtual_time():
        threads = [threading.Thread(target=client, args=(running, within)) for within in (30, BELOW, ABOVE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert found == {30: False, BELOW: False, ABOVE: True}


def test_a_file_number_that_another_loop_had_before_is_another_file() -> None:
    with staging("hang-120s") as running, running.virtual_time():
        with Path(os.devnull).open():  # takes a number, so that each of the next loop's is one that this one had
            assert asyncio.run(by_websockets(running, ABOVE))
        assert asyncio.run(by_websockets(running, ABOVE))


def test_time_stands_still_while_a_thread_works() -> None:
    async def test() -> None:
        assert await answered(asyncio.to_thread(time.sleep, 0.02), 0.01)
        assert await answered(anyio.to_thread.run_sync(time.sleep, 0.02), 0.01)
        assert await answered(asyncio.get_running_loop().getaddrinfo("localhost", 80), 0.000_001)

    with staging() as running, running.virtual_time() as virtual:
        asyncio.run(test())
        assert virtual.elapsed < 0.01


def test_nothing_under_way_is_lost_to_a_timeout() -> None:
    """Megabytes, in both directions, through a socket whose buffers are full: time waits for every byte."""

    size = 20_000_000

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(size))
        await writer.drain()
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server, asyncio.timeout(0.000_001):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(bytes(size))
            await reader.readexactly(size)
            writer.close()

    with staging() as running, running.virtual_time():
        asyncio.run(test())


# --- where it cannot be had ------------------------------------------------------------------------------------


def blocks(running: Staging) -> None:
    httpx.get(running.url(path="/health"), timeout=60)


def in_another_process(running: Staging) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: staging\r\n\r\n"
    address = "127.0.0.1", httpx.URL(running.url()).port
    probe = f"import socket; s = socket.create_connection({address}); s.sendall({request}); s.recv(1)"
    subprocess.run([sys.executable, "-ISc", probe], check=False, timeout=60, stderr=subprocess.DEVNULL)


def by_trio(running: Staging) -> None:
    async def client() -> None:
        stream = await trio.open_tcp_stream("127.0.0.1", httpx.URL(running.url()).port or 0)
        async with stream:
            await stream.send_all(b"GET /health HTTP/1.1\r\nHost: staging\r\n\r\n")
            await stream.receive_some()

    trio.run(client)


def starts_a_subprocess(running: Staging) -> None:
    async def client() -> None:
        await asyncio.create_subprocess_exec("true")

    asyncio.run(client())


def waits_for_another_server(running: Staging) -> None:
    async def client(port: int) -> None:
        async with httpx.AsyncClient(timeout=1000) as session:
            await session.get(f"http://127.0.0.1:{port}")

    with socket.create_server(("127.0.0.1", 0)) as server:
        asyncio.run(client(server.getsockname()[1]))


def blocks_its_loop(running: Staging) -> None:
    async def client() -> None:
        time.sleep(0.5)  # noqa: ASYNC251

    asyncio.run(client())


def runs_a_loop_made_before(running: Staging) -> None:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(by_httpx(running, 1000))


def waits_without_a_timeout(running: Staging) -> None:
    asyncio.run(asyncio.wait_for(asyncio.Event().wait(), None))


def waits_for_a_thread(running: Staging) -> None:
    asyncio.run(asyncio.to_thread(time.sleep, 0.5))


def polls_for_ever(running: Staging) -> None:
    async def client() -> None:
        while True:
            await asyncio.sleep(3600)

    asyncio.run(client())


REASONS = [
    (blocks, "the client at 127.0.0.1:* is on no event loop that takes part*"),
    (by_trio, "the client at 127.0.0.1:* is on no event loop that takes part*"),
    (runs_a_loop_made_before, "the client at 127.0.0.1:* is on no event loop that takes part*"),
    (in_another_process, "the client at 127.0.0.1:* is in another process, whose time cannot be moved"),
    (starts_a_subprocess, "a subprocess was started, whose time cannot be moved"),
    (waits_for_another_server, "a client is connected to 127.0.0.1:*, a server that runs elsewhere"),
    (blocks_its_loop, "an event loop is blocked in *test_virtual_time.py:*"),
    (waits_for_a_thread, "work in a thread, sleep, does not end, and time waits for it"),
    (waits_without_a_timeout, "nothing can happen any more: clients wait without a timeout"),
    (polls_for_ever, "86400 s have passed and a client still waits"),
]


@pytest.mark.parametrize(("client", "reason"), REASONS, ids=lambda value: getattr(value, "__name__", ""))
def test_it_says_why_time_cannot_be_moved(
    client: Callable[[Staging], None], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "FOREIGN", 0.1)
    patience = "0.3s" if client in (blocks_its_loop, waits_for_a_thread, waits_without_a_timeout) else "10s"
    with (
        staging("mock", path="/health", delay="120s") as running,
        pytest.raises(VirtualTimeError) as told,
        running.virtual_time(patience=patience),
    ):
        client(running)
    assert fnmatch(str(told.value), f"virtual time: {reason}")


def test_a_loop_that_was_running_outlives_the_reason() -> None:
    async def test(running: Staging) -> None:
        with pytest.raises(VirtualTimeError, match="60 s have passed"), running.virtual_time(limit="60s"):
            await asyncio.sleep(61)
        task = asyncio.current_task()
        assert task is not None and not task.cancelling()
        await asyncio.sleep(0.001)

    with staging() as running:
        asyncio.run(test(running))


class LoopWithATimeOfItsOwn(asyncio.SelectorEventLoop):
    """As looptime makes them; uvloop's has no selector either."""

    def time(self) -> float:
        return 0.0


def test_it_refuses_loops_that_it_cannot_move() -> None:
    async def inside(running: Staging) -> None:
        with running.virtual_time():
            raise AssertionError("entered")

    with staging() as running:
        with pytest.raises(VirtualTimeError, match="the time of a trio loop cannot be moved"):
            trio.run(inside, running)
        with (
            asyncio.Runner(loop_factory=LoopWithATimeOfItsOwn) as runner,
            pytest.raises(VirtualTimeError, match="LoopWithATimeOfItsOwn cannot be moved"),
        ):
            runner.run(inside(running))
        with running.virtual_time(), pytest.raises(VirtualTimeError, match="one at a time"):
            asyncio.run(inside(running))


def test_a_staging_that_does_not_run_is_told_and_keeps_nobody_else_from_it() -> None:
    with staging() as stopped:
        pass
    with pytest.raises(VirtualTimeError, match="does not run"), stopped.virtual_time():
        raise AssertionError("entered")
    with staging() as running, running.virtual_time():
        asyncio.run(asyncio.sleep(60))
