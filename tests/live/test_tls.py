"""TLS in front of a replay: real clients, and faults that must reach them through it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from simulator.core.errors import StagesimError
from simulator.core.events import Request, Response
from simulator.core.recording import Service
from simulator.core.units import duration
from simulator.live import tls
from simulator.live.certificates import CERTIFICATE, KEY, LocalCA, local_ca
from simulator.live.clock import ManualClock
from tests.conversations import UPGRADE, recording
from tests.faults.foreign import KEY as WEBSOCKET_KEY
from tests.faults.foreign import Conversation, Seen, by_websockets
from tests.faults.http.web import BODY, site
from tests.faults.wire import look, rules_of, ticking
from tests.live.secure import PATIENCE, by_hand, secure_replay, trusting

GET = b"GET /items HTTP/1.1\r\nHost: staging\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def ca() -> Iterator[LocalCA]:
    with local_ca() as made:
        yield made


def upgrade() -> bytes:
    fields = [
        ("Host", "staging"),
        *UPGRADE[1:],
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", WEBSOCKET_KEY),
    ]
    return "\r\n".join(["GET /ws HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]).encode()


def go() -> bytes:
    return Frame(Opcode.TEXT, Conversation().says[0].encode()).serialize(mask=True)


def test_https_and_wss_and_plain_http_on_one_port(ca: LocalCA) -> None:
    async def talk() -> None:
        async with secure_replay(ca, site()) as server:
            assert server.url.startswith("https://127.0.0.1:")
            async with httpx.AsyncClient(verify=trusting(ca)) as client:
                assert (await client.get(f"{server.url}/items")).content == BODY
                assert (await client.get(server.url.replace("127.0.0.1", "localhost") + "/items")).content == BODY
                plain = server.url.replace("https", "http")
                assert (await client.get(f"{plain}/items")).content == BODY
        async with secure_replay(ca, ticking()) as server, aiohttp.ClientSession() as session:
            wss = server.url.replace("http", "ws", 1) + "/ws"
            async with connect(wss, ssl=trusting(ca)) as ws:
                assert "welcome" in str(await ws.recv())
            async with session.ws_connect(wss, ssl=trusting(ca)) as other:
                assert (await other.receive_json())["type"] == "welcome"
            async with connect(wss.replace("wss", "ws")) as ws:
                assert "welcome" in str(await ws.recv())

    asyncio.run(talk())


def test_absolute_urls_are_secure_ones(ca: LocalCA) -> None:
    played = recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/where"),
        Response(flow="1", at=1, status=200, body=b"http://api.staging/x ws://api.staging/ws"),
        services=(Service(name="backend", origins=("http://api.staging",)),),
    )

    async def talk() -> None:
        async with secure_replay(ca, played) as server, httpx.AsyncClient(verify=trusting(ca)) as client:
            found = (await client.get(f"{server.url}/where")).text
            assert found == f"{server.url}/x {server.url.replace('https', 'wss')}/ws"

    asyncio.run(talk())


def test_a_client_that_does_not_trust_is_told_and_said(ca: LocalCA, caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        async with secure_replay(ca, site()) as server, httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get(f"{server.url}/items")
            with pytest.raises(httpx.ConnectError), httpx.Client(trust_env=False) as blocking:
                await asyncio.to_thread(blocking.get, f"{server.url}/items")
            async with httpx.AsyncClient(verify=trusting(ca)) as other:
                assert (await other.get(f"{server.url}/items")).status_code == 200

    asyncio.run(talk())
    assert caplog.text.count("a TLS handshake failed") == 2  # once without an alert: asyncio's TLS sends none
    assert "a TLS handshake failed: TLSV1_ALERT_UNKNOWN_CA" in caplog.text


FAULTS = (
    "reset",
    "abnormal-end",
    "reset-mid-frame",
    "close",
    "truncate",
    "masked-frame",
    "fragment",
    "duplicate",
    "refuse",
    "close-then-talk",
    "reset-at-accept",
)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_the_same_through_tls(fault: str, ca: LocalCA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
    plain, _ = look("websockets", rules_of(fault))

    async def talk() -> None:
        seen = Seen()
        async with secure_replay(ca, ticking(), *rules_of(fault)) as server, asyncio.timeout(PATIENCE):
            await by_websockets(server.url.replace("http", "ws", 1) + "/ws", Conversation(), seen)
            assert all(stage.fired for stage in server.session.stages)
        assert seen.words == plain.words

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("fault", "params", "how"),
    [
        ("reset", {}, "RST"),
        ("abnormal-end", {}, "FIN"),
        ("reset-mid-frame", {}, "RST"),
        ("reset-mid-frame", {"rst": False}, "FIN"),
    ],
)
def test_how_a_websocket_ends_is_seen_through_tls(
    fault: str, params: dict[str, object], how: str, ca: LocalCA
) -> None:
    async def talk() -> None:
        async with secure_replay(ca, ticking(), *rules_of(fault, **params)) as server, asyncio.timeout(PATIENCE):
            data, end = await by_hand(server.url, ca, upgrade(), go())
            assert end == how
            if fault == "reset-mid-frame":
                assert data.endswith(b'\x81;{"type": "tick", "number": 2')

    asyncio.run(talk())


def test_a_good_end_says_goodbye_and_a_truncated_body_does_not(ca: LocalCA) -> None:
    async def talk() -> None:
        async with secure_replay(ca, site()) as server, asyncio.timeout(PATIENCE):
            data, end = await by_hand(server.url, ca, GET)
            assert (data.endswith(BODY), end) == (True, "goodbye")
        async with secure_replay(ca, site(), *rules_of("truncated-body")) as server, asyncio.timeout(PATIENCE):
            data, end = await by_hand(server.url, ca, GET)
            assert (data.endswith(BODY[: len(BODY) // 2]), end) == (True, "FIN")

    asyncio.run(talk())


@pytest.mark.parametrize("stays", [False, True])
def test_a_half_open_connection_stays_whatever_the_client_does(stays: bool, ca: LocalCA) -> None:
    async def talk() -> None:
        clock, rules = ManualClock(), rules_of("half-open", nth=2) if stays else ()
        async with secure_replay(ca, ticking(closes=False), *rules, clock=clock, speed=1) as server:
            leaving = asyncio.ensure_future(by_hand(server.url, ca, upgrade(), go(), leaves_at=b'"number": 1'))
            async with asyncio.timeout(PATIENCE):
                while not any("go" in str(getattr(event, "data", "")) for event in server.session.journal.events):
                    server.pump.advance(duration("1ms"))
                    await asyncio.sleep(0.001)
            server.pump.advance(duration("1h"))
            done, _ = await asyncio.wait([leaving], timeout=0.3 if stays else PATIENCE)
            assert bool(done) is not stays
        assert (await leaving)[1] in ("RST", "FIN", "goodbye")

    asyncio.run(talk())


def test_a_large_answer_comes_whole(ca: LocalCA) -> None:
    large = bytes(range(256)) * 20_000
    played = recording(
        Request(flow="1", at=0, service="backend", method="POST", target="/large", body=large),
        Response(flow="1", at=1, status=200, body=large),
    )

    async def talk() -> None:
        async with secure_replay(ca, played) as server, httpx.AsyncClient(verify=trusting(ca)) as client:
            assert (await client.post(f"{server.url}/large", content=large)).content == large

    asyncio.run(talk())


@pytest.mark.parametrize("begin", [b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["a byte", "half a hello"])
def test_a_hello_that_never_ends_is_not_waited_for(
    begin: bytes, ca: LocalCA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_TIMEOUT", 0.05)

    async def talk() -> None:
        async with secure_replay(ca, site()) as server, asyncio.timeout(PATIENCE):
            parts = urlsplit(server.url)
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(begin)
            assert await ended(reader) == b""
            writer.close()

    asyncio.run(talk())


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends, however it does."""
    found = b""
    try:
        while data := await reader.read(1 << 16):
            found += data
    except ConnectionResetError:
        pass
    return found


def test_what_is_no_tls_and_no_http_is_refused_and_others_are_served(ca: LocalCA) -> None:
    async def talk() -> None:
        async with secure_replay(ca, site()) as server, asyncio.timeout(PATIENCE):
            parts = urlsplit(server.url)
            for garbage in (
                b"\x16" + b"\xff" * 100,
                b"\x80" * 100 + b"\r\n\r\n",
                b"\x15\x03\x03\x00\x02\r\n\r\n",
            ):
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                writer.write(garbage)
                assert (await ended(reader))[:1] in (b"", b"\x15", b"H")  # nothing, an alert, or an answer in HTTP
                writer.close()
            async with httpx.AsyncClient(verify=trusting(ca)) as client:
                assert (await client.get(f"{server.url}/items")).status_code == 200

    asyncio.run(talk())


def test_a_server_that_stops_ends_what_has_not_shaken_hands(ca: LocalCA) -> None:
    async def talk() -> None:
        async with secure_replay(ca, site()) as server:
            parts = urlsplit(server.url)
            silent = socket.create_connection((parts.hostname or "", parts.port or 0))
            begun = socket.create_connection((parts.hostname or "", parts.port or 0))
            begun.sendall(b"\x16\x03")
            async with httpx.AsyncClient(verify=trusting(ca)) as client:
                await client.get(f"{server.url}/items")
                async with asyncio.timeout(2):  # and not after its STOP_TIMEOUT
                    await server.stop()
            silent.close()
            begun.close()

    asyncio.run(talk())


def test_a_certificate_is_for_its_names_only(ca: LocalCA) -> None:
    async def talk() -> None:
        async with secure_replay(ca, site()) as server:
            parts = urlsplit(server.url)
            with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'other\.example'"):
                await asyncio.open_connection(
                    parts.hostname, parts.port, ssl=trusting(ca), server_hostname="other.example"
                )

    asyncio.run(talk())


def test_a_ca_is_gone_with_its_process_or_kept_in_a_folder(tmp_path: Path) -> None:
    with local_ca() as passing:
        assert [path.suffix for path in passing.file.parent.iterdir()] == [".pem", ".pem"]  # and no key
    assert not passing.file.parent.exists()
    with local_ca(tmp_path / "kept") as first:
        before = first.file.read_bytes()
    with local_ca(tmp_path / "kept") as second:
        assert second.file.read_bytes() == before
        assert second.context(("localhost",)) is second.context(("localhost",))
        with pytest.raises(StagesimError, match="no certificate can be made"):
            second.context(("under_score.example",))
    assert (tmp_path / "kept" / KEY).stat().st_mode & 0o077 == 0
    (tmp_path / "kept" / CERTIFICATE).write_text("nonsense")
    with pytest.raises(StagesimError, match="not a CA of stagesim's"), local_ca(tmp_path / "kept"):
        pass
