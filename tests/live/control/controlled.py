"""A replay under control, for tests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from websockets.asyncio.client import ClientConnection, connect

from simulator.core.recording import Recording
from simulator.core.rule import Rule
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.live.clock import Clock, RealClock
from simulator.live.control.server import ControlServer
from simulator.live.server import ReplayServer, ws_url
from tests.conversations import agent_run

FAST = Settings(speed=50)
STARTED = {"direction": "upstream", "json": {"$.type": "start_agent"}}


@dataclass
class Controlled:
    """The replay, its control server, and a client that has the token."""

    server: ReplayServer
    control: ControlServer
    client: httpx.AsyncClient

    async def ask(self, method: str, path: str, body: object = None, status: int = 200) -> dict[str, object]:
        """What an operation answers; a JSON object, whatever its status."""
        response = await self.client.request(method, path, **({} if body is None else {"json": body}))
        assert response.status_code == status, response.text
        answer = response.json()
        assert isinstance(answer, dict)
        return answer

    async def rule(self, name: str) -> dict[str, object]:
        """The last rule of this name."""
        rules = (await self.ask("GET", "/v1/rules"))["rules"]
        assert isinstance(rules, list)
        return next(rule for rule in reversed(rules) if rule["name"] == name)

    def socket(self, path: str = "/ws") -> connect:
        return connect(ws_url(self.server.url) + path)


@asynccontextmanager
async def controlled(
    *rules: Rule, played: Recording | None = None, settings: Settings = FAST, clock: Clock | None = None
) -> AsyncIterator[Controlled]:
    script = compile_script(played or agent_run())
    server = ReplayServer(script=script, rules=rules, settings=settings, clock=clock or RealClock())
    await server.start()
    control = ControlServer(server)
    await control.start()
    try:
        headers = {"Authorization": f"Bearer {control.token}"}
        async with httpx.AsyncClient(base_url=control.origin, headers=headers, trust_env=False) as client:
            yield Controlled(server, control, client)
    finally:
        await control.stop()
        await server.stop()


def start_agent(thread: str = "thread_of_mine_1") -> str:
    return json.dumps({"type": "start_agent", "thread_id": thread, "payload": {"user_request": "Hello"}})


async def received(connection: ClientConnection, count: int) -> list[str]:
    """The types of the next messages."""
    return [json.loads(await connection.recv())["type"] for _ in range(count)]


GREETING = ["system_message", "ping"]
RUN = ["agent_started", "agent_thinking", "agent_completed"]
