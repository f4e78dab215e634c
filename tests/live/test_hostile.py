"""One client's misbehaviour is its own trouble: the others are served, and the server ends when it is told to."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from websockets.asyncio.client import connect

from simulator.core.events import Chunk, End, Event, Message, Ping, Request, Response
from simulator.core.fault import Context, Fault
from simulator.core.recording import Service
from simulator.core.rule import Rule
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.core.units import MILLISECOND
from simulator.live.server import ReplayServer
from tests.conversations import DOWN, agent_run, recording
from tests.live.test_replay import received, replaying, start_agent, ws


class Unsendable(Fault):
    """A control frame that no codec can write: it is too long."""

    name = "unsendable"

    def apply(self, event: Event, context: Context) -> list[Event]:
        if isinstance(event, Message) and "agent_started" in str(event.data):
            return [Ping(flow=event.flow, at=event.at, direction=DOWN, data=b"x" * 200)]
        return [event]


def test_a_connection_that_cannot_go_on_does_not_stop_the_others() -> None:
    rule = Rule(name="unsendable", fault=Unsendable())

    async def talk() -> None:
        async with (
            replaying(agent_run(), rule, settings=Settings(speed=10)) as server,
            connect(ws(server)) as first,
            httpx.AsyncClient(base_url=server.url) as client,
        ):
            await received(first, 2)
            await first.send(start_agent("first_client_1"))
            answer = asyncio.ensure_future(client.post("/login", json={"email": "a"}))
            await first.wait_closed()
            assert (await answer).status_code == 200

    asyncio.run(talk())


class Broken(Fault):
    """Has a defect of its own: it raises where an agent has started."""

    name = "broken"

    def apply(self, event: Event, context: Context) -> list[Event]:
        if isinstance(event, Message) and "agent_started" in str(event.data):
            raise ValueError("a defect")
        return [event]


def test_what_the_session_cannot_do_for_one_does_not_stop_the_others_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def talk() -> ReplayServer:
        async with (
            replaying(agent_run(), Rule(name="broken", fault=Broken()), settings=Settings(speed=10)) as server,
            connect(ws(server)) as first,
            connect(ws(server)) as second,
        ):
            await received(first, 2)
            await first.send(start_agent("first_client_1"))
            await first.wait_closed()
            assert len(await received(second, 2)) == 2, "there is a timer"
        return server

    server = asyncio.run(talk())
    (note,) = server.session.journal.notes("failed")
    assert note.detail == {"error": "ValueError: a defect"}
    assert [record.getMessage() for record in caplog.records] == [
        f"stagesim: flow {note.flow} is cut: ValueError: a defect"
    ]


def test_a_host_that_is_none_is_answered_like_any_other() -> None:
    login = Response(flow="1", at=1, status=200, headers=(("Set-Cookie", "a=b"),), body=b"in")
    played = recording(Request(flow="1", at=0, service="backend", method="GET", target="/login"), login)

    async def talk() -> None:
        async with replaying(played) as server, httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/login", headers={"Host": "["})).text == "in"
            assert (await client.get("/login")).text == "in"

    asyncio.run(talk())


def test_a_wrong_length_in_a_recording_is_put_right() -> None:
    played = recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/edited"),
        Response(flow="1", at=1, status=200, headers=(("Content-Length", "3"),), body=b'{"longer": "than that"}'),
        Request(flow="2", at=2, service="backend", method="GET", target="/none"),
        Response(flow="2", at=3, status=204, body=b"no room for it"),
    )

    async def talk() -> None:
        async with replaying(played) as server, httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/edited")).json() == {"longer": "than that"}
            assert (await client.get("/none")).content == b""

    asyncio.run(talk())


def test_a_sized_stream_may_change_its_size_with_its_urls() -> None:
    played = recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/slow"),
        Response(flow="1", at=1, status=200, headers=(("Content-Length", "19"),), streaming=True),
        Chunk(flow="1", at=300 * MILLISECOND, data=b"https://api.staging"),
        End(flow="1", at=301 * MILLISECOND),
        services=(Service(name="backend", origins=("https://api.staging",)),),
    )

    async def talk() -> None:
        async with replaying(played) as server, httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/slow")).text == server.url

    asyncio.run(talk())


def test_a_client_that_is_done_sending_gets_its_answer_and_the_end() -> None:
    async def talk() -> None:
        async with replaying(agent_run()) as server:
            host, port = server.url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            body = json.dumps({"email": "me"}).encode()
            head = f"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            writer.write(head + body)
            writer.write_eof()
            assert b"access_token" in await reader.read()
            writer.close()

    asyncio.run(talk())


def test_what_breaks_the_protocol_is_not_read_on() -> None:
    async def talk() -> None:
        async with replaying(agent_run()) as server, connect(ws(server)) as connection:
            await received(connection, 2)
            connection.transport.write(b"\xff" * 1000)
            for _ in range(100):
                connection.transport.write(b"\x00" * 10_000)
            await connection.wait_closed()
            kept = [event for event in server.session.journal.events if event.kind == "bytes"]
            assert sum(len(event.data) for event in kept) < 300_000  # type: ignore[attr-defined]

    asyncio.run(talk())


def test_a_server_that_is_stopped_while_clients_connect_stops() -> None:
    async def talk() -> None:
        server = ReplayServer(script=compile_script(agent_run()))
        await server.start()
        host, port = server.url.removeprefix("http://").split(":")
        opening = [asyncio.ensure_future(asyncio.open_connection(host, int(port))) for _ in range(20)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await server.stop()
        for done in await asyncio.gather(*opening, return_exceptions=True):
            if not isinstance(done, BaseException):
                done[1].close()

    asyncio.run(talk())
