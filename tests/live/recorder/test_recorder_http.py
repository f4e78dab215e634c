"""HTTP is recorded as the server got it and answered it, with the timing that a client can notice."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web
from staging import Recorded, Staging, heard, reset

from simulator.core.events import Chunk, Direction, Response, header
from simulator.live.recorder import Recorder, Upstream

UP, DOWN = Direction.UPSTREAM, Direction.DOWNSTREAM


async def as_json(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path_qs, "body": (await request.read()).decode()}, status=201)


async def chunked(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b"[1,")
    await response.write(b"2]")
    return response


async def zipped(request: web.Request) -> web.Response:
    return web.Response(body=gzip.compress(b"a" * 5000, mtime=0), headers={"Content-Encoding": "gzip"})


class Feed:
    """Server-sent events, each sent when the one before was asked about."""

    def __init__(self) -> None:
        self.next = asyncio.Semaphore(0)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            await response.write(f"data: {number}\n\n".encode())
            await self.next.acquire()
        return response

    async def go_on(self, request: web.Request) -> web.Response:
        self.next.release()
        return web.Response(status=204)


@pytest.fixture(scope="module")
def upstreams(staging: Staging, raw_port: int) -> Iterator[list[Upstream]]:
    async def start() -> asyncio.Server:
        app, feed = web.Application(), Feed()
        app.router.add_route("*", "/json", as_json)
        app.router.add_get("/chunked", chunked)
        app.router.add_get("/zipped", zipped)
        app.router.add_get("/feed", feed.stream)
        app.router.add_post("/go-on", feed.go_on)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        assert runner.server is not None
        return await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)

    runners: list[web.AppRunner] = []
    port = staging.serve(start)
    yield [
        Upstream("raw", f"http://127.0.0.1:{raw_port}"),
        Upstream("api", f"http://127.0.0.1:{port}"),
        Upstream("nobody", "http://127.0.0.1:1"),
    ]
    staging.run(runners[0].cleanup)


@pytest.fixture
def api(recorder: Recorder) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=recorder.addresses["api"], trust_env=False) as client:
        yield client


def answer(staging: Staging, response: bytes, *, keep: bool = True) -> None:
    """Let the raw server answer so, and then leave the connection open or end it."""

    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        staging.head = head
        writer.write(response)
        await writer.drain()
        if keep:
            await reader.read()

    staging.handler = serve


def whole(recorded: Recorded, get: Callable[[], httpx.Response]) -> Response:
    """The response of unknown length to a request; whole if the machine is not too busy, so try again if it is."""
    for _ in range(20):
        get()
        recorded.until(lambda: recorded.newest()[-1].kind in ("response", "end"))
        response = recorded.newest()[1]
        if isinstance(response, Response) and not response.streaming:
            return response
    raise AssertionError(recorded.events)


def test_a_request_and_its_response(api: httpx.Client, recorded: Recorded) -> None:
    response = api.post("/json?a=1&b=%20", content=b'{"x": "\xc3\xbc"}', headers={"X-Tag": "7"})
    request, recorded_response = recorded.flow("request response")
    assert (request.service, request.method, request.target) == ("api", "POST", "/json?a=1&b=%20")
    assert (request.path, request.query) == ("/json", "a=1&b=%20")
    assert request.body == b'{"x": "\xc3\xbc"}'
    assert header(request.headers, "x-tag") == "7"
    assert (recorded_response.status, recorded_response.reason) == (201, "Created")
    assert recorded_response.body == response.content
    assert recorded_response.streaming is False
    assert request.at <= recorded_response.at
    assert not recorded.problems


def test_the_host_is_the_one_that_the_server_sees(
    staging: Staging, raw: str, raw_port: int, recorded: Recorded
) -> None:
    answer(staging, b"HTTP/1.1 204 No Content\r\n\r\n")
    httpx.get(raw, trust_env=False)
    request, _ = recorded.flow("request response")
    assert header(request.headers, "host") == f"127.0.0.1:{raw_port}"
    sent = [tuple(line.split(": ")) for line in staging.head.split("\r\n")[1:-2]]
    # What is recorded is what the server got, in its order, less what is meant for one hop.
    assert request.headers == tuple(field for field in sent if field[0].lower() != "connection")


def test_fields_keep_their_order_case_and_repeats(staging: Staging, raw: str, recorded: Recorded) -> None:
    answer(
        staging,
        b"HTTP/1.1 200 Just Fine\r\nx-B: 1\r\nSet-Cookie: a=1\r\nX-a: \xe9\r\nset-cookie: b=2\r\nKeep-Alive: 5\r\n"
        b"Connection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    )
    httpx.get(raw, trust_env=False)
    _, response = recorded.flow("request response")
    assert response.reason == "Just Fine"
    assert response.headers == (
        ("x-B", "1"),
        ("Set-Cookie", "a=1"),
        ("X-a", "é"),
        ("set-cookie", "b=2"),
        ("Content-Length", "0"),
    )


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "OPTIONS", "PATCH"])
def test_methods_and_empty_bodies(api: httpx.Client, recorded: Recorded, method: str) -> None:
    api.request(method, "/json")
    request, response = recorded.flow("request response")
    assert request.method == method
    assert response.streaming is False
    assert bool(response.body) is (method != "HEAD")


def test_a_request_body_in_chunks_is_one_body(api: httpx.Client, recorded: Recorded) -> None:
    api.post("/json", content=iter([b"ab", b"cd"]))
    request, response = recorded.flow("request response")
    assert request.body == b"abcd"
    assert header(request.headers, "transfer-encoding") == "chunked"
    assert b"abcd" in response.body


def test_chunks_that_come_at_once_are_one_body(api: httpx.Client, recorded: Recorded) -> None:
    response = whole(recorded, lambda: api.get("/chunked"))
    assert response.body == b"[1,2]"
    assert header(response.headers, "transfer-encoding") == "chunked"


def test_a_compressed_body_stays_compressed(api: httpx.Client, recorded: Recorded) -> None:
    assert api.get("/zipped").content == b"a" * 5000
    _, response = recorded.flow("request response")
    assert gzip.decompress(response.body) == b"a" * 5000
    assert header(response.headers, "content-encoding") == "gzip"


def test_a_stream_of_events_keeps_its_timing(api: httpx.Client, recorded: Recorded) -> None:
    with api.stream("GET", "/feed") as feed:
        for chunk in feed.iter_raw():
            assert chunk.startswith(b"data:")
            api.post("/go-on")
    recorded.until(lambda: any(event.kind == "end" for event in recorded.events))
    order = [
        event.data.decode().strip() if isinstance(event, Chunk) else event.kind
        for event in recorded.events
        if event.kind in ("request", "chunk", "end")
    ]
    assert order == [
        "request",
        "data: 0",
        "request",
        "data: 1",
        "request",
        "data: 2",
        "request",
        "end",
    ]
    stream = next(event for event in recorded.events if isinstance(event, Response))
    assert stream.streaming
    assert stream.body == b""


def test_a_body_of_known_length_that_comes_slowly_is_a_stream(
    staging: Staging, raw: str, recorded: Recorded
) -> None:
    seen = staging.event()

    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await heard(seen)
        writer.write(b"cd")
        await reader.read()

    staging.handler = serve
    with httpx.Client(trust_env=False) as client, client.stream("GET", raw) as response:
        recorded.flow("request response chunk")
        seen.set()
        assert response.read() == b"abcd"
    _, head, first, second, end = recorded.flow("request response chunk chunk end")
    assert (head.streaming, first.data, second.data) == (True, b"ab", b"cd")
    assert head.at <= first.at < second.at <= end.at


@pytest.mark.parametrize("rst", [True, False], ids=["RST", "FIN"])
@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 100",
        b"Transfer-Encoding: chunked",
        b"Content-Type: text/event-stream\r\nContent-Length: 100",
    ],
)
def test_a_body_that_breaks_off(staging: Staging, raw: str, recorded: Recorded, head: bytes, rst: bool) -> None:
    arrived = staging.event()

    async def serve(_: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        writer.write(b"2\r\nab\r\n" if b"chunked" in head else b"ab")
        await heard(arrived)
        if rst:
            reset(writer)

    staging.handler = serve
    with pytest.raises(httpx.RemoteProtocolError), httpx.stream("GET", raw, trust_env=False) as response:
        for chunk in response.iter_raw():
            assert chunk == b"ab"
            arrived.set()
    _, broken, piece, gone = recorded.flow("request response chunk reset")
    assert (broken.streaming, piece.data) == (True, b"ab")
    assert (gone.direction, gone.rst) == (DOWN, rst)
    assert not recorded.problems


def test_a_body_that_lasts_until_the_connection_ends(staging: Staging, raw: str, recorded: Recorded) -> None:
    answer(staging, b"HTTP/1.1 200 OK\r\n\r\nall of it", keep=False)
    assert whole(recorded, lambda: httpx.get(raw, trust_env=False)).body == b"all of it"


@pytest.mark.parametrize("rst", [True, False], ids=["RST", "FIN"])
def test_no_response_at_all(staging: Staging, raw: str, recorded: Recorded, rst: bool) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if rst:
            reset(writer)

    staging.handler = serve
    with pytest.raises(httpx.RemoteProtocolError):  # And not a 502 of the recorder's own.
        httpx.get(raw, trust_env=False)
    _, gone = recorded.flow("request reset")
    assert (gone.direction, gone.rst) == (DOWN, rst)


@pytest.mark.parametrize("rst", [True, False], ids=["RST", "FIN"])
@pytest.mark.parametrize("begun", [True, False], ids=["in its middle", "before it"])
def test_a_client_that_does_not_wait_for_the_response(
    staging: Staging, raw: str, recorded: Recorded, rst: bool, begun: bool
) -> None:
    answer(staging, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n" if begun else b"")
    parts = urlsplit(raw)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        if begun:
            data = b""
            while not data.endswith(b"1\r\na\r\n"):  # What is not read would make an RST of any close.
                data += client.recv(1000)
        recorded.flow("request response chunk" if begun else "request")
        if rst:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone = recorded.flow("request response chunk reset" if begun else "request reset")[-1]
    assert (gone.direction, gone.rst) == (UP, rst)


def test_a_client_that_breaks_off_its_request(
    staging: Staging, raw: str, raw_port: int, recorded: Recorded
) -> None:
    parts = urlsplit(raw)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    recorded.until(lambda: recorded.problems)
    assert recorded.problems[0].startswith("raw: a request is not recorded: ")
    assert not recorded.events


def test_a_server_that_cannot_be_reached(recorder: Recorder, recorded: Recorded) -> None:
    for _ in range(2):
        assert httpx.get(recorder.addresses["nobody"], trust_env=False).status_code == 502
    assert [event.kind for event in recorded.events] == ["request", "request"]
    # Said once.
    refused = "nobody: http://127.0.0.1:1 refused the connection; the client got a 502 that is not recorded"
    assert recorded.problems == [refused]


def test_many_requests_on_one_connection_are_many_flows(api: httpx.Client, recorded: Recorded) -> None:
    for number in range(3):
        api.get(f"/json?{number}")
    recorded.flow("request response")
    assert [(event.kind, event.flow) for event in recorded.events[::2]] == [
        ("request", event.flow) for event in recorded.events[1::2]
    ]
    flows = [int(event.flow) for event in recorded.events[::2]]
    assert flows == list(range(flows[0], flows[0] + 3))


def test_large_bodies_both_ways(api: httpx.Client, recorded: Recorded) -> None:
    api.post("/json", content=b"x" * (200 << 10))
    request, response = recorded.flow("request response")
    assert len(request.body) == 200 << 10
    assert len(response.body) > 200 << 10


def test_trailers_are_a_problem(staging: Staging, raw: str, recorded: Recorded) -> None:
    answer(
        staging,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n",
        keep=False,
    )
    with pytest.raises(httpx.HTTPError), httpx.stream("GET", raw, trust_env=False, timeout=0.2) as response:
        response.read()
    recorded.until(lambda: recorded.problems)
    assert "trailers" in recorded.problems[0]
