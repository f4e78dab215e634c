"""The replay server over real sockets, with clients that other people wrote."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from simulator.core.errors import StagesimError
from simulator.core.events import Chunk, End, Message, Request, Reset, Response
from simulator.core.matching.compare import NearMiss
from simulator.core.recording import Recording, Service
from simulator.core.rule import Condition, Rule, Selector, Trigger
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.core.units import MILLISECOND, SECOND, duration
from simulator.faults.close import CloseFault
from simulator.faults.reset import ResetFault
from simulator.faults.stall import StallFault
from simulator.faults.status import RefuseFault, StatusFault
from simulator.live.clock import ManualClock
from simulator.live.server import Listen, ReplayServer
from tests.conversations import DOWN, THREAD, UP, UPGRADE, agent_run, recording, text

FAST = Settings(speed=50)


@asynccontextmanager
async def replaying(
    played: Recording, *rules: Rule, settings: Settings = FAST, clock: ManualClock | None = None
) -> AsyncIterator[ReplayServer]:
    server = ReplayServer(script=compile_script(played), rules=rules, settings=settings)
    if clock is not None:
        server.clock = clock
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def ws(server: ReplayServer, path: str = "/ws") -> str:
    return server.url.replace("http", "ws", 1) + path


async def received(connection: ClientConnection, count: int) -> list[dict[str, object]]:
    return [json.loads(await connection.recv()) for _ in range(count)]


def start_agent(thread: str) -> str:
    return json.dumps({"type": "start_agent", "thread_id": thread, "payload": {"user_request": "Hello"}})


def types(messages: Iterable[dict[str, object]]) -> list[object]:
    return [message["type"] for message in messages]


def test_a_client_gets_the_conversation_with_its_own_ids() -> None:
    async def talk() -> None:
        async with replaying(agent_run()) as server, connect(ws(server)) as connection:
            assert types(await received(connection, 2)) == ["system_message", "ping"]
            await connection.send(start_agent("thread_of_mine_1"))
            events = await received(connection, 3)
            assert types(events) == ["agent_started", "agent_thinking", "agent_completed"]
            assert {event["data"]["thread_id"] for event in events} == {"thread_of_mine_1"}  # type: ignore[index]
            runs = {event["data"]["run_id"] for event in events}  # type: ignore[index]
            assert len(runs) == 1
            assert runs != {"run_start_agent_1_ab12cd34"}

    asyncio.run(talk())


def test_clients_at_the_same_time_get_ids_of_their_own() -> None:
    async def one(server: ReplayServer, number: int) -> tuple[str, str]:
        async with connect(ws(server)) as connection:
            await received(connection, 2)
            await connection.send(start_agent(f"thread_{number}_xyz"))
            events = await received(connection, 3)
            threads = {event["data"]["thread_id"] for event in events}  # type: ignore[index]
            runs = {event["data"]["run_id"] for event in events}  # type: ignore[index]
            assert threads == {f"thread_{number}_xyz"}
            assert len(runs) == 1
            return threads.pop(), runs.pop()

    async def talk() -> None:
        async with replaying(agent_run()) as server:
            seen = await asyncio.gather(*(one(server, number) for number in range(20)))
            assert len({run for _, run in seen}) == 20

    asyncio.run(talk())


def test_aiohttp_sees_the_same_conversation() -> None:
    async def talk() -> None:
        async with (
            replaying(agent_run()) as server,
            aiohttp.ClientSession() as session,
            session.ws_connect(ws(server)) as connection,
        ):
            assert (await connection.receive_json())["type"] == "system_message"
            assert (await connection.receive_json())["type"] == "ping"
            await connection.send_str(start_agent("t_aiohttp_1"))
            assert (await connection.receive_json())["data"]["thread_id"] == "t_aiohttp_1"

    asyncio.run(talk())


def test_what_is_not_recorded_is_refused_with_the_nearest() -> None:
    async def talk() -> None:
        async with replaying(agent_run()) as server, httpx.AsyncClient(base_url=server.url) as client:
            response = await client.post("/logout", json={})
            assert response.status_code == 501
            assert response.json()["request"] == "POST /logout"
            assert response.json()["nearest"][0]["recorded"] == "POST /login"
            path = {"at": "path", "recorded": "/login", "came": "/logout"}
            assert path in response.json()["nearest"][0]["differs"]

    asyncio.run(talk())


def test_a_message_that_is_not_recorded_is_noted_and_closes_a_strict_replay() -> None:
    async def talk(*, strict: bool) -> ReplayServer:
        settings = replace(FAST, strict=strict)
        async with replaying(agent_run(), settings=settings) as server, connect(ws(server)) as connection:
            await received(connection, 2)
            await connection.send(json.dumps({"type": "unheard_of"}))
            if strict:
                with pytest.raises(ConnectionClosed) as closed:
                    await connection.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1008
                assert "unheard_of" in closed.value.rcvd.reason
            else:
                await connection.send(start_agent("after_a_miss_1"))
                assert types(await received(connection, 1)) == ["agent_started"]
            return server

    for strict in (False, True):
        server = asyncio.run(talk(strict=strict))
        (missed,) = server.session.journal.notes("missed")
        assert missed.detail["event"] == "unheard_of"
        (near,) = NearMiss.read(missed.detail["nearest"])
        assert "$.type: expected 'start_agent', got 'unheard_of'" in str(near)


def test_a_second_time_is_said_to_be_used_already() -> None:
    async def talk() -> None:
        async with replaying(agent_run()) as server, connect(ws(server)) as connection:
            await received(connection, 2)
            await connection.send(start_agent("twice_1"))
            await received(connection, 3)
            await connection.send(start_agent("twice_2"))
            await (await connection.ping())
            (missed,) = server.session.journal.notes("missed")
            assert missed.detail["nearest"] == [{"recorded": "start_agent", "used": True}]

    asyncio.run(talk())


def test_a_login_and_a_socket_belong_to_one_client_by_its_token() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
    played = recording(
        Request(flow="1", at=0, service="backend", method="POST", target="/login"),
        Response(
            flow="1", at=1000, status=200, body=json.dumps({"token": token, "session": "s_1234567890"}).encode()
        ),
        Request(flow="2", at=2000, service="backend", method="GET", target=f"/ws?token={token}", headers=UPGRADE),
        Response(flow="2", at=3000, status=101),
        text("2", 4, DOWN, type="welcome", session="s_1234567890"),
    )

    async def one(server: ReplayServer) -> str:
        async with httpx.AsyncClient(base_url=server.url) as client:
            mine = (await client.post("/login")).json()
        assert mine["token"] != token
        async with connect(ws(server, f"/ws?token={mine['token']}")) as connection:
            (welcome,) = await received(connection, 1)
        assert welcome["session"] == mine["session"]
        return str(mine["session"])

    async def talk() -> None:
        async with replaying(played) as server:
            sessions = await asyncio.gather(*(one(server) for _ in range(5)))
            assert len(set(sessions)) == 5

    asyncio.run(talk())


def test_absolute_urls_are_the_replays_own_and_services_have_ports() -> None:
    services = (
        Service(name="backend", origins=("https://api.staging",)),
        Service(name="auth", origins=("https://auth.staging",)),
    )
    found = {"auth": "https://auth.staging/login", "socket": "wss://api.staging/ws"}
    played = recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/where"),
        Response(flow="1", at=1, status=200, body=json.dumps(found).encode()),
        Request(flow="2", at=2, service="auth", method="GET", target="/health"),
        Response(flow="2", at=3, status=200, body=b"auth"),
        Request(flow="3", at=4, service="backend", method="GET", target="/health"),
        Response(flow="3", at=5, status=200, body=b"backend"),
        Request(flow="4", at=6, service="auth", method="GET", target="/moved"),
        Response(
            flow="4",
            at=7,
            status=302,
            headers=(("Location", "https://api.staging/where"), ("Content-Length", "0")),
        ),
        services=services,
    )

    async def talk() -> None:
        async with replaying(played) as server, httpx.AsyncClient() as client:
            body = (await client.get(f"{server.url}/where")).json()
            assert body == {
                "auth": f"{server.urls['auth']}/login",
                "socket": f"ws{server.urls['backend'].removeprefix('http')}/ws",
            }
            assert (await client.get(f"{server.url}/health")).text == "backend"
            assert (await client.get(f"{server.urls['auth']}/health")).text == "auth"
            assert (await client.get(f"{server.url}/moved")).headers["Location"] == f"{server.url}/where"

    asyncio.run(talk())


def test_a_stream_keeps_its_pieces_and_a_reset_cuts_it() -> None:
    played = recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/events"),
        Response(flow="1", at=1, status=200, headers=(("Content-Type", "text/event-stream"),), streaming=True),
        Chunk(flow="1", at=2 * MILLISECOND, data=b"data: 1\n\n"),
        Chunk(flow="1", at=SECOND, data=b"data: 2\n\n"),
        End(flow="1", at=SECOND + 1),
        Request(flow="2", at=SECOND + 2, service="backend", method="GET", target="/cut"),
        Response(flow="2", at=SECOND + 3, status=200, streaming=True),
        Chunk(flow="2", at=SECOND + 4, data=b"half"),
        Reset(flow="2", at=SECOND + 5, direction=DOWN),
    )

    async def talk() -> None:
        async with replaying(played) as server, httpx.AsyncClient(base_url=server.url) as client:
            async with client.stream("GET", "/events") as response:
                pieces = [piece async for piece in response.aiter_raw()]
            assert pieces == [b"data: 1\n\n", b"data: 2\n\n"]
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                await client.get("/cut")

    asyncio.run(talk())


def test_a_kept_connection_serves_many_requests_and_polls_make_progress() -> None:
    played = recording(
        *(Request(flow=str(n), at=n * 2, service="backend", method="GET", target="/job") for n in range(3)),
        *(Response(flow=str(n), at=n * 2 + 1, status=200, body=f"take {n}".encode()) for n in range(3)),
    )

    async def talk() -> None:
        async with replaying(played) as server, httpx.AsyncClient(base_url=server.url) as client:
            assert [(await client.get("/job")).text for _ in range(4)] == ["take 0", "take 1", "take 2", "take 2"]
            head = await client.head("/job")
            assert head.status_code == 501

    asyncio.run(talk())


def test_binary_and_fragments_arrive_as_recorded() -> None:
    played = recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=UPGRADE),
        Response(flow="1", at=1, status=101),
        Message(flow="1", at=2, direction=UP, data=b"\x01\x02"),
        Message(flow="1", at=3, direction=DOWN, data=b"\x03" * 70_000),
    )

    async def talk() -> None:
        async with replaying(played) as server, connect(ws(server)) as connection:
            await connection.send(b"\x01\x02")
            assert await connection.recv() == b"\x03" * 70_000

    asyncio.run(talk())


STARTED = Selector(json=(Condition(path=("type",), values=("start_agent",)),))


def test_a_close_is_seen_as_it_is_declared() -> None:
    rule = Rule(name="none", fault=CloseFault(code=1011, reason="Internal error"), select=STARTED, swallow=True)

    async def talk() -> None:
        async with replaying(agent_run(), rule) as server, connect(ws(server)) as connection:
            await received(connection, 2)
            await connection.send(start_agent(THREAD))
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "Internal error")
            assert server.session.stages[0].fired == 1

    asyncio.run(talk())


def test_a_reset_is_1006_without_a_close_frame() -> None:
    rule = Rule(name="reset", fault=ResetFault(), select=STARTED)

    async def talk() -> None:
        async with replaying(agent_run(), rule) as server, connect(ws(server)) as connection:
            await received(connection, 2)
            await connection.send(start_agent(THREAD))
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is None

    asyncio.run(talk())


def test_an_upgrade_is_refused_with_a_body() -> None:
    rule = Rule(name="refuse", fault=RefuseFault(status=503, json={"error": "service_not_ready"}))

    async def talk() -> None:
        async with replaying(agent_run(), rule) as server:
            with pytest.raises(InvalidStatus) as refused:
                async with connect(ws(server)):
                    pass
            assert refused.value.response.status_code == 503
            assert json.loads(refused.value.response.body or b"") == {"error": "service_not_ready"}

    asyncio.run(talk())


def test_a_status_is_for_the_paths_it_selects() -> None:
    rule = Rule(name="status", fault=StatusFault(status=503, json={"a": 1}), select=Selector(path="/log*"))

    async def talk() -> None:
        async with replaying(agent_run(), rule) as server, httpx.AsyncClient(base_url=server.url) as client:
            response = await client.post("/login", json={"email": "me"})
            assert (response.status_code, response.json()) == (503, {"a": 1})
            async with connect(ws(server)) as connection:
                assert types(await received(connection, 1)) == ["system_message"]

    asyncio.run(talk())


def test_a_stall_of_two_minutes_passes_at_once_on_a_manual_clock() -> None:
    rule = Rule(name="stall", fault=StallFault(), select=STARTED, when=Trigger(lasts=120 * SECOND))

    async def talk() -> None:
        clock = ManualClock()
        async with replaying(agent_run(), rule, settings=Settings(), clock=clock) as server:
            opening = asyncio.create_task(connect(ws(server)).__aenter__())
            while not server.session.journal.events:
                await asyncio.sleep(0)
            server.pump.advance(duration("1s"))
            connection = await opening
            assert types(await received(connection, 2)) == ["system_message", "ping"]
            await connection.send(start_agent(THREAD))
            while server.session.stages[0].fired == 0:
                await asyncio.sleep(0)
            server.pump.advance(duration("119s"))
            waiting = asyncio.create_task(connection.recv())
            await (await connection_still_answers(server))
            assert not waiting.done()
            server.pump.advance(duration("1.5s"))
            assert json.loads(await waiting)["type"] == "agent_started"
            connection.transport.abort()

    asyncio.run(talk())


async def connection_still_answers(server: ReplayServer) -> asyncio.Future[None]:
    """A turn of the loop in which whatever was sent would have arrived."""
    host, port = server.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()
    return asyncio.ensure_future(writer.wait_closed())


def test_the_journal_names_what_happened_in_order() -> None:
    async def talk() -> ReplayServer:
        async with replaying(agent_run()) as server, connect(ws(server)) as connection:
            await received(connection, 2)
            await connection.send(start_agent(THREAD))
            await received(connection, 3)
            return server

    journal = asyncio.run(talk()).session.journal
    kinds = [event.kind for event in journal.events]
    assert kinds[:2] == ["request", "response"]
    assert kinds.count("message") == 6
    assert [note.detail["event"] for note in journal.notes("matched")] == ["GET /ws", "start_agent", "close 1000"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"x" * 300_000,
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ],
    ids=["bytes", "no host", "long", "length"],
)
def test_what_is_not_http_is_answered_with_an_error_and_the_server_lives(garbage: bytes) -> None:
    async def talk() -> None:
        async with replaying(agent_run()) as server:
            host, port = server.url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(garbage)
            assert (await reader.read()).startswith(b"HTTP/1.1 4")
            writer.close()
            async with httpx.AsyncClient(base_url=server.url) as client:
                assert (await client.post("/login", json={"email": "a"})).status_code == 200

    asyncio.run(talk())


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = ReplayServer(script=compile_script(agent_run()), listen=Listen(port=port))
        with pytest.raises(StagesimError, match=f"127.0.0.1:{port}: cannot listen: Address already in use"):
            asyncio.run(server.start())
