"""Auth over real sockets: clients that other people wrote show tokens in every way that the first users do."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import httpx
import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from simulator.core.auth import Auth, AuthMode
from simulator.core.events import Request, Response
from simulator.core.recording import Recording
from simulator.core.refusals import Answer, Hangup, Refusal
from simulator.core.rule import Selector
from simulator.core.settings import Settings
from simulator.core.units import MILLISECOND
from simulator.core.values.tokens import SIMULATOR_KEY, sign
from simulator.live.server import ReplayServer
from tests.conversations import CREATED, DOWN, UPGRADE, recording, text
from tests.live.test_replay import replaying, ws

SECRET = "what-the-suite-mints-its-tokens-with"
CLAIMS = {"sub": "alice", "iat": CREATED // 10**6, "exp": CREATED // 10**6 + 900, "jti": "0b8f3c52-7d0e"}
TOKEN = sign(CLAIMS)


def protected() -> Recording:
    bearer = (("Authorization", f"Bearer {TOKEN}"),)
    login = f'{{"access_token": "{TOKEN}"}}'.encode()
    return recording(
        Request(flow="1", at=0, service="backend", method="POST", target="/login"),
        Response(flow="1", at=1, status=200, body=login),
        Request(flow="2", at=2, service="backend", method="GET", target="/me", headers=bearer),
        Response(flow="2", at=3, status=200, body=b'{"name": "Alice"}'),
        Request(flow="3", at=4, service="backend", method="GET", target=f"/ws?token={TOKEN}", headers=UPGRADE),
        Response(flow="3", at=5, status=101),
        text("3", 1, DOWN, type="welcome"),
    )


def wrapped(token: str) -> str:
    return f"jwt.{base64.urlsafe_b64encode(token.encode()).decode().rstrip('=')}"


def minted(key: str = SECRET, ends: int = 900) -> str:
    return jwt.encode({"sub": "bob", "exp": int(time.time()) + ends}, key, "HS256")


@asynccontextmanager
async def guarded(
    mode: AuthMode = AuthMode.VERIFY, *refusals: Refusal
) -> AsyncIterator[tuple[ReplayServer, httpx.AsyncClient]]:
    keys = (SECRET,) if mode is AuthMode.VERIFY else ()
    async with (
        replaying(protected(), settings=Settings(auth=Auth(mode=mode, keys=keys, refusals=refusals))) as server,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        yield server, client


async def opens(url: str, **fields: str) -> object:
    """The first message of a WebSocket, or the status by which it is refused."""
    headers = [(name.replace("_", "-"), value) for name, value in fields.items()]
    try:
        async with connect(url, additional_headers=headers) as connection:
            return await connection.recv()
    except InvalidStatus as refused:
        return refused.response.status_code


WELCOME = '{"type": "welcome"}'


def test_the_tokens_that_are_issued_are_real_and_let_in() -> None:
    async def talk() -> None:
        async with guarded() as (server, client):
            token = (await client.post("/login")).json()["access_token"]
            claims = jwt.decode(token, SIMULATOR_KEY, algorithms=["HS256"])  # PyJWT looks at the dates itself
            assert (claims["sub"], claims["exp"] - claims["iat"]) == ("alice", 900)
            assert claims["jti"] != CLAIMS["jti"]
            for good in token, minted():
                assert (await client.get("/me", headers={"Authorization": f"Bearer {good}"})).status_code == 200
                assert await opens(ws(server), Authorization=f"Bearer {good}") == WELCOME
                assert await opens(ws(server, f"/ws?token={good}")) == WELCOME
                assert await opens(ws(server), Sec_WebSocket_Protocol=wrapped(good)) == WELCOME

    asyncio.run(talk())


@pytest.mark.parametrize(
    "bad",
    ["", "gibberish", minted(ends=-1), minted("another-key" * 4)],
    ids=["missing", "malformed", "expired", "wrong key"],
)
def test_other_tokens_are_refused_everywhere(bad: str) -> None:
    async def talk() -> None:
        async with guarded() as (server, _), aiohttp.ClientSession(server.url) as client:
            headers = {"Authorization": f"Bearer {bad}"} if bad else {}
            async with client.get("/me", headers=headers) as answer:
                assert (answer.status, list(await answer.json())) == (401, ["detail"])
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert await opens(ws(server), **headers) == 403
            assert await opens(ws(server, f"/ws?token={bad}" if bad else "/ws")) == 403
            if bad:
                assert await opens(ws(server), Sec_WebSocket_Protocol=wrapped(bad)) == 403

    asyncio.run(talk())


BAD = {
    "missing": {},
    "malformed": {"Authorization": "Bearer gibberish"},
    "expired": {"Authorization": f"Bearer {minted(ends=-1)}"},
    "wrong_signature": {"Authorization": f"Bearer {minted('another-key' * 4)}"},
}


@pytest.mark.parametrize("state", BAD)
def test_a_token_is_refused_as_somebody_says(state: str) -> None:
    """Before the WebSocket opens, or right after; and the connection is over then, without a wait."""
    frame = {"type": "denied", "timestamp": None}
    early, late = Answer(status=401), Hangup(code=4401, reason="Who are you?", frame=frame)
    only, teapot = frozenset({state}), Answer(status=418, body=b"no", headers=(("X-Why", state),))

    async def closes(url: str, **headers: str) -> None:
        async with connect(url, additional_headers=headers) as connection:
            assert list(json.loads(await connection.recv())) == ["type", "timestamp"]
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "Who are you?")
        async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers) as other:
            assert [(await other.receive()).type for _ in range(2)] == [
                aiohttp.WSMsgType.TEXT,
                aiohttp.WSMsgType.CLOSE,
            ]
            assert other.close_code == 4401

    async def talk() -> None:
        refusals = (
            Refusal(states=only, select=Selector(path="/w*"), websocket=late),
            Refusal(states=only, http=teapot, websocket=early),
        )
        async with guarded(AuthMode.VERIFY, *refusals) as (server, client):
            answer = await client.get("/me", headers=BAD[state])
            assert (answer.status_code, answer.text, answer.headers["X-Why"]) == (418, "no", state)
            async with asyncio.timeout(5):
                await closes(ws(server), **BAD[state])
            good = {"Authorization": f"Bearer {minted()}"}
            assert (await client.get("/me", headers=good)).status_code == 200
            assert await opens(ws(server), **good) == WELCOME
        async with guarded(AuthMode.VERIFY, *refusals[1:]) as (server, _):
            assert await opens(ws(server), **BAD[state]) == 401

    asyncio.run(talk())


@pytest.mark.parametrize("says", ["close", "ping", "nothing"])
def test_a_client_that_speaks_before_it_is_sent_away_is_sent_away(says: str) -> None:
    """Whatever it sends meanwhile, and if it closes first, it is not left waiting."""

    async def talk() -> None:
        late = Refusal(websocket=Hangup(code=1008, delay=200 * MILLISECOND))
        async with guarded(AuthMode.VERIFY, late) as (server, _), asyncio.timeout(5):
            connection = await connect(ws(server))
            if says == "ping":
                await connection.ping()
                await connection.send("{}")
            elif says == "close":
                await connection.close()
            await connection.wait_closed()
            assert connection.close_code == 1008

    asyncio.run(talk())


def test_off_lets_in_whoever_comes() -> None:
    async def talk() -> None:
        async with guarded(AuthMode.OFF) as (server, client):
            assert (await client.get("/me")).json() == {"name": "Alice"}
            assert await opens(ws(server)) == WELCOME
            assert await opens(ws(server, "/ws?token=x")) == WELCOME
            assert await opens(ws(server), Authorization="Bearer x") == WELCOME

    asyncio.run(talk())
