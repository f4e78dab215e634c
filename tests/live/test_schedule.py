"""A fault file's sequence on real sockets, its time in our hands."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from simulator.core.proof import proofs
from simulator.core.recording import Recording
from simulator.core.script import compile_script
from simulator.core.units import SECOND
from simulator.files.faultfiles import load_fault
from simulator.live.clock import ManualClock
from simulator.live.server import ReplayServer, ws_url
from tests.core.playing import down, socket

WELL, ILL = 10, 5
FILE = f"""
title: An outage
sequence:
  - healthy: {WELL}s
  - for: {ILL}s
    all-of: [refuse, {{stall: {{nth: 1, for: 1h}}}}]
"""


def ticking() -> Recording:
    """A WebSocket on which a tick comes every second."""
    return socket(*(down(1000 * second, type="tick", second=second) for second in range(1, 31)))


async def ticks(connection: ClientConnection, count: int) -> list[int]:
    return [json.loads(await connection.recv())["second"] for _ in range(count)]


async def opened(server: ReplayServer) -> ClientConnection:
    """A new WebSocket; a second passes."""
    there = len(server.session.live)
    opening = asyncio.create_task(connect(ws_url(server.url) + "/ws").__aenter__())
    while len(server.session.live) == there:
        await asyncio.sleep(0)
    server.pump.advance(SECOND)
    return await opening


def test_healthy_then_broken_then_healed(tmp_path: Path) -> None:
    (tmp_path / "outage.yaml").write_text(FILE)
    rules = load_fault(str(tmp_path / "outage.yaml")).rules

    async def talk() -> list[int]:
        server = ReplayServer(script=compile_script(ticking()), rules=rules, clock=ManualClock())
        await server.start()
        try:
            return await asyncio.wait_for(watch(server), 20)
        finally:
            await server.stop()

    async def watch(server: ReplayServer) -> list[int]:
        server.pump.advance(3600 * SECOND)  # until somebody comes, the sequence does not begin
        connection = await opened(server)
        server.pump.advance((WELL - 1) * SECOND)
        seen = await ticks(connection, WELL - 1)
        server.pump.advance((ILL - 2) * SECOND)
        with pytest.raises(websockets.InvalidStatus, match="403"):
            await opened(server)
        server.pump.advance(SECOND)
        seen += await ticks(connection, ILL + 1)
        await (await opened(server)).close()
        assert [proof.exercised for proof in proofs(server.session)] == [True, True]
        await connection.close()
        return seen

    assert asyncio.run(talk()) == [*range(1, WELL + ILL + 1)]
