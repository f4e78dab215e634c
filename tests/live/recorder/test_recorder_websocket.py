"""What travels on a WebSocket is recorded as it was on the wire, down to how it ended."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator, Sequence

import pytest
import websockets.sync.client
from staging import RawClient, Recorded, Staging, frame, heard, reset, switching
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from simulator.core.events import Close, Direction, Fragment, Message, Ping, Pong
from simulator.live.recorder import Recorder, Upstream

UP, DOWN = Direction.UPSTREAM, Direction.DOWNSTREAM


@pytest.fixture(scope="module")
def upstreams(staging: Staging, raw_port: int) -> list[Upstream]:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "close":
                await connection.close(1011, "Internal error")
            else:
                await connection.send(message)

    def choose(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return next(iter(offered), None)

    port = staging.serve(lambda: serve(echo, "127.0.0.1", 0, select_subprotocol=choose, max_size=None))
    return [Upstream("raw", f"ws://127.0.0.1:{raw_port}"), Upstream("echo", f"http://127.0.0.1:{port}")]


@pytest.fixture
def echo(recorder: Recorder) -> str:
    return recorder.addresses["echo"].replace("http", "ws")


def up(**fields: object) -> dict[str, object]:
    return {"flow": "", "at": 0, "direction": UP, **fields}


def text(data: str) -> Message:
    return Message(flow="", at=0, direction=UP, data=data)


def test_a_conversation(echo: str, recorded: Recorded) -> None:
    with websockets.sync.client.connect(f"{echo}/chat?room=7", subprotocols=[Subprotocol("v1")]) as client:
        client.send("grüß")
        assert client.recv() == "grüß"
        client.send(b"\x00\xff")
        assert client.recv() == b"\x00\xff"
        assert client.ping(b"?").wait(10)
        client.close(4000, "done")
    request, response, *events = recorded.flow(
        "request response message message message message ping pong close close"
    )
    assert (request.service, request.method, request.target) == ("echo", "GET", "/chat?room=7")
    assert (response.status, response.reason, response.streaming) == (101, "Switching Protocols", False)
    headers = dict(response.headers)
    assert headers["Sec-WebSocket-Protocol"] == "v1"
    assert "permessage-deflate" in headers["Sec-WebSocket-Extensions"]
    assert headers["Upgrade"].lower() == "websocket"
    assert headers["Connection"] == "Upgrade"
    assert [event.direction for event in events] == [UP, DOWN] * 4
    assert [event.data for event in events[:6]] == ["grüß", "grüß", b"\x00\xff", b"\x00\xff", b"?", b"?"]
    assert all(message.compressed for message in events[:4])
    assert [(event.code, event.reason) for event in events[6:]] == [(4000, "done")] * 2
    assert not recorded.problems


def test_without_compression(echo: str, recorded: Recorded) -> None:
    with websockets.sync.client.connect(echo, compression=None) as client:
        client.send("x")
        client.recv()
    events = recorded.flow("request response message message close close")
    assert not events[2].compressed
    assert not events[3].compressed


def test_the_server_closes(echo: str, recorded: Recorded) -> None:
    with websockets.sync.client.connect(echo) as client:
        client.send("close")
        with pytest.raises(websockets.ConnectionClosedError):
            client.recv()
    *_, first, second = recorded.flow("request response message close close")
    assert (first.direction, first.code, first.reason) == (DOWN, 1011, "Internal error")
    assert (second.direction, second.code) == (UP, 1011)


def test_large_messages(echo: str, recorded: Recorded) -> None:
    data = bytes(range(256)) * (8 << 12)
    with websockets.sync.client.connect(echo, max_size=None, compression=None) as client:
        client.send(data)
        assert client.recv() == data
    _, _, sent, echoed, *_ = recorded.flow("request response message message close close")
    assert sent.data == echoed.data == data


def test_sockets_at_the_same_time(echo: str, recorded: Recorded) -> None:
    with websockets.sync.client.connect(f"{echo}/a") as one, websockets.sync.client.connect(f"{echo}/b") as two:
        for word in ("x", "y"):
            one.send(f"a{word}")
            two.send(f"b{word}")
            assert (one.recv(), two.recv()) == (f"a{word}", f"b{word}")
    recorded.until(lambda: sum(isinstance(event, Close) for event in recorded.events) == 4)
    flows: dict[str, list[object]] = {}
    for event in recorded.events:
        if isinstance(event, Message):
            flows.setdefault(event.flow, []).append(event.data)
    assert list(flows.values()) == [["ax", "ax", "ay", "ay"], ["bx", "bx", "by", "by"]]


def test_what_comes_with_the_101_is_not_lost(staging: Staging, raw: str, recorded: Recorded) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head) + frame(1, b"hello") + frame(9, b"?"))
        await reader.read()

    staging.handler = serve
    with RawClient(raw) as client:
        assert isinstance(client.read(), Message)
        assert isinstance(client.read(), Ping)
    _, response, message, ping, gone = recorded.flow("request response message ping reset")
    assert response.at <= message.at
    assert (message.data, ping.data) == ("hello", b"?")
    assert gone.direction is UP


def test_fragments_keep_their_times_and_pings_overtake_them(
    staging: Staging, raw: str, recorded: Recorded
) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head) + frame(1, b"ab", fin=False))
        await writer.drain()
        await reader.readexactly(
            6 + 1
        )  # The client's ping: the first frame is out, and the message is not complete.
        writer.write(frame(10, b"!") + frame(0, b"", fin=False))
        await writer.drain()
        await reader.readexactly(6 + 1)
        writer.write(frame(0, b"cde") + frame(8, struct.pack("!H", 1000)))
        await reader.readexactly(6)

    staging.handler = serve
    with RawClient(raw) as client:
        client.send(Ping(**up(data=b"1")))
        assert isinstance(client.read(), Pong)
        client.send(Ping(**up(data=b"2")))
        assert client.read().data == "abcde"
        client.send(Close(**up()))
        # The message stands where its first frame came, before the pings that came in its middle.
        _, _, message, first, pong, second, *_ = recorded.flow(
            "request response message ping pong ping close close"
        )
    assert [fragment.size for fragment in message.fragments] == [2, 0, 3]
    after = [message.at + fragment.after for fragment in message.fragments]
    assert message.fragments[0].after == 0
    assert after[0] <= first.at <= pong.at == after[1] <= second.at <= after[2]


@pytest.mark.parametrize("code", [1000, 1001, 1012, 1013, 1014, 3000, 4999, None])
def test_close_codes_are_kept(staging: Staging, raw: str, recorded: Recorded, code: int | None) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head) + frame(8, struct.pack("!H", code) + b"why" if code else b""))
        await reader.readexactly(6)

    staging.handler = serve
    with RawClient(raw) as client:
        assert client.read().code == code
        client.send(Close(**up()))
        *_, theirs, ours = recorded.flow("request response close close")
    assert (theirs.direction, theirs.code, theirs.reason) == (DOWN, code, "why" if code else "")
    assert (ours.direction, ours.code, ours.reason) == (UP, None, "")
    assert not recorded.problems


@pytest.mark.parametrize("rst", [True, False], ids=["RST", "FIN"])
@pytest.mark.parametrize("last", [b"", frame(1, b"x"), b"\x81\x05ab", frame(1, b"a", fin=False)])
def test_a_server_that_vanishes(staging: Staging, raw: str, recorded: Recorded, rst: bool, last: bytes) -> None:
    arrived = staging.event()

    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head) + frame(1, b"hello") + last)
        await heard(arrived)  # An RST may overtake what was sent before it.
        if rst:
            reset(writer)

    staging.handler = serve
    with RawClient(raw) as client:
        assert client.read().data == "hello"
        arrived.set()
        with pytest.raises(EOFError):
            client.read()
            client.read()
    whole = last == frame(1, b"x")
    kinds = "request response message " + ("message " if whole else "bytes " if last else "") + "reset"
    *events, gone = recorded.flow(kinds)
    assert (gone.direction, gone.rst) == (DOWN, rst)
    if last and not whole:
        assert events[-1].data == last
        assert events[-1].direction is DOWN
    assert not recorded.problems


@pytest.mark.parametrize("rst", [True, False], ids=["RST", "FIN"])
def test_a_client_that_vanishes(staging: Staging, raw: str, recorded: Recorded, rst: bool) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head))
        await reader.read()

    staging.handler = serve
    with RawClient(raw) as client:
        client.send(text("bye"))
        recorded.flow("request response message")
        if rst:
            client.reset()
    *_, gone = recorded.flow("request response message reset")
    assert (gone.direction, gone.rst) == (UP, rst)


@pytest.mark.parametrize("rst", [True, False], ids=["RST", "FIN"])
def test_a_server_that_does_not_wait_for_the_answer_to_its_close(
    staging: Staging, raw: str, recorded: Recorded, rst: bool
) -> None:
    arrived = staging.event()

    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head) + frame(8, b"\x03\xf3"))
        await heard(arrived)
        if rst:
            reset(writer)

    staging.handler = serve
    with RawClient(raw) as client:
        assert client.read().code == 1011
        arrived.set()
        with pytest.raises(EOFError):
            client.read()
    assert recorded.flow("request response close")[-1].direction is DOWN


def test_a_client_that_vanishes_instead_of_answering_a_close(
    staging: Staging, raw: str, recorded: Recorded
) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head) + frame(8))
        await reader.read()

    staging.handler = serve
    with RawClient(raw) as client:
        assert client.read().code is None
    *_, close, gone = recorded.flow("request response close reset")
    assert (close.direction, gone.direction, gone.rst) == (DOWN, UP, False)


def test_illegal_frames_are_raw_bytes(staging: Staging, raw: str, recorded: Recorded) -> None:
    illegal = frame(3, b"what") + frame(8, struct.pack("!H", 1006))

    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head) + frame(1, b"fine") + illegal)
        await reader.readexactly(1)

    staging.handler = serve
    with RawClient(raw) as client:
        assert client.read().data == "fine"
        assert client.read().data == illegal
        client.socket.sendall(b"\x81")
        *_, fine, bytes_, _, gone = recorded.flow("request response message bytes bytes reset")
    assert (fine.data, bytes_.data, bytes_.direction) == ("fine", illegal, DOWN)
    assert (gone.direction, gone.rst) == (DOWN, False)


def test_what_comes_after_a_close_frame_is_bytes(staging: Staging, raw: str, recorded: Recorded) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head) + frame(8) + frame(1, b"too late"))
        await reader.readexactly(6)

    staging.handler = serve
    with RawClient(raw) as client:
        client.read()
        client.send(Close(**up()))
        *_, late, _ = recorded.flow("request response close bytes close")
    assert (late.data, late.direction) == (frame(1, b"too late"), DOWN)
    assert recorded.problems == []


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("Sec-WebSocket-Extensions: x-zip", "the WebSocket extension 'x-zip' is not understood"),
        ("Upgrade: other", "an upgrade to 'other' is not understood"),
    ],
)
def test_what_is_not_understood_is_raw_bytes(
    staging: Staging, raw: str, recorded: Recorded, field: str, problem: str
) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        response = switching(head, field)
        writer.write(response.replace(b"Upgrade: websocket\r\n", b"") if "Upgrade" in field else response)
        writer.write(b"anything")
        await writer.drain()
        await reader.readexactly(4)

    staging.handler = serve
    with RawClient(raw) as client:
        client.socket.sendall(b"ping")
        request, _, *events, gone = recorded.flow("request response bytes bytes reset")
    assert {(event.direction, event.data) for event in events} == {(UP, b"ping"), (DOWN, b"anything")}
    assert (gone.direction, gone.rst) == (DOWN, False)
    assert recorded.problems == [f"flow {request.flow}: {problem}; what follows is recorded as raw bytes"]


@pytest.mark.parametrize("status", ["403 Forbidden", "500 Internal Server Error", "503 Not Today"])
def test_a_refused_upgrade_is_an_ordinary_response(
    staging: Staging, raw: str, recorded: Recorded, status: str
) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nsorry".encode())
        await reader.read()

    staging.handler = serve
    with RawClient(raw) as client:
        assert client.head.startswith(f"HTTP/1.1 {status}".encode())
        _, response = recorded.flow("request response")
    assert f"{response.status} {response.reason}" == status
    assert response.body == b"sorry"


def test_a_server_that_vanishes_in_the_handshake(staging: Staging, raw: str, recorded: Recorded) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reset(writer)

    staging.handler = serve
    with pytest.raises(EOFError):  # And not a 502 of the recorder's own.
        RawClient(raw)
    _, gone = recorded.flow("request reset")
    assert (gone.direction, gone.rst) == (DOWN, True)


def test_two_values_of_one_header_stay_two(staging: Staging, raw: str, recorded: Recorded) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head, "sec-websocket-PROTOCOL: jwt"))
        await reader.read()

    staging.handler = serve
    with RawClient(raw, "/", "Sec-WebSocket-Protocol: jwt", "Sec-WebSocket-Protocol: token.abc"):
        request, response = recorded.flow("request response")
    offered = [field for field in request.headers if field[0] == "Sec-WebSocket-Protocol"]
    assert offered == [("Sec-WebSocket-Protocol", "jwt"), ("Sec-WebSocket-Protocol", "token.abc")]
    assert ("sec-websocket-PROTOCOL", "jwt") in response.headers


def test_fragments_of_a_client(echo: str, recorded: Recorded) -> None:
    def pieces() -> Iterator[str]:
        yield from ("one ", "two ", "three")

    with websockets.sync.client.connect(echo) as client:
        client.send(pieces())
        assert client.recv() == "one two three"
    _, _, sent, *_ = recorded.flow("request response message message close close")
    assert sent.data == "one two three"
    # websockets ends a message made of pieces by an empty frame.
    assert [fragment.size for fragment in sent.fragments] == [4, 4, 5, 0]
    assert isinstance(sent.fragments[0], Fragment)
