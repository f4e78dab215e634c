"""token: credentials that were good are refused, on HTTP and on WebSockets, wherever clients put them."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from simulator.core.events import Message, Request, Response
from simulator.core.recording import Recording
from simulator.core.rule import Rule, Selector, Trigger
from simulator.core.units import MILLISECOND, SECOND
from simulator.core.values.tokens import sign
from simulator.faults.token import TokenFault
from simulator.live.clock import ManualClock
from simulator.live.server import ReplayServer
from tests.conversations import DOWN, UP, UPGRADE, recording
from tests.faults.http.web import aio_client, fired, http_client, replaying, run, until

TOKEN = sign({"sub": "staging-e2e-user-001", "exp": 4_000_000_000})
BEARER = {"Authorization": f"Bearer {TOKEN}"}
STATES = {
    "expired": ("Token has expired", "TOKEN_EXPIRED"),
    "not_yet_valid": ("Token is not yet valid", "VALIDATION_FAILED"),
    "wrong_signature": ("Token signature is invalid", "VALIDATION_FAILED"),
    "revoked": ("Token has been revoked", "VALIDATION_FAILED"),
}
AT_ONCE = {"revoked": {"after_n": "0"}}
FILES = pytest.mark.parametrize("state", STATES)


def protected(*, refusal: Response | None = None) -> Recording:
    bearer = tuple(BEARER.items())
    events = [
        Request(flow="1", at=0, service="backend", method="GET", target="/health"),
        Response(flow="1", at=1, status=200, body=b'{"status": "healthy"}'),
        Request(flow="2", at=2, service="backend", method="GET", target="/api/threads", headers=bearer),
        Response(flow="2", at=3, status=200, body=b"[]"),
        Request(flow="3", at=4, service="backend", method="GET", target="/ws", headers=(*UPGRADE, *bearer)),
        Response(flow="3", at=5, status=101, headers=UPGRADE[1:]),
        Message(flow="3", at=6, direction=DOWN, data='{"type": "welcome"}'),
        Message(flow="3", at=7, direction=UP, data='{"type": "start_agent"}'),
        Message(flow="3", at=8, direction=DOWN, data='{"type": "agent_started"}'),
    ]
    if refusal is not None:
        stale = (("Authorization", "Bearer stale-token-of-then"),)
        events.append(
            Request(flow="4", at=9, service="backend", method="GET", target="/api/profile", headers=stale)
        )
        events.append(refusal)
    return recording(*events)


def ws(server: ReplayServer) -> str:
    return server.url.replace("http", "ws", 1) + "/ws"


@FILES
def test_http_requests_with_a_token_are_refused(state: str) -> None:
    async def talk() -> None:
        name = f"token-{state.replace('_', '-')}"
        async with replaying(name, played=protected(), **AT_ONCE.get(state, {})) as server:
            async with http_client(server) as client:
                seen = await client.get("/api/threads", headers=BEARER)
                assert (seen.status_code, seen.json()) == (401, {"detail": STATES[state][0]})
                challenge = f'Bearer error="invalid_token", error_description="{STATES[state][0]}"'
                assert seen.headers["WWW-Authenticate"] == challenge
                assert (await client.get("/health")).status_code == 200
            async with aio_client(server) as session, session.get(f"/api/threads?token={TOKEN}") as answer:
                assert (answer.status, await answer.json()) == (401, {"detail": STATES[state][0]})
            assert fired(server) == [2], "a request without a token is none of its business"

    run(talk)


@FILES
def test_a_websocket_is_opened_told_why_and_closed(state: str) -> None:
    """As the first users' staging does it: the frame, and a moment later the close."""

    async def talk() -> None:
        name = f"token-{state.replace('_', '-')}"
        clock = ManualClock()
        async with replaying(name, played=protected(), clock=clock, **AT_ONCE.get(state, {})) as server:
            async with aio_client(server) as session, session.ws_connect("/ws", headers=BEARER) as socket:
                frame = await socket.receive_json()
                assert (frame["type"], frame["error_code"]) == ("error_message", STATES[state][1])
                assert frame["timestamp"] == server.clock.wall / SECOND
                await socket.send_str('{"type": "start_agent"}')
                server.pump.advance(100 * MILLISECOND - 1)
                waiting = asyncio.ensure_future(socket.receive())
                await until(lambda: any(event.kind == "message" for event in upstream(server)))
                assert not waiting.done()
                server.pump.advance(1)
                closed = await waiting
                assert (closed.type, closed.data, closed.extra) == (
                    aiohttp.WSMsgType.CLOSE,
                    1008,
                    "SSOT Auth failed",
                )
            assert fired(server) == [1]
            assert not server.session.journal.notes("missed")

    run(talk)


def upstream(server: ReplayServer) -> list[object]:
    return [event for event in server.session.journal.events if event.direction is UP]


def test_a_token_in_a_subprotocol_is_refused_as_well() -> None:
    async def talk() -> None:
        wrapped = base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
        headers = {"Sec-WebSocket-Protocol": f"jwt.{wrapped}"}
        async with replaying("token-expired", played=protected()) as server:
            async with connect(ws(server), additional_headers=headers) as socket:
                assert json.loads(await socket.recv())["error_code"] == "TOKEN_EXPIRED"
                with pytest.raises(ConnectionClosed) as closed:
                    await socket.recv()
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "SSOT Auth failed")
            async with connect(ws(server)) as socket:
                assert json.loads(await socket.recv())["type"] == "welcome"

    run(talk)


def test_an_upgrade_can_be_refused_with_a_status() -> None:
    async def talk() -> None:
        fault = TokenFault(state="revoked", status=403, json={"detail": "Forbidden"})
        async with replaying(fault, played=protected()) as server:
            with pytest.raises(InvalidStatus) as refused:
                async with connect(ws(server), additional_headers=BEARER):
                    pass
            assert refused.value.response.status_code == 403
            assert json.loads(refused.value.response.body or b"") == {"detail": "Forbidden"}
            with pytest.raises(aiohttp.WSServerHandshakeError) as shaken:
                async with aio_client(server) as session:
                    await session.ws_connect("/ws", headers=BEARER)
            assert shaken.value.status == 403
            assert "WWW-Authenticate" not in (shaken.value.headers or {})

    run(talk)


def test_a_token_is_revoked_in_the_middle_of_a_run() -> None:
    async def talk() -> None:
        played = protected()
        async with (
            replaying("token-revoked", played=played, clock=ManualClock(), after="10s") as server,
            http_client(server) as client,
        ):
            for wait, status in ((0, 200), (0, 200), (10 * SECOND - 1, 200), (1, 401)):
                server.pump.advance(wait)
                assert (await client.get("/api/threads", headers=BEARER)).status_code == status
        async with replaying("token-revoked", played=played) as server, http_client(server) as client:
            seen = [(await client.get("/api/threads", headers=BEARER)).status_code for _ in range(3)]
            assert seen == [200, 401, 401]

    run(talk)


def test_only_the_tokens_of_one_user_are_refused() -> None:
    async def talk() -> None:
        fault = TokenFault(state="revoked", claims={"sub": "staging-e2e-user-001"})
        other = {"Authorization": f"Bearer {sign({'sub': 'staging-e2e-user-002'})}"}
        opaque = {"Authorization": "Bearer no-jwt-at-all-1234"}
        async with replaying(fault, played=protected()) as server, http_client(server) as client:
            seen = [(await client.get("/api/threads", headers=headers)).status_code for headers in (BEARER, other)]
            assert seen == [401, 200]
            assert (await client.get("/api/threads", headers=opaque)).status_code == 200
            assert fired(server) == [1]

    run(talk)


def test_cookies_that_are_no_tokens_are_none() -> None:
    async def talk() -> None:
        async with replaying(TokenFault(), played=protected()) as server, http_client(server) as client:
            assert (await client.get("/health", headers={"Cookie": "theme=dark-1; id=42"})).status_code == 200
            assert (await client.get("/health", headers={"Cookie": f"theme=dark; t={TOKEN}"})).status_code == 401

    run(talk)


def test_the_recording_says_how_a_token_is_refused() -> None:
    refusal = Response(
        flow="4",
        at=10,
        status=403,
        reason="Forbidden",
        headers=(("Content-Type", "application/json"), ("X-Recorded", "yes"), ("Content-Length", "27")),
        body=b'{"detail": "Token is stale"',
    )

    async def talk() -> None:
        played = protected(refusal=refusal)
        async with replaying(TokenFault(), played=played) as server, http_client(server) as client:
            for path in ("/api/threads", "/api/profile"):
                seen = await client.get(path, headers=BEARER)
                assert (seen.status_code, seen.content, seen.headers["X-Recorded"]) == (403, refusal.body, "yes")
        told = TokenFault(body="no", headers={"WWW-Authenticate": "Basic"})
        async with replaying(told, played=played) as server, http_client(server) as client:
            seen = await client.get("/api/threads", headers=BEARER)
            assert (seen.status_code, seen.text, seen.headers["WWW-Authenticate"]) == (401, "no", "Basic")

    run(talk)


def test_a_path_can_be_spared() -> None:
    async def talk() -> None:
        rule = Rule(name="api", fault=TokenFault(), select=Selector(path="/api/*"), when=Trigger(times=1))
        async with replaying(rule, played=protected()) as server, http_client(server) as client:
            paths = ("/health", "/api/threads", "/api/threads")
            seen = [(await client.get(path, headers=BEARER)).status_code for path in paths]
            assert seen == [200, 401, 200]

    run(talk)


def test_the_component_file_says_how_a_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "components.yaml").write_text(
        "components: {signing_key: {title: The key that tokens are checked with}}\n"
        "effects:\n"
        "  - without: [signing_key]\n"
        "    rules:\n"
        "      - {fault: token, state: wrong_signature, status: 403, json: {detail: Could not validate}}\n"
    )
    fault = tmp_path / "no-key.yaml"
    fault.write_text("title: There is no key to check tokens with\nmissing: signing_key\n")

    async def talk() -> None:
        async with replaying(str(fault), played=protected()) as server, http_client(server) as client:
            seen = await client.get("/api/threads", headers=BEARER)
            assert (seen.status_code, seen.json()) == (403, {"detail": "Could not validate"})

    run(talk)
