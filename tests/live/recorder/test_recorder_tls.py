"""TLS on either side of the recorder, and the forward proxy, which needs it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trustme
import websockets.sync.client
from staging import RawClient, Recorded, Staging, frame, heard, reset, switching
from websockets.asyncio.server import ServerConnection, serve

from simulator.core.errors import StagesimError
from simulator.core.events import Direction, Message, Ping, header
from simulator.core.recording import Service
from simulator.live.recorder import Recorder, Upstream

# How mitmproxy 11 calls pyOpenSSL is deprecated by now; it warns whenever a client speaks TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL .* objects is deprecated:DeprecationWarning")


@dataclass
class Secure:
    """TLS servers of one CA: WebSocket echo, and a raw one."""

    ca: Path
    echo: int
    raw: int


@pytest.fixture(scope="module")
def secure(staging: Staging, tmp_path_factory: pytest.TempPathFactory) -> Secure:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    pem = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    port = staging.serve(lambda: serve(echo, "127.0.0.1", 0, ssl=context))
    return Secure(ca=pem, echo=port, raw=staging.listen(context))


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def answer(staging: Staging) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        staging.head = head
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
        await reader.read()

    staging.handler = serve


@pytest.fixture
def trusting(secure: Secure, recorded: Recorded) -> Iterator[Recorder]:
    upstreams = [
        Upstream("echo", f"wss://localhost:{secure.echo}"),
        Upstream("raw", f"https://127.0.0.1:{secure.raw}"),
    ]
    with Recorder(recorded.sink, upstreams=upstreams, trust=secure.ca, on_problem=recorded.problem) as recorder:
        yield recorder


def test_a_server_with_a_trusted_certificate(
    staging: Staging, secure: Secure, trusting: Recorder, recorded: Recorded
) -> None:
    answer(staging)
    assert httpx.get(trusting.addresses["raw"], trust_env=False).text == "fine"
    request, response = recorded.flow("request response")
    assert header(request.headers, "host") == f"127.0.0.1:{secure.raw}"
    assert response.body == b"fine"
    with websockets.sync.client.connect(trusting.addresses["echo"].replace("http", "ws")) as client:
        client.send("x")
        assert client.recv() == "x"
    recorded.flow("request response message message close close")
    assert not recorded.problems


@pytest.mark.parametrize("rst", [True, False], ids=["RST", "FIN"])
def test_a_server_that_vanishes_below_tls(
    staging: Staging, trusting: Recorder, recorded: Recorded, rst: bool
) -> None:
    arrived = asyncio.Event()

    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head) + frame(1, b"hello"))
        await arrived.wait()
        if rst:
            reset(writer)

    staging.handler = serve
    with RawClient(trusting.addresses["raw"]) as client:
        assert client.read().data == "hello"
        staging.loop.call_soon_threadsafe(arrived.set)
        with pytest.raises(EOFError):
            client.read()
    gone = recorded.flow("request response message reset")[-1]
    assert (gone.direction, gone.rst) == (Direction.DOWNSTREAM, rst)


def test_a_server_with_an_untrusted_certificate(secure: Secure, recorded: Recorded) -> None:
    upstreams = [Upstream("raw", f"https://127.0.0.1:{secure.raw}")]
    with Recorder(recorded.sink, upstreams=upstreams, on_problem=recorded.problem) as recorder:
        assert httpx.get(recorder.addresses["raw"], trust_env=False).status_code == 502
        summary = recorder.stop()
    assert [event.kind for event in recorded.events] == ["request"]
    (problem,) = recorded.problems
    assert problem.startswith(f"raw: the certificate of https://127.0.0.1:{secure.raw} is not trusted: ")
    assert "(use --trust CA.pem or --insecure)" in problem
    assert summary.problems == 1


def test_a_certificate_for_another_host(secure: Secure, recorded: Recorded) -> None:
    upstreams = [Upstream("raw", f"https://127.0.0.2:{secure.raw}")]
    with Recorder(recorded.sink, upstreams=upstreams, trust=secure.ca, on_problem=recorded.problem) as recorder:
        httpx.get(recorder.addresses["raw"], trust_env=False)
    assert "127.0.0.2" in recorded.problems[0]


def test_insecure_trusts_any_certificate(staging: Staging, secure: Secure, recorded: Recorded) -> None:
    answer(staging)
    upstreams = [Upstream("raw", f"https://127.0.0.1:{secure.raw}")]
    with Recorder(recorded.sink, upstreams=upstreams, insecure=True, on_problem=recorded.problem) as recorder:
        assert httpx.get(recorder.addresses["raw"], trust_env=False).text == "fine"
    assert not recorded.problems


def test_a_reverse_proxy_speaks_tls_too(staging: Staging, trusting: Recorder, recorded: Recorded) -> None:
    answer(staging)
    context = ssl.create_default_context(cafile=trusting.ca_file)
    url = trusting.addresses["raw"].replace("http", "https")
    assert httpx.get(url, verify=context, trust_env=False).text == "fine"
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
    recorded.until(lambda: recorded.problems)
    assert recorded.problems[0].startswith("no TLS with a client: it does not trust the certificate of ")
    assert str(trusting.ca_file) in recorded.problems[0]


def test_a_trust_file_that_is_none(tmp_path: Path, recorded: Recorded) -> None:
    bad = tmp_path / "bad.pem"
    for trust in (bad, tmp_path / "none.pem"):
        bad.write_text("nothing")
        recorder = Recorder(recorded.sink, upstreams=[Upstream("a", "https://a.example")], trust=trust)
        with pytest.raises(StagesimError, match="expected a PEM file with CA certificates") as raised:
            recorder.start()
        assert raised.value.place == str(trust)


@pytest.fixture
def forward(secure: Secure, recorded: Recorded, tmp_path: Path) -> Iterator[Recorder]:
    with Recorder(
        recorded.sink,
        upstreams=[Upstream("known", f"https://127.0.0.1:{secure.raw}")],
        forward=True,
        trust=secure.ca,
        confdir=tmp_path,
        on_problem=recorded.problem,
    ) as recorder:
        yield recorder


def test_a_forward_proxy(
    staging: Staging, secure: Secure, raw_port: int, forward: Recorder, recorded: Recorded, tmp_path: Path
) -> None:
    answer(staging)
    assert forward.addresses == {}
    assert forward.ca_file.parent == tmp_path
    context = ssl.create_default_context(cafile=forward.ca_file)
    with httpx.Client(proxy=forward.proxy_address, verify=context) as client:
        headers = {"Proxy-Authorization": "Basic eA=="}
        assert client.get(f"https://127.0.0.1:{secure.raw}/a?b").text == "fine"
        known, _ = recorded.flow("request response")
        assert client.get(f"http://127.0.0.1:{raw_port}/c?d", headers=headers).text == "fine"
        other, _ = recorded.flow("request response")
    assert (known.service, known.target) == ("known", "/a?b")
    assert (other.service, other.target) == (f"127-0-0-1-{raw_port}", "/c?d")
    assert not [name for name, _ in other.headers if name.lower().startswith("proxy-")]
    assert header(other.headers, "host") == f"127.0.0.1:{raw_port}"
    assert forward.stop().services == (
        Service(name="known", origins=(f"https://127.0.0.1:{secure.raw}",)),
        Service(name=f"127-0-0-1-{raw_port}", origins=(f"http://127.0.0.1:{raw_port}",)),
    )


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_websocket_through_a_forward_proxy(
    staging: Staging, secure: Secure, raw_port: int, forward: Recorder, recorded: Recorded, scheme: str
) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head) + frame(1, b"hello"))
        await reader.readexactly(1)
        reset(writer)

    staging.handler = serve
    port = secure.raw if scheme == "wss" else raw_port
    context = ssl.create_default_context(cafile=forward.ca_file) if scheme == "wss" else None
    uri = f"{scheme}://127.0.0.1:{port}/chat"
    with websockets.sync.client.connect(uri, proxy=forward.proxy_address, ssl=context) as client:
        assert client.recv() == "hello"
        client.send("x")
        with pytest.raises(websockets.ConnectionClosedError):
            client.recv()
    request, *_, gone = recorded.flow("request response message message reset")
    assert request.target == "/chat"
    assert request.service == ("known" if scheme == "wss" else f"127-0-0-1-{port}")
    assert (gone.direction, gone.rst) == (Direction.DOWNSTREAM, True)


def test_another_connection_of_the_same_client_ends(
    staging: Staging, forward: Recorder, recorded: Recorded, raw_port: int
) -> None:
    other, over = staging.listen(), staging.event()

    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "upgrade" in head.lower():
            writer.write(switching(head))
            writer.write(frame(1, (await reader.readexactly(7))[6:]))
            await reader.read()
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await heard(over)

    staging.handler = serve
    parts = urlsplit(forward.proxy_address or "")
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connected:
        connected.sendall(f"GET http://127.0.0.1:{other}/ HTTP/1.1\r\nHost: 127.0.0.1:{other}\r\n\r\n".encode())
        assert connected.recv(1000).startswith(b"HTTP/1.1 200")
        address = f"http://127.0.0.1:{raw_port}"
        with RawClient(address, f"{address}/ws", connected=connected) as client:
            over.set()
            staging.run(lambda: staging.quiet(1))
            client.send(Ping(flow="", at=0, direction=Direction.UPSTREAM, data=b"?"))
            assert isinstance(client.read(), Message)
            recorded.flow("request response ping message")


def test_what_is_not_http_is_a_problem(forward: Recorder, recorded: Recorded, staging: Staging) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(4))[::-1])
        writer.close()

    port = staging.serve(lambda: asyncio.start_server(shout, "127.0.0.1", 0))
    parts = urlsplit(forward.proxy_address or "")
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"\x00\x01\x02\x03")
        assert client.recv(1000) == b"\x03\x02\x01\x00"
    recorded.until(lambda: recorded.problems)
    assert recorded.problems == [f"a connection to ('127.0.0.1', {port}) is not HTTP, and is not recorded"]


def test_a_forward_proxy_to_nobody(forward: Recorder, recorded: Recorded) -> None:
    context = ssl.create_default_context(cafile=forward.ca_file)
    with httpx.Client(proxy=forward.proxy_address, verify=context) as client:
        assert client.get("https://127.0.0.1:1/").status_code == 502
    assert recorded.problems == [
        "127-0-0-1-1: https://127.0.0.1:1 refused the connection; the client got a 502 that is not recorded"
    ]
