"""Streams over real sockets: every client reads its own ids in them, and nobody else's."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import aiohttp
import httpx
import pytest
from websockets.asyncio.client import connect

from simulator.core.events import Chunk, End, Event, Headers, Request, Response
from simulator.core.recording import Recording, Service
from simulator.core.units import MILLISECOND
from tests.conversations import DOWN, UPGRADE, recording, text
from tests.live.test_replay import replaying, ws

RUN = "0b8f3c52-7d0e-4c55-9a55-5d3b8d0e6a11"
SSE: Headers = (("Content-Type", "text/event-stream"),)


def request(flow: str, at: int, method: str, target: str, headers: Headers = (), **fields: str) -> Request:
    body = json.dumps(fields).encode() if fields else b""
    return Request(
        flow=flow,
        at=at * MILLISECOND,
        service="backend",
        method=method,
        target=target,
        headers=headers,
        body=body,
    )


def said(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(fields)}\n\n".encode()


def chat(*pieces: bytes, headers: Headers = SSE) -> list[Event]:
    """A login, a request with a thread of the client's, and the stream that answers it."""
    token = b'{"token": "opaque", "user_id": "u-1"}'
    return [
        request("1", 0, "POST", "/login", email="e2e@example.com"),
        Response(flow="1", at=10 * MILLISECOND, status=200, body=token),
        request("2", 20, "POST", "/chat", thread_id="thread_recorded_1"),
        Response(flow="2", at=30 * MILLISECOND, status=200, headers=headers, streaming=True),
        *(Chunk(flow="2", at=(40 + 10 * number) * MILLISECOND, data=piece) for number, piece in enumerate(pieces)),
        End(flow="2", at=90 * MILLISECOND),
    ]


def whole_run(**header: object) -> Recording:
    """The same, then the run that the stream told of is asked for, and watched."""
    return recording(
        *chat(
            said("started", thread_id="thread_recorded_1", run_id=RUN),
            said("delta", run_id=RUN, text="Hel") + said("delta", run_id=RUN, text="lo"),
            said("done", of={"thread": "thread_recorded_1"}),
        ),
        request("3", 100, "GET", f"/runs/{RUN}"),
        Response(flow="3", at=110 * MILLISECOND, status=200, body=json.dumps({"id": RUN, "ok": True}).encode()),
        request("4", 120, "GET", f"/ws?run={RUN}", UPGRADE),
        Response(flow="4", at=130 * MILLISECOND, status=101, headers=UPGRADE[1:]),
        text("4", 140, DOWN, type="hello", run_id=RUN),
        **header,
    )


@dataclass
class Heard:
    """All that a client was told, and the ids of the run that it was told of."""

    texts: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        self.texts.append(line)
        if line.startswith("data: "):
            self.runs += [value for key, value in json.loads(line[6:]).items() if key == "run_id"]


async def by_httpx(url: str, thread: str, heard: Heard) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        heard.texts.append((await client.post("/login", json={"email": f"{thread}@example.com"})).text)
        async with client.stream("POST", "/chat", json={"thread_id": thread}) as response:
            assert "content-length" not in response.headers
            async for line in response.aiter_lines():
                heard.read(line)
        heard.texts.append((await client.get(f"/runs/{heard.runs[0]}")).raise_for_status().text)


async def by_aiohttp(url: str, thread: str, heard: Heard) -> None:
    async with aiohttp.ClientSession(url) as client:
        async with client.post("/login", json={"email": f"{thread}@example.com"}) as response:
            heard.texts.append(await response.text())
        async with client.post("/chat", json={"thread_id": thread}) as response:
            async for line in response.content:
                heard.read(line.decode().rstrip("\n"))
        async with client.get(f"/runs/{heard.runs[0]}", raise_for_status=True) as response:
            heard.texts.append(await response.text())


def test_two_clients_read_their_own_ids_in_a_stream_and_nobody_elses() -> None:
    one, two = Heard(), Heard()

    async def talk() -> None:
        async with replaying(whole_run()) as server:
            await asyncio.gather(
                by_httpx(server.url, "thread_of_one_1", one), by_aiohttp(server.url, "thread_of_two_2", two)
            )
            for heard in (one, two):
                async with connect(f"{ws(server)}?run={heard.runs[0]}") as connection:
                    heard.texts.append(str(await connection.recv()))

    asyncio.run(talk())
    for heard, mine, other in ((one, "thread_of_one_1", two), (two, "thread_of_two_2", one)):
        told = "\n".join(heard.texts)
        (run,) = set(heard.runs)
        assert len(heard.runs) == 3
        lines = [line for line in heard.texts if line.startswith(("event:", "data:"))]
        assert lines == [
            "event: started",
            f'data: {{"thread_id": "{mine}", "run_id": "{run}"}}',
            "event: delta",
            f'data: {{"run_id": "{run}", "text": "Hel"}}',
            "event: delta",
            f'data: {{"run_id": "{run}", "text": "lo"}}',
            "event: done",
            f'data: {{"of": {{"thread": "{mine}"}}}}',
        ]
        assert told.count(run) == 5
        assert other.runs[0] not in told
        assert RUN not in told
        assert "thread_recorded_1" not in told


@pytest.mark.parametrize("origins", [("https://api.staging",), ()])
def test_a_stream_whose_length_was_told_is_as_long_as_that(origins: tuple[str, ...]) -> None:
    """Its ids stay as they were recorded, for its head is out before anybody knows what follows."""
    data = said("started", thread_id="thread_recorded_1", run_id=RUN)
    fields = (*SSE, ("Content-Length", str(len(data))))
    played = recording(
        *chat(data[:20], data[20:], headers=fields), services=(Service(name="backend", origins=origins),)
    )

    async def talk() -> None:
        async with replaying(played) as server, httpx.AsyncClient(base_url=server.url) as client:
            await client.post("/login", json={"email": "one@example.com"})
            response = await client.post("/chat", json={"thread_id": "a_thread_with_quite_another_length"})
            assert response.content == data
            assert response.headers.get("content-length", str(len(data))) == str(len(data))
            assert (await client.post("/login", json={"email": "one@example.com"})).status_code == 200

    asyncio.run(talk())


def test_a_stream_that_is_whole_has_the_length_of_what_this_client_reads() -> None:
    lines = json.dumps({"thread_id": "thread_recorded_1"}).encode() + b"\n" + json.dumps({"run_id": RUN}).encode()
    fields = (("Content-Type", "application/x-ndjson"), ("Content-Length", str(len(lines))))
    played = recording(
        request("1", 0, "POST", "/chat", thread_id="thread_recorded_1"),
        Response(flow="1", at=10 * MILLISECOND, status=200, headers=fields, body=lines),
    )

    async def talk() -> None:
        async with replaying(played) as server, httpx.AsyncClient(base_url=server.url) as client:
            response = await client.post("/chat", json={"thread_id": "a_thread_with_quite_another_length"})
            first, second = map(json.loads, response.text.splitlines())
            assert first == {"thread_id": "a_thread_with_quite_another_length"}
            assert second["run_id"] != RUN
            assert response.headers["content-length"] == str(len(response.content))

    asyncio.run(talk())
