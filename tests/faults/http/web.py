"""A small web service to break, and clients that other people wrote to look at it."""

from __future__ import annotations

import asyncio
import json
import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import httpx

from simulator.core.events import Chunk, End, Event, Headers, Request, Response
from simulator.core.fault import Fault
from simulator.core.recording import Recording
from simulator.core.rule import Rule
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.core.units import MILLISECOND, SECOND
from simulator.files.faultfiles import load_fault
from simulator.live.clock import ManualClock
from simulator.live.server import ReplayServer
from tests.conversations import recording

BODY = bytes(range(32, 127)) * 2
"""What GET /items answers."""
SSE = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"))
STREAM = (b"event: stream_connected\ndata: {}\n\n", b"event: sample\ndata: {}\n\n")
"""What GET /stream answers, in pieces."""
AGENT = {"status": "success", "agent": "triage", "response": "Your largest cost is storage", "execution_time": 2.5}
PATIENCE = 20
"""Seconds that nothing here takes: what does hangs."""
TRUNCATED = "peer closed connection without sending complete message body"


def site() -> Recording:
    return recording(
        *exchange(1, "GET", "/health", b'{"status": "healthy"}'),
        *exchange(2, "GET", "/health/ready", b'{"status": "ready"}'),
        *exchange(3, "GET", "/items", BODY, (("Content-Type", "text/plain"), ("X-Recorded", "yes"))),
        *exchange(4, "POST", "/api/agents/execute", json.dumps(AGENT).encode()),
        *exchange(5, "HEAD", "/items", b"", (("Content-Length", str(len(BODY))),)),
        *exchange(6, "DELETE", "/items", b"", status=204),
        *exchange(7, "GET", "/empty", b""),
        *streamed(8, "/stream", *STREAM),
    )


def exchange(
    number: int, method: str, target: str, body: bytes, headers: Headers = (), status: int = 200
) -> list[Event]:
    flow, at = str(number), number * SECOND
    if not headers and body:
        headers = (("Content-Type", "application/json"),)
    if body:
        headers = (*headers, ("Content-Length", str(len(body))))
    return [
        Request(flow=flow, at=at, service="backend", method=method, target=target),
        Response(flow=flow, at=at + 300 * MILLISECOND, status=status, reason="OK", headers=headers, body=body),
    ]


def streamed(number: int, target: str, *pieces: bytes) -> list[Event]:
    flow, at = str(number), number * SECOND
    return [
        Request(flow=flow, at=at, service="backend", method="GET", target=target),
        Response(flow=flow, at=at + 10, status=200, reason="OK", headers=SSE, streaming=True),
        *(Chunk(flow=flow, at=at + 20 + index, data=piece) for index, piece in enumerate(pieces)),
        End(flow=flow, at=at + 900),
    ]


@asynccontextmanager
async def replaying(
    *faults: str | Rule | Fault,
    played: Recording | None = None,
    clock: ManualClock | None = None,
    speed: float = math.inf,
    **params: str,
) -> AsyncIterator[ReplayServer]:
    """The site with faults: files by name, with parameters; rules; or bare faults."""
    rules: list[Rule] = []
    for fault in faults:
        match fault:
            case str():
                rules += load_fault(fault, params).rules
            case Rule():
                rules.append(fault)
            case _:
                rules.append(Rule(name=fault.name, fault=fault))
    server = ReplayServer(
        script=compile_script(site() if played is None else played), rules=rules, settings=Settings(speed=speed)
    )
    if clock is not None:
        server.clock = clock
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def run(talk: Callable[[], object]) -> None:
    """Run a conversation to its end, which comes long before its time is up."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE):
            await talk()  # type: ignore[misc]

    asyncio.run(bounded())


def http_client(server: ReplayServer) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, timeout=PATIENCE, trust_env=False)


def aio_client(server: ReplayServer) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(base_url=server.url, timeout=aiohttp.ClientTimeout(total=PATIENCE))


async def raw(server: ReplayServer, path: str = "/items", method: str = "GET") -> tuple[bytes, str]:
    """Every byte that a plain socket gets, and how it ended: 'fin' or 'rst'."""
    return await asyncio.to_thread(_raw, server.url, path, method)


def _raw(url: str, path: str, method: str) -> tuple[bytes, str]:
    host, port = url.removeprefix("http://").split(":")
    got = b""
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as sock:
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: staging\r\nConnection: close\r\n\r\n".encode())
        try:
            while data := sock.recv(65536):
                got += data
        except ConnectionResetError:
            return got, "rst"
    return got, "fin"


async def until(true: Callable[[], object]) -> None:
    """Let the loop turn until something holds."""
    while not true():
        await asyncio.sleep(0)


def fired(server: ReplayServer) -> list[int]:
    return [stage.fired for stage in server.session.stages]
