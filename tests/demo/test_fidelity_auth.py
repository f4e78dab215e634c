"""Fidelity of refusals: what the recording does not show of them, components.yaml says as the staging does it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import jwt
import pytest
from websockets.asyncio.client import connect

from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.core.units import SECOND
from simulator.demo.standin.tokens import SIGNING_KEY
from simulator.files.keys import auth_of
from simulator.files.locate import find_recording, shipped
from simulator.files.reader import load
from simulator.live.server import ReplayServer, ws_url
from tests.demo.wire import SCALE, Standin, bearer, mint, on_standin, read_until


def early() -> str:
    now = int(time.time())
    claims = {"sub": "x", "iss": "y", "jti": "z", "type": "access", "iat": now, "nbf": now + 600, "exp": now + 900}
    return jwt.encode(claims, SIGNING_KEY, algorithm="HS256")


SHOWN = {
    "missing": {},
    "malformed": bearer("no-token-at-all"),
    "wrong_signature": bearer(mint() + "x"),
    "not_yet_valid": bearer(early()),
    "expired": bearer(mint(seconds=-60)),
}


async def seen(origin: str, headers: dict[str, str]) -> dict[str, object]:
    """What a client sees that shows this: over HTTP, and on a WebSocket with the protocol and without."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{origin}/api/threads", headers=headers)
    return {
        "http": (answer.status_code, answer.json()),
        "plain": await _socket(origin, headers),
        "jwt-auth": await _socket(origin, headers, subprotocols=["jwt-auth"]),
    }


async def _socket(origin: str, headers: dict[str, str], **options: Any) -> object:
    began = time.time()
    async with connect(f"{ws_url(origin)}/ws", additional_headers=headers, **options) as socket:
        frame, close = await read_until(socket, "close")
        assert began - 1 < frame.pop("timestamp") < time.time() + 1
        return frame, close, socket.subprotocol


async def replayed(headers: dict[str, str]) -> dict[str, object]:
    script = compile_script(load(find_recording("golden-path")).recording)
    auth = auth_of("verify", "STANDIN_KEY")
    settings = Settings(wall=int(time.time()) * SECOND, speed=1 / SCALE, auth=auth)
    server = ReplayServer(script=script, rules=(), settings=settings)
    await server.start()
    try:
        return await seen(server.urls["backend"], headers)
    finally:
        await server.stop()


@pytest.mark.parametrize("state", SHOWN)
def test_a_token_is_refused_as_the_real_thing_refuses_it(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shipped())  # refusals are read from the component file here
    # tokens of the stand-in are signed with its key
    monkeypatch.setenv("STANDIN_KEY", SIGNING_KEY)

    async def check(standin: Standin) -> dict[str, object]:
        return await seen(standin.backend_url, SHOWN[state])

    real = on_standin(check)
    assert asyncio.run(replayed(SHOWN[state])) == real
