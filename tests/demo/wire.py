"""Short words for talking to the stand-in over real sockets, with no waiting but for scaled delays."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from simulator.demo.standin import Standin, running
from simulator.demo.standin.ids import IdMint
from simulator.demo.standin.tokens import Tokens, User

T = TypeVar("T")

SCALE = 0.02
NEVER = 100_000.0
WELCOME = ["handshake_validation", "system_message", "ping"]
EVENTS = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"]
ASK = {"type": "start_agent", "payload": {"user_request": "Where does the money go"}, "thread_id": "thread-7"}
PING = {"type": "ping"}
USER = User("e2e-someone", "someone@example.com", ("read",))


def on_standin(check: Callable[[Standin], Awaitable[T]], **options: Any) -> T:
    """The result of `check` on a stand-in whose heartbeat does not get in the way."""

    async def main() -> T:
        async with running(**{"scale": SCALE, "heartbeat_interval": NEVER, **options}) as standin:
            return await check(standin)

    return asyncio.run(main())


def fetch(path: str, *, service: str = "backend", method: str = "GET", **options: Any) -> httpx.Response:
    """The answer of a fresh stand-in to one request."""
    request = {name: options.pop(name) for name in ("headers", "json", "content") if name in options}

    async def check(standin: Standin) -> httpx.Response:
        async with httpx.AsyncClient() as http:
            return await http.request(method, getattr(standin, f"{service}_url") + path, **request)

    return on_standin(check, **options)


def mint(**options: Any) -> str:
    return Tokens(IdMint()).mint(USER, **options)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def read_until(socket: ClientConnection, last: str) -> list[dict[str, Any]]:
    """The frames up to and with the first of type `last`; or all of them, if the server closes first."""
    frames: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(10):
            while not frames or frames[-1]["type"] != last:
                frames.append(json.loads(await socket.recv()))
    except ConnectionClosed as closed:
        frames.append({"type": "close", "close": closed.rcvd})
    return frames


def says(messages: Sequence[object], last: str, **options: Any) -> list[dict[str, Any]]:
    """What the stand-in says after its welcome to a client who sends these messages."""

    async def check(standin: Standin) -> list[dict[str, Any]]:
        async with connect(standin.ws_url, additional_headers=bearer(mint())) as socket:
            assert types(await read_until(socket, "ping")) == WELCOME
            for message in messages:
                await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
            return await read_until(socket, last)

    return on_standin(check, **options)


def types(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames]


def enter(headers: dict[str, str], query: str = "", **options: Any) -> tuple[list[dict[str, Any]], str | None]:
    """The frames up to the first ping or the close, and the subprotocol chosen."""

    async def check(standin: Standin) -> tuple[list[dict[str, Any]], str | None]:
        async with connect(standin.ws_url + query, additional_headers=headers, **options) as socket:
            return await read_until(socket, "ping"), socket.subprotocol

    return on_standin(check)
