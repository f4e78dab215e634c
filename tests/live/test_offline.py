"""The proxy of --offline, in front of a replay: hard-coded URLs are answered, and strangers are not."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage, InvalidProxyStatus

from simulator.core.errors import StagesimError
from simulator.core.events import Request, Response
from simulator.core.recording import Recording, Service
from simulator.core.rule import Rule
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.live import offline as module
from simulator.live.certificates import LocalCA, local_ca
from simulator.live.hosts import Routes, host_of, origins_of
from simulator.live.offline import offline
from simulator.live.server import ReplayServer
from tests.conversations import agent_run, recording
from tests.faults.wire import rules_of
from tests.live.secure import PATIENCE, trusting

API = "https://api.staging.example"


@pytest.fixture(scope="module")
def ca() -> Iterator[LocalCA]:
    with local_ca() as made:
        yield made


@dataclass
class Offline:
    """A replay behind its proxy, what its command would be told, and what was said about strangers."""

    server: ReplayServer
    variables: dict[str, str]
    said: list[str]

    @property
    def proxy(self) -> str:
        return self.variables["HTTPS_PROXY"]

    async def raw(self, data: bytes) -> bytes:
        """What the proxy answers to bytes, to its end."""
        parts = urlsplit(self.proxy)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(data)
        found = b""
        try:
            async with asyncio.timeout(PATIENCE):
                while piece := await reader.read(1 << 16):
                    found += piece
        except ConnectionResetError:
            pass
        finally:
            writer.close()
        return found


@asynccontextmanager
async def replaying(
    ca: LocalCA, played: Recording, *hosts: str, rules: tuple[Rule, ...] = ()
) -> AsyncIterator[Offline]:
    script, said = compile_script(played), []
    given = [host_of(text, script.services) for text in hosts]
    server = ReplayServer(
        script=script,
        rules=rules,
        settings=Settings(speed=math.inf),
        origins=origins_of(given, script.services),
    )
    await server.start()
    try:
        async with offline(server, module.Offline(hosts=given, ca=ca, say=said.append)) as variables:
            yield Offline(server=server, variables=variables, said=said)
    finally:
        await server.stop()


def staging() -> Recording:
    """Two services, each of which names the other in a body, and one behind plain HTTP."""
    where = json.dumps({"auth": "https://auth.staging.example/login", "ws": "wss://api.staging.example/ws"})
    return recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/where"),
        Response(flow="1", at=1, status=200, body=where.encode()),
        Request(flow="2", at=2, service="auth", method="GET", target="/health"),
        Response(flow="2", at=3, status=200, body=b"auth"),
        Request(flow="3", at=4, service="backend", method="GET", target="/health"),
        Response(flow="3", at=5, status=200, body=b"backend"),
        Request(flow="4", at=6, service="legacy", method="GET", target="/health"),
        Response(flow="4", at=7, status=200, body=b"legacy"),
        services=(
            Service(name="backend", origins=(API,)),
            Service(name="auth", origins=("https://auth.staging.example", "https://login.staging.example:8443")),
            Service(name="legacy", origins=("http://legacy.staging.example:8080",)),
        ),
    )


def test_recorded_hosts_are_answered_by_their_services_and_their_urls_stay(ca: LocalCA) -> None:
    async def talk() -> None:
        async with (
            replaying(ca, staging()) as running,
            httpx.AsyncClient(proxy=running.proxy, verify=trusting(ca)) as client,
        ):
            where = (await client.get(f"{API}/where")).json()
            assert where == {"auth": "https://auth.staging.example/login", "ws": "wss://api.staging.example/ws"}
            for url, body in {
                f"{API}/health": "backend",
                "https://API.staging.example:443/health": "backend",
                "https://auth.staging.example/health": "auth",
                "https://login.staging.example:8443/health": "auth",
                "http://legacy.staging.example:8080/health": "legacy",
            }.items():
                assert (await client.get(url)).text == body
            assert running.said == []
            assert {note.what for note in running.server.session.journal.notes()} == {"opened", "matched"}

    asyncio.run(talk())


@pytest.mark.parametrize("scheme", ["wss", "ws"])
def test_websockets_go_through_the_proxy(scheme: str, ca: LocalCA) -> None:
    async def talk() -> None:
        url = f"{scheme}://api.staging.example/ws"
        async with replaying(ca, agent_run(), "api.staging.example") as running:
            context = trusting(ca) if scheme == "wss" else None
            async with connect(url, proxy=running.proxy, ssl=context) as ws:
                assert "system_message" in str(await ws.recv())
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(url, proxy=running.proxy, ssl=context or True) as other,
            ):
                assert (await other.receive_json())["type"] == "system_message"

    asyncio.run(talk())


def test_a_stranger_is_refused_named_and_noted(ca: LocalCA) -> None:
    async def talk() -> None:
        async with replaying(ca, staging()) as running:
            known = f"{API[8:]}:443, auth.staging.example:443"
            async with httpx.AsyncClient(proxy=running.proxy, verify=trusting(ca)) as client:
                for _ in range(2):
                    with pytest.raises(
                        httpx.ProxyError, match=r"502 .*other\.example:443 is not in the recording"
                    ):
                        await client.get("https://other.example/health")
                refused = await client.get("http://other.example/health")
                assert refused.status_code == 502
                assert f"other.example:80 is not in the recording, which has {known}" in refused.text
                with pytest.raises(httpx.ProxyError, match=r"api\.staging\.example:444"):
                    await client.get(f"{API}:444/")
            with pytest.raises(InvalidProxyStatus):
                await connect("wss://other.example/ws", proxy=running.proxy, ssl=trusting(ca))
            assert [line.split()[0] for line in running.said] == [
                "other.example:443",
                "other.example:80",
                "api.staging.example:444",
            ]
            missed = [note.detail["event"] for note in running.server.session.journal.notes("missed")]
            assert missed.count("host other.example:443") == 3
            assert not running.server.session.live

    asyncio.run(talk())


def test_a_given_host_stands_for_a_service_and_is_named_in_its_urls(ca: LocalCA) -> None:
    played = recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/where"),
        Response(flow="1", at=1, status=200, body=b"http://127.0.0.1:4001/x ws://127.0.0.1:4002/y"),
        services=(
            Service(name="backend", origins=("http://127.0.0.1:4001",)),
            Service(name="auth", origins=("http://127.0.0.1:4002",)),
        ),
    )

    async def talk() -> None:
        async with (
            replaying(ca, played, "api.example=backend", "http://auth.example:81=auth") as running,
            httpx.AsyncClient(proxy=running.proxy, verify=trusting(ca)) as client,
        ):
            for url in ("https://api.example", "https://api.example:8443", "http://127.0.0.1:4001"):
                found = (await client.get(f"{url}/where")).text
                assert found == "https://api.example/x ws://auth.example:81/y"
            assert running.variables["NO_PROXY"] == ""  # for the recording's hosts are here

    asyncio.run(talk())


def test_clients_that_know_no_proxy_are_led_by_name(ca: LocalCA) -> None:
    """As Node's preload does it: another address, the same server name and Host."""

    async def talk() -> None:
        async with replaying(ca, staging()) as running:
            parts = urlsplit(running.proxy)
            for host, body in {"auth.staging.example": b"auth", "login.staging.example:8443": b"auth"}.items():
                reader, writer = await asyncio.open_connection(
                    parts.hostname, parts.port, ssl=trusting(ca), server_hostname=host.partition(":")[0]
                )
                writer.write(f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                assert (await reader.read()).endswith(body)
                writer.close()
            with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
                await asyncio.open_connection(
                    parts.hostname, parts.port, ssl=trusting(ca), server_hostname="other.example"
                )
            assert running.said[0].startswith("other.example is not in the recording")
            plain = await running.raw(b"GET /health HTTP/1.1\r\nHost: legacy.staging.example:8080\r\n\r\n\x00")
            assert b"legacy" in plain

    asyncio.run(talk())


def test_one_kept_connection_may_ask_for_several_hosts(ca: LocalCA) -> None:
    async def talk() -> None:
        async with replaying(ca, staging(), "http://plain.example=auth") as running:
            asked = ["legacy.staging.example:8080", "plain.example"]
            lines = [f"GET http://{host}/health HTTP/1.1\r\nHost: {host}\r\n\r\n" for host in asked]
            last = "CONNECT api.staging.example:443 HTTP/1.1\r\nHost: api.staging.example:443\r\n\r\n"
            answer = await running.raw("".join([*lines, last]).encode())
            assert answer.index(b"legacy") < answer.index(b"auth") < answer.index(b"HTTP/1.1 405")

    asyncio.run(talk())


def test_the_replays_own_address_is_no_stranger(ca: LocalCA) -> None:
    async def talk() -> None:
        async with (
            replaying(ca, staging()) as running,
            httpx.AsyncClient(proxy=running.proxy, verify=trusting(ca)) as client,
        ):
            assert (await client.get(f"{running.server.url}/health")).text == "backend"
            assert (await client.get(f"{running.server.urls['auth']}/health")).text == "auth"
            assert running.variables["NO_PROXY"] == "localhost,127.0.0.1,::1"

    asyncio.run(talk())


def test_a_service_that_was_taken_down_is_down_here_too(ca: LocalCA) -> None:
    async def ask(running: Offline, url: str) -> str:
        async with httpx.AsyncClient(proxy=running.proxy, verify=trusting(ca)) as client:
            return (await client.get(url)).text

    async def talk() -> None:
        auth = "https://auth.staging.example/health"
        async with replaying(ca, staging()) as running:
            assert await ask(running, auth) == "auth"
            running.server.take_down("auth")
            with pytest.raises(httpx.ProxyError, match=r"auth\.staging\.example:443 is down"):
                await ask(running, auth)
            assert await ask(running, f"{API}/health") == "backend"
            await running.server.bring_up("auth")
            assert await ask(running, auth) == "auth"

    asyncio.run(talk())


def test_faults_reach_through_the_proxy(ca: LocalCA) -> None:
    async def talk() -> None:
        url, rules = "wss://api.staging.example/ws", rules_of("reset-at-accept")
        async with replaying(ca, agent_run(), "api.staging.example", rules=rules) as running:
            with pytest.raises(InvalidMessage):
                await connect(url, proxy=running.proxy, ssl=trusting(ca))
            assert running.server.session.stages[0].fired == 1

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"CONNECT api.staging.example:99999 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"CONNECT api.staging.example:x HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"CONNECT [::1 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"CONNECT \x00 HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT me:secret@other.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", b"502"),
        (b"CONNECT " + b"x" * 300_000, b"431"),
        (b"GET http:///health HTTP/1.1\r\nHost: \r\n\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\nHost: nobody.example\r\n\r\n", b"502"),
        (b"\x00\x01\x02\r\n\r\n", b"400"),
        (b"CONNECTED\r\n\r\n", b"400"),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else value,
)
def test_what_is_no_request_is_refused(asked: bytes, status: bytes, ca: LocalCA) -> None:
    async def talk() -> None:
        async with replaying(ca, staging()) as running:
            answer = await running.raw(asked)
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert b"secret" not in answer
            assert "secret" not in str(running.said)

    asyncio.run(talk())


def test_a_connect_that_never_ends_is_not_waited_for(ca: LocalCA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HANDSHAKE_TIMEOUT", 0.05)

    async def talk() -> None:
        async with replaying(ca, staging()) as running:
            assert await running.raw(b"CONN") == b""
            assert await running.raw(b"CONNECT api.staging.example:443 HTTP/1.1\r\nHost:") == b""

    asyncio.run(talk())


def test_a_hello_may_come_with_its_connect(ca: LocalCA) -> None:
    """Clients wait for the 200, and those that do not lose nothing."""

    async def talk() -> None:
        async with replaying(ca, staging()) as running:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = trusting(ca).wrap_bio(incoming, outgoing, server_hostname="auth.staging.example")
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            parts = urlsplit(running.proxy)
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            head = b"CONNECT auth.staging.example:443 HTTP/1.1\r\nHost: x\r\n\r\n"
            writer.write(head + outgoing.read())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            assert (await reader.readexactly(1)) == b"\x16"
            writer.close()

    asyncio.run(talk())


def test_a_recording_without_hosts_needs_one(ca: LocalCA) -> None:
    played = recording(Request(flow="1", at=0, service="backend", method="GET", target="/"), services=())

    async def talk() -> None:
        with pytest.raises(StagesimError, match="names no host"):
            async with replaying(ca, played):
                pass
        async with replaying(ca, played, "api.example"):
            pass

    asyncio.run(talk())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=backend",
        "a b",
        "api.example=nobody",
        "ftp://api.example",
        "api.example:x",
        "https://a/b",
        "u@a",
        "[::1",
    ],
)
def test_what_is_no_host_is_said(text: str) -> None:
    with pytest.raises(StagesimError) as refused:
        host_of(text, ["backend"])
    assert str(refused.value).startswith("--host: ")


@given(st.text(), st.text())
@example("https://[", "backend")
@example("https://xn--\udcff", "")
@settings(max_examples=200, deadline=None)
def test_no_host_and_no_origin_breaks_anything(origin: str, service: str) -> None:
    routes = Routes.of([Service(name="a", origins=(origin, f"https://{origin}"))], [])
    assert routes.find("stranger.example", 443) is None
    try:
        host = host_of(f"{origin}={service}", ["a"])
    except StagesimError:
        return
    assert Routes.of([], [host]).knows(host.name)
