"""The whole protocol, recorded through mitmproxy and played back: one client, twice, sees the same.

Each test's client ran once against a real staging, through the recorder, for the recording that is played here.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
import websockets.sync.client as ws
from aiohttp import web
from staging import RawClient, Recorded, Staging, frame, switching
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from simulator.core.events import Close, Direction, Message, Ping
from simulator.core.recording import Header, Service
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.files.reader import load
from simulator.files.redaction import Redactor
from simulator.files.writer import RecordingWriter
from simulator.harness.staging import Staging as Replay
from simulator.live.recorder import Recorder, Upstream

UP = Direction.UPSTREAM
TEXT = b"0123456789" * 3
GAP: Final = 0.12
"""Seconds between the pieces of what comes slowly; more than half of it is seen as slow."""

TLS: Final = ssl.create_default_context()
WEB: Final = httpx.Client(verify=TLS, limits=httpx.Limits(max_keepalive_connections=0))
"""Each request on a connection of its own."""

Urls = dict[str, str]
Client = Callable[[Urls], Any]
CLIENTS: dict[str, Client] = {}


def client(function: Client) -> Client:
    """A client whose findings must be the same against staging and against the replay."""
    CLIENTS[function.__name__] = function
    return function


# --- the staging -----------------------------------------------------------------------------------------------


class Api:
    """An HTTP service with what HTTP services have."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.polls = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/file", self.file, allow_head=True),
                web.post("/login", self.login),
                web.get("/me", self.me),
                web.get("/old", self.old),
                web.post("/form", self.form),
                web.get("/zipped", self.zipped),
                web.get("/events", self.events),
                web.get("/poll", self.poll),
                web.post("/wake", self.wake),
            ]
        )
        return app

    async def file(self, request: web.Request) -> web.Response:
        """Ranges as RFC 9110 §14 has them, for one range of a small file with an ETag."""
        fields = {"ETag": '"v-1"', "Accept-Ranges": "bytes", "Content-Type": "text/plain"}
        asked = request.headers.get("Range", "")
        if not asked or request.headers.get("If-Range", '"v-1"') != '"v-1"':
            return web.Response(body=TEXT, headers=fields)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        if int(first) >= len(TEXT):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(TEXT)}"})
        part = TEXT[int(first) : int(last) + 1]
        where = {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(TEXT)}"}
        return web.Response(status=206, body=part, headers=fields | where)

    async def login(self, request: web.Request) -> web.Response:
        answer = web.json_response({"name": (await request.json())["name"]})
        session = "Zx8kQ2pLm4Rt7Vw1Yb5N"
        answer.set_cookie("sid", session, httponly=True, secure=True, samesite="None", domain="staging.example")
        answer.set_cookie("theme", "dark", max_age=3600)
        return answer

    async def me(self, request: web.Request) -> web.Response:
        return web.json_response({"session": request.cookies["sid"], "theme": request.cookies["theme"]})

    async def old(self, request: web.Request) -> web.Response:
        """The Host is staging's own, so this is an absolute URL that names it."""
        return web.Response(status=302, headers={"Location": f"http://{request.host}/file"})

    async def form(self, request: web.Request) -> web.Response:
        return web.Response(status=303, headers={"Location": "/file"})

    async def zipped(self, request: web.Request) -> web.Response:
        body = gzip.compress(
            json.dumps({"asked": request.query["id"], "home": f"http://{request.host}/file"}).encode()
        )
        return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    async def events(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        first = int(request.headers.get("Last-Event-ID", "0")) + 1
        for number in range(first, first + 3):
            await answer.write(f"id: {number}\ndata: {request.query['topic']} {number}\n\n".encode())
            await asyncio.sleep(GAP)
        await answer.write(b": the end\n\n")
        return answer

    async def poll(self, request: web.Request) -> web.Response:
        """Answered when somebody calls; the second time nobody does, and there is nothing."""
        self.polls += 1
        if self.polls > 1:
            await asyncio.sleep(GAP)
            return web.Response(status=204)
        await self.woken.wait()
        return web.json_response({"event": "woken"})

    async def wake(self, request: web.Request) -> web.Response:
        await asyncio.sleep(GAP)
        self.woken.set()
        return web.json_response({})


async def sockets(connection: ServerConnection) -> None:
    """Answers in kind, and says what else a test asks for."""
    assert connection.request is not None
    if connection.request.path.startswith("/heartbeat"):
        await connection.send('{"type": "ping", "n": 1}')
    async for message in connection:
        said = json.loads(message) if isinstance(message, str) and message.startswith("{") else {}
        match said.get("type"):
            case "ping":
                await connection.send('{"type": "pong"}')
            case "pong":
                pass
            case "close":
                await connection.close(said["code"], said["reason"])
            case "join":
                await connection.send(json.dumps({"type": "joined", "room": said["room"]}))
            case _:
                await connection.send(message)


def choose(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((name for name in offered if name.startswith("v2")), None)


async def raw(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What no library would do: fragments at times of their own with a ping between, refusals, a late word."""
    if "GET /refused" in head:
        body = b'{"error": "not you"}'
        writer.write(b"HTTP/1.1 403 No Way\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n" + body)
        return
    writer.write(switching(head))
    if "GET /late" in head:
        writer.write(frame(8, struct.pack("!H", 4001) + b"bye") + frame(1, b"a late word"))
        await reader.read()
        return
    await reader.readexactly(7)
    writer.write(frame(1, b'{"a": ', fin=False))
    await writer.drain()
    await asyncio.sleep(GAP)
    writer.write(frame(9, b"still?"))
    await writer.drain()
    await asyncio.sleep(GAP)
    writer.write(frame(0, b'"b', fin=False) + frame(0, b'"}'))
    await reader.read()


# --- the clients -----------------------------------------------------------------------------------------------


@client
def kept_connection(urls: Urls) -> Any:
    """Three requests on one connection, a HEAD among them."""
    parts = urlsplit(urls["api"])
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    found, used = [], []
    for method in ("GET", "HEAD", "GET"):
        connection.request(method, "/file")
        response = connection.getresponse()
        found.append(
            (response.status, response.headers["Content-Length"], response.headers["ETag"], response.read())
        )
        used.append(connection.sock)
    connection.close()
    return found, used[0] is used[1] is used[2] is not None


@client
def ranges(urls: Urls) -> Any:
    asked = [{}, {"Range": "bytes=2-5"}, {"Range": "bytes=2-5", "If-Range": '"v-1"'}]
    asked += [{"Range": "bytes=2-5", "If-Range": '"v-0"'}, {"Range": "bytes=99-"}]
    answers = [WEB.get(f"{urls['api']}/file?part", headers=fields) for fields in asked]
    return [(answer.status_code, answer.headers.get("Content-Range"), answer.content) for answer in answers]


@client
def ranges_the_other_way_round(urls: Urls) -> Any:
    """The replay answers what is asked, and not what was asked next in the recording."""
    asked = [{}, {"Range": "bytes=20-22"}, {"Range": "bytes=3-4"}]
    if "replay" in urls:
        asked.reverse()
    answers = [WEB.get(f"{urls['api']}/file?reversed", headers=fields) for fields in asked]
    return sorted((answer.status_code, answer.request.headers.get("Range"), answer.content) for answer in answers)


@client
def cookies(urls: Urls) -> Any:
    with httpx.Client(base_url=urls["api"], verify=TLS) as browser:
        name = browser.post("/login", json={"name": "name-of-mine-1"}).json()
        # staging gives its cookie to its own name alone, under which a recorder is not known
        sent = dict(browser.cookies) if "replay" in urls else {"sid": "Zx8kQ2pLm4Rt7Vw1Yb5N", "theme": "dark"}
        shown = "; ".join(f"{key}={value}" for key, value in sent.items())
        me = WEB.get(f"{urls['api']}/me", headers={"Cookie": shown}).json()
    return name, sorted(sent), me["session"] == sent["sid"], me["theme"]


@client
def redirects(urls: Urls) -> Any:
    moved = WEB.get(f"{urls['api']}/old")
    seen = WEB.post(f"{urls['api']}/form", content=b"a=b", follow_redirects=True)
    home = urls["home"]
    return moved.status_code, moved.headers["Location"] == f"{home}/file", seen.status_code, seen.content


@client
def compressed_bodies(urls: Urls) -> Any:
    """What the client sent comes back to it, and the URL is that of the server, below the compression as well."""
    mine = "c0ffee00-1111-4222-8333-444455556666" if "replay" in urls else "0b8f3c52-7d0e-4c55-9a55-5d3b8d0e6a11"
    answer = WEB.get(f"{urls['api']}/zipped", params={"id": mine})
    home = urls["home"]
    return answer.headers["Content-Encoding"], answer.json() == {"asked": mine, "home": f"{home}/file"}


@client
def server_sent_events(urls: Urls) -> Any:
    """Events come one by one; who comes back gets those after the last one it had."""
    found = []
    for last in ("0", "3"):
        with WEB.stream("GET", f"{urls['api']}/events?topic=a", headers={"Last-Event-ID": last}) as answer:
            began, pieces, times = time.monotonic(), [], []
            for piece in answer.iter_raw():
                pieces.append(piece)
                times.append(time.monotonic() - began)
        found.append((pieces, times[-1] - times[0] > 2 * GAP))
    return found


@client
def long_polling(urls: Urls) -> Any:
    polled: list[httpx.Response] = []
    poll = threading.Thread(target=lambda: polled.append(WEB.get(f"{urls['api']}/poll")))
    began = time.monotonic()
    poll.start()
    woken = WEB.post(f"{urls['api']}/wake").status_code
    poll.join()
    took = time.monotonic() - began
    return woken, polled[0].json(), took > GAP / 2, WEB.get(f"{urls['api']}/poll").status_code


@client
def a_refused_upgrade(urls: Urls) -> Any:
    with pytest.raises(InvalidStatus) as refused, ws.connect(f"{urls['raw']}/refused".replace("http", "ws")):
        pass
    answer = refused.value.response
    return answer.status_code, answer.reason_phrase, answer.body


@client
def fragments_with_a_ping_between(urls: Urls) -> Any:
    """Boundaries and times of the frames, and a ping that did not wait for the last of them."""
    found, began = [], 0.0
    with RawClient(urls["raw"], "/fragments") as peer:
        peer.send(Message(flow="", at=0, direction=UP, data="?"))
        rest = b""
        while len(rest) < 24:
            rest += peer.socket.recv(1000)
            began = began or time.monotonic()
            found.append(time.monotonic() - began)
    return rest, found[-1] > GAP


@client
def a_word_after_the_close(urls: Urls) -> Any:
    """What a client says after its close is not heard, and harms nobody; what the server says comes as it did."""
    with RawClient(urls["raw"], "/late") as peer:
        close, late = peer.read(), peer.read()
        peer.send(Close(flow="", at=0, direction=UP, code=4001))
        peer.send(Ping(flow="", at=0, direction=UP, data=b"and another thing"))
    return close.code, close.reason, late.data


def socket(urls: Urls, path: str = "/", **options: Any) -> ws.ClientConnection:
    return ws.connect(urls["sockets"].replace("http", "ws") + path, **options)


@client
def binary_and_text(urls: Urls) -> Any:
    with socket(urls) as peer:
        sent = [b"\x00\xff" * 200, "grüß", b"", "", "x" * 70_000]
        found = []
        for message in sent:
            peer.send(message)
            found.append(peer.recv())
    return found == sent


@client
def compression(urls: Urls) -> Any:
    """Negotiated as in the recording, and left out for who does not offer it."""
    found = []
    for how in ("deflate", None):
        with socket(urls, f"/compression?{how}", compression=how) as peer:
            peer.send("again and again " * 50)
            assert peer.response is not None
            found.append((peer.response.headers.get("Sec-WebSocket-Extensions"), peer.recv()))
    return found


@client
def subprotocols(urls: Urls) -> Any:
    found = []
    for offered in (["v1.chat", "v2.chat"], ["v1.chat"], None):
        with socket(urls, f"/{len(offered or [])}", subprotocols=offered) as peer:
            found.append(peer.subprotocol)
    return found


@client
def several_sockets(urls: Urls) -> Any:
    """Two at once, and each answers to its own room."""
    with socket(urls, "/rooms/1") as one, socket(urls, "/rooms/2") as two:
        found = []
        for number, peer in enumerate((one, two, one, two)):
            peer.send(json.dumps({"type": "join", "room": f"room-{number}-of-mine"}))
            found.append(json.loads(peer.recv())["room"])
    return found


@client
def heartbeats(urls: Urls) -> Any:
    """In JSON and by protocol, in both directions, as often as the client likes."""
    with socket(urls, "/heartbeat") as peer:
        found = [peer.recv()]
        peer.send('{"type": "pong", "n": 1}')
        for number in range(3 if "replay" in urls else 1):
            peer.send('{"type": "ping"}')
            assert peer.recv() == '{"type": "pong"}'
            assert peer.ping(f"{number}").wait(10)
    return found


@client
def closes_of_the_server(urls: Urls) -> Any:
    found = []
    for code, reason in ((1011, "Internal error"), (4999, "")):
        with socket(urls, f"/closes/{code}") as peer:
            peer.send(json.dumps({"type": "close", "code": code, "reason": reason}))
            with pytest.raises(ConnectionClosed) as closed:
                peer.recv()
            assert closed.value.rcvd is not None
            found.append((closed.value.rcvd.code, closed.value.rcvd.reason))
    return found


@client
def closes_of_the_client(urls: Urls) -> Any:
    """With any code and at any time, also another than was recorded: the server's close says the same."""
    found = []
    for code in (1000, 3000, 4321) if "replay" in urls else (1001,):
        for words in (0, 2):
            with socket(urls, "/left") as peer:
                for _ in range(words):
                    peer.send("a word")
                    peer.recv()
                peer.close(code, "enough")
            found.append(peer.protocol.close_rcvd is not None and peer.protocol.close_rcvd.code == code)
    return set(found)


# --- once against staging, once against the replay -------------------------------------------------------------


@pytest.fixture(scope="module")
def upstreams(staging: Staging, raw_port: int) -> list[Upstream]:
    staging.handler = raw

    async def api() -> web.AppRunner:
        runner = web.AppRunner(Api().app())
        await runner.setup()
        return runner

    runner = staging.run(api)
    bound = staging.serve(lambda: _site(runner))
    other = staging.serve(lambda: serve(sockets, "127.0.0.1", 0, select_subprotocol=choose))
    ports = {"api": bound, "raw": raw_port, "sockets": other}
    return [Upstream(name, f"http://127.0.0.1:{port}") for name, port in ports.items()]


async def _site(runner: web.AppRunner) -> asyncio.Server:
    assert runner.server is not None
    return await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)


Findings = tuple[dict[str, Any], Path]


@pytest.fixture(scope="module")
def findings(
    upstreams: list[Upstream],
    recorder_and_notes: tuple[Recorder, Recorded],
    tmp_path_factory: pytest.TempPathFactory,
) -> Findings:
    """What every client found at staging, and the recording of it, on the disk and without its secrets."""
    recorder, notes = recorder_and_notes
    urls = dict(recorder.addresses) | {"home": upstreams[0].url}
    found = {name: run(urls) for name, run in CLIENTS.items()}
    time.sleep(0.3)  # the last closes are under way
    path = tmp_path_factory.mktemp("protocol") / "recorded.jsonl"
    services = tuple(Service(name=upstream.name, origins=(upstream.url,)) for upstream in upstreams)
    with RecordingWriter(path, redact=Redactor().event) as writer:
        writer.begin(Header(created=time.time_ns() // 1000, services=services))
        for event in list(notes.events):
            writer.write(event)
    assert notes.problems == []
    return found, path


@pytest.fixture(scope="module")
def replayed(findings: Findings) -> Iterator[Urls]:
    with Replay(compile_script(load(findings[1]).recording), settings=Settings()) as replay:
        urls = {name: replay.url(name) for name in ("api", "raw", "sockets")}
        yield urls | {"home": urls["api"], "replay": "yes"}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_finds_the_same(name: str, findings: Findings, replayed: Urls) -> None:
    """Some find out how far apart things come; on a busy machine they read late, and look again."""
    for _ in range(3):
        found = CLIENTS[name](replayed)
        if found == findings[0][name]:
            return
    assert found == findings[0][name]
