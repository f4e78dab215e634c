"""The journal over the control API: pages, the stream, and no secrets in either."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from simulator.core.events import Message, Request, Response
from simulator.core.journal import Note
from simulator.core.script import compile_script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.files.reader import load
from simulator.live.control import server as control_server
from simulator.live.control.feed import Feed
from tests.conversations import DOWN, UPGRADE, agent_run, recording
from tests.live.control.controlled import GREETING, RUN, Controlled, controlled, received, start_agent


async def talk_with(it: Controlled) -> None:
    async with it.socket() as connection:
        assert await received(connection, 2) == GREETING
        await connection.send(start_agent())
        assert await received(connection, 3) == RUN


def test_pages_follow_each_other() -> None:
    async def talk() -> None:
        async with controlled() as it:
            assert await it.ask("GET", "/v1/journal") == {"next": 0, "total": 0, "entries": []}
            await talk_with(it)
            while it.server.session.live:
                await it.ask("GET", "/v1/version")
            whole = await it.ask("GET", "/v1/journal")
            entries = whole["entries"]
            assert isinstance(entries, list)
            assert whole["next"] == whole["total"] == len(entries)
            kinds = [entry["kind"] for entry in entries]
            assert kinds[0] == "request"
            assert kinds.count("message") == 6
            found: list[object] = []
            while len(found) < len(entries):
                page = await it.ask("GET", f"/v1/journal?since={len(found)}&limit=3")
                assert len(page["entries"]) <= 3  # type: ignore[arg-type]
                found += page["entries"]  # type: ignore[arg-type]
                assert page["next"] == len(found)
            assert found == entries
            beyond = await it.ask("GET", "/v1/journal?since=1000")
            assert (beyond["next"], beyond["entries"]) == (1000, [])

    asyncio.run(talk())


async def lines_of(response: httpx.Response, lines: list[str], completed: asyncio.Event) -> None:
    async for line in response.aiter_lines():
        lines.append(line)
        if '"agent_completed"' in line:
            completed.set()


def test_the_stream_is_a_recording_as_it_happens_and_ends_with_the_replay(tmp_path: Path) -> None:
    async def talk() -> list[str]:
        lines: list[str] = []
        async with controlled(settings=Settings(speed=50, seed=7)) as it:
            response = await it.client.send(it.client.build_request("GET", "/v1/journal/stream"), stream=True)
            assert response.headers["Content-Type"] == "application/jsonl"
            completed = asyncio.Event()
            reading = asyncio.create_task(lines_of(response, lines, completed))
            await talk_with(it)
            await completed.wait()
            assert not reading.done()
            await it.server.stop()
            await it.control.stop()
            await reading
        return lines

    (tmp_path / "run.jsonl").write_text("\n".join(asyncio.run(talk())) + "\n")
    loaded = load(tmp_path / "run.jsonl")
    assert loaded.recording.header.seed == 7
    assert sum(isinstance(event, Message) for event in loaded.recording.events) == 6
    assert not loaded.warnings
    assert [note.what for note in loaded.notes][:2] == ["opened", "matched"]


def test_the_stream_begins_where_it_is_told_to() -> None:
    async def talk() -> None:
        async with controlled() as it:
            await talk_with(it)
            page = await it.ask("GET", "/v1/journal?since=4&limit=2")
            async with it.client.stream("GET", "/v1/journal/stream?since=4") as response:
                lines = response.aiter_lines()
                assert [json.loads(await anext(lines)) for _ in range(2)] == page["entries"]

    asyncio.run(talk())


def test_a_reader_that_does_not_read_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a position and no buffer: the replay goes on, others read on, and the server stops in time."""
    monkeypatch.setattr(control_server, "PATIENCE", 0.1)
    large = json.dumps({"type": "large", "data": "x" * 500_000})
    played = recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=UPGRADE),
        Response(flow="1", at=1, status=101),
        *(Message(flow="1", at=2 + number, direction=DOWN, data=large) for number in range(20)),
    )

    async def talk() -> None:
        async with controlled(played=played, settings=Settings(speed=float("inf"))) as it:
            async with it.socket() as connection:
                request = it.client.build_request("GET", "/v1/journal/stream")
                stuck = await it.client.send(request, stream=True)
                for _ in range(20):
                    await connection.recv()
            async with it.client.stream("GET", "/v1/journal/stream") as reader:
                lines = reader.aiter_lines()
                found = 0
                while found < 20:
                    found += '"large"' in await anext(lines)
            await it.control.stop()
            with pytest.raises(httpx.RemoteProtocolError):
                async for _ in stuck.aiter_raw():
                    pass

    asyncio.run(talk())


def test_readers_that_leave_and_come_get_every_line_once() -> None:
    async def talk() -> None:
        script = compile_script(agent_run())
        session = Session(script)
        for number in range(2000):
            session.journal.add(Note(at=number, flow="", what="armed", detail={"rule": f"rule {number}"}))
        feed = Feed(session)
        for _ in range(5):
            leaving = asyncio.create_task(feed.page(0, 2000))
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        pages = await asyncio.gather(*(feed.page(0, 2000) for _ in range(5)))
        for page in pages:
            assert [json.loads(line)["detail"]["rule"] for line in page] == [f"rule {n}" for n in range(2000)]

    asyncio.run(talk())


def test_there_is_room_for_so_many_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "MAX_READERS", 2)

    async def opened(it: Controlled) -> httpx.Response:
        return await it.client.send(it.client.build_request("GET", "/v1/journal/stream"), stream=True)

    async def talk() -> None:
        async with controlled() as it:
            first, second = await opened(it), await opened(it)
            found = await it.ask("GET", "/v1/journal/stream", status=503)
            assert found["problem"] == "2 read the stream already"
            await first.aclose()
            while (third := await opened(it)).status_code == 503:  # until the server has noticed
                await third.aclose()
            await second.aclose()
            await third.aclose()

    asyncio.run(talk())


SECRETS = ("hunter2-hunter2-9134", "c2lnbmF0dXJl", "sk-live-4eC39HqLyjWDarjtT1zdp7dc")


def test_no_secret_leaves() -> None:
    token = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.{SECRETS[1]}"
    body = json.dumps({"password": SECRETS[0], "api_key": SECRETS[2]}).encode()
    played = recording(
        Request(flow="1", at=0, service="backend", method="POST", target=f"/login?token={token}", body=body),
        Response(flow="1", at=1, status=200, body=body),
    )

    async def talk() -> str:
        async with controlled(played=played, settings=Settings(fresh=False)) as it:
            await it.ask("POST", "/v1/rules", {"fault": "status", "name": "quotes", "status": 500}, 201)
            async with httpx.AsyncClient(base_url=it.server.url) as client:
                headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
                await client.post(f"/login?token={token}", content=body, headers=headers)
                await client.post(f"/nowhere?token={token}", content=body, headers=headers)
            assert it.server.session.journal.notes("fired")
            journal = (await it.client.get("/v1/journal")).text
            async with it.client.stream("GET", "/v1/journal/stream") as response:
                lines = response.aiter_lines()
                found = [await anext(lines) for _ in range(json.loads(journal)["total"] + 1)]
            assert [json.loads(line) for line in found[1:]] == json.loads(journal)["entries"]
            return journal

    journal = asyncio.run(talk())
    assert "/nowhere" in journal
    assert not [secret for secret in SECRETS if secret in journal]
