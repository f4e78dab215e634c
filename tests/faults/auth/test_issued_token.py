"""issued-token: a client that checks the tokens it is given notices what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from websockets.asyncio.client import connect

from simulator.core.events import Message, Request, Response
from simulator.core.recording import Recording
from simulator.core.units import SECOND
from simulator.core.values.tokens import OTHER_KEY, SIMULATOR_KEY, sign
from simulator.faults.issued_token import IssuedTokenFault
from tests.conversations import CREATED, DOWN, UPGRADE, recording
from tests.faults.http.web import aio_client, fired, http_client, replaying, run

NOW = CREATED // SECOND
CLAIMS = {"sub": "e2e-user-001", "iat": NOW, "exp": NOW + 900, "iss": "auth-service", "jti": "7f1e3dad99908345"}
ACCESS, REFRESH = sign(CLAIMS), sign({**CLAIMS, "exp": NOW + 7 * 24 * 3600, "type": "refresh"})
JSON = (("Content-Type", "application/json"),)
WRONG = {
    "expired": jwt.ExpiredSignatureError,
    "not_yet_valid": jwt.ImmatureSignatureError,
    "wrong_signature": jwt.InvalidSignatureError,
}
FILES = pytest.mark.parametrize("state", WRONG)


def login() -> Recording:
    answer = {
        "access_token": ACCESS,
        "nested": [{"header": f"Bearer {REFRESH}"}],
        "token_type": "Bearer",
        "session": "session_8f14e45fceea",
    }
    return recording(
        Request(flow="1", at=0, service="auth", method="POST", target="/login"),
        Response(flow="1", at=1, status=200, headers=JSON, body=json.dumps(answer).encode()),
        Request(flow="2", at=2, service="auth", method="GET", target="/health"),
        Response(flow="2", at=3, status=200, headers=JSON, body=b'{"status": "healthy"}'),
        Request(flow="3", at=4, service="auth", method="GET", target=f"/ws?token={ACCESS}", headers=UPGRADE),
        Response(flow="3", at=5, status=101, headers=UPGRADE[1:]),
        Message(
            flow="3", at=6, direction=DOWN, data=json.dumps({"type": "hi", "session": "session_8f14e45fceea"})
        ),
        services=(),
    )


def checked(token: str, key: str = SIMULATOR_KEY) -> dict[str, Any]:
    """What a careful client does with a token: the claims, or an error that says what is wrong."""
    return dict(jwt.decode(token, key, algorithms=["HS256"]))


def test_without_a_fault_a_careful_client_has_nothing_to_say() -> None:
    async def talk() -> None:
        async with replaying(played=login()) as server, http_client(server) as client:
            answer = (await client.post("/login")).json()
            assert checked(answer["access_token"])["sub"] == "e2e-user-001"

    run(talk)


@FILES
def test_a_careful_client_notices(state: str) -> None:
    async def talk() -> None:
        name = f"issued-token-{state.replace('_', '-')}"
        async with replaying(name, played=login()) as server:
            async with http_client(server) as client:
                answer = (await client.post("/login")).json()
                assert (await client.get("/health")).json() == {"status": "healthy"}
            async with aio_client(server) as session, session.post("/login") as response:
                answers = [answer, await response.json()]
            for seen in answers:
                assert seen["token_type"] == "Bearer"
                kind, _, refresh = seen["nested"][0]["header"].partition(" ")
                assert kind == "Bearer"
                for token in (seen["access_token"], refresh):
                    with pytest.raises(WRONG[state]):
                        checked(token)
            assert fired(server) == [2], "an answer without a token is none of its business"

    run(talk)


@FILES
def test_only_what_is_to_be_wrong_is(state: str) -> None:
    async def talk() -> None:
        async with replaying(IssuedTokenFault(state=state), played=login()) as server:
            async with http_client(server) as client:
                answer = (await client.post("/login")).json()
            options = {"verify_signature": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
            claims = jwt.decode(answer["access_token"], options=options)
            assert (claims["sub"], claims["iss"]) == ("e2e-user-001", "auth-service")
            assert claims["exp"] - claims["iat"] == 900, "dates keep their distance"
            if state == "wrong_signature":
                assert checked(answer["access_token"], OTHER_KEY) == claims
            else:
                jwt.decode(
                    answer["access_token"],
                    SIMULATOR_KEY,
                    algorithms=["HS256"],
                    options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
                )

    run(talk)


@FILES
def test_whoever_shows_a_wrong_token_is_still_the_client_that_was_given_it(state: str) -> None:
    async def talk() -> None:
        async with replaying(IssuedTokenFault(state=state), played=login()) as server:
            sessions = set()
            for _ in range(2):
                async with http_client(server) as client:
                    mine = (await client.post("/login")).json()
                url = server.url.replace("http", "ws", 1) + f"/ws?token={mine['access_token']}"
                async with connect(url) as socket:
                    assert json.loads(await socket.recv())["session"] == mine["session"]
                sessions.add(mine["session"])
            assert len(sessions) == 2

    run(talk)
