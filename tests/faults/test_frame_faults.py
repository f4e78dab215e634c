"""Frames that no server may send: the bytes on the wire, and what clients that other people wrote make of them.

What they make of each fault as its example file has it stands in the README; here are the variants.
"""

from __future__ import annotations

import pytest
from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed

from simulator.core.events import Message, Pong
from simulator.faults.rawframes import BINARY, CLOSE, PING, TEXT, close_frame, frame, frame_of
from tests.conversations import DOWN
from tests.faults.foreign import CLIENTS, Conversation
from tests.faults.wire import ALL, heard, look, on_the_wire, rules_of, sees, ticking, watch

BEFORE = ["open", "welcome", "tick 1"]
"""What comes before the third message."""
SECOND_TICK = b'{"type": "tick", "number": 2, "run_id": "'

each_client = pytest.mark.parametrize("client", CLIENTS)


@pytest.mark.parametrize(
    ("fault", "params", "code"),
    [
        ("reserved-bits", {"rsv": 3}, 1002),
        ("unknown-opcode", {"opcode": 7}, 1002),
        ("unknown-opcode", {"opcode": 11}, 1002),
        ("unknown-opcode", {"opcode": 15}, 1002),
    ],
)
@each_client
def test_every_client_rejects_an_illegal_frame(
    client: str, fault: str, params: dict[str, object], code: int
) -> None:
    assert sees(client, fault, ticking(closes=False), **params) == [*BEFORE, f"fails {code}"]


def test_what_says_that_it_is_compressed_does_not_inflate() -> None:
    deflate = ("Sec-WebSocket-Extensions", "permessage-deflate")
    played = ticking(closes=False, headers=(deflate,))
    assert look("websockets", [], ticking(headers=(deflate,)))[0].words == ALL
    assert sees("websockets", "compressed-bit", played) == [*BEFORE, "fails 1002"]


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ("websockets", ALL),  # they do not look how a length was written
        ("aiohttp", ALL),
        ("wsproto", [*BEFORE, "fails 1002"]),
    ],
)
def test_a_length_that_is_longer_than_need_be(client: str, words: list[str]) -> None:
    assert sees(client, "bad-length", how="not-minimal") == words


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ("websockets", BEFORE),
        ("aiohttp", BEFORE),
        ("wsproto", [*BEFORE, "fails 1007"]),  # it reads along, and the next frame's head is no text
    ],
)
def test_a_length_of_more_than_there_is(client: str, words: list[str]) -> None:
    seen = watch(client, rules_of("bad-length", how="too-long"), "1h", played=ticking(closes=False))
    assert seen == [words]


@pytest.mark.parametrize(
    ("fault", "params", "begins"),
    [
        ("reserved-bits", {"rsv": 2}, b"\xa1\x3b" + SECOND_TICK),
        ("reserved-bits", {"rsv": 3}, b"\x91\x3b" + SECOND_TICK),
        ("compressed-bit", {}, b"\xc1\x3b" + SECOND_TICK),
        ("unknown-opcode", {"opcode": 3}, b"\x83\x3b" + SECOND_TICK),
        ("masked-frame", {}, b"\x81\xbb\x37\xfa\x21\x3d" + bytes([ord("{") ^ 0x37, ord('"') ^ 0xFA])),
        ("bad-length", {}, b"\x81\x7f\x80\0\0\0\0\0\0\x3b" + SECOND_TICK),
        ("bad-length", {"how": "not-minimal"}, b"\x81\x7e\0\x3b" + SECOND_TICK),
        ("bad-length", {"how": "too-long", "extra": 1}, b"\x81\x3c" + SECOND_TICK),
        ("bad-length", {"how": "too-long", "extra": 1000}, b"\x81\x7e\x04\x23" + SECOND_TICK),
        ("fragmented-control", {}, b"\x09\x02he\x80\x03llo\x81\x3b" + SECOND_TICK),
        ("unexpected-continuation", {}, b"\x80\x3b" + SECOND_TICK),
        ("unsolicited-pong", {"every": 3}, b"\x8a\x07unasked\x81\x3b" + SECOND_TICK),
    ],
)
def test_the_bytes_are_those_that_were_declared(fault: str, params: dict[str, object], begins: bytes) -> None:
    data, _ = on_the_wire(fault, **params)
    first_tick = data.index(b'"number": 1')
    assert data[data.index(b"}", first_tick) + 1 :].startswith(begins)


def test_what_is_no_utf8_has_its_length_right() -> None:
    data, _ = on_the_wire("invalid-utf8")
    head, _, rest = data.partition(b"\xff")
    illegal = head[head.rindex(b"\x81\x3c") :] + b"\xff" + rest[: rest.index(b"}") + 1]
    assert len(illegal) == 2 + 0x3C
    assert illegal[2:].replace(b"\xff", b"").startswith(SECOND_TICK)


@each_client
def test_a_flood_of_pings_is_answered(client: str) -> None:
    talk = Conversation(leaves_at="tick 5")
    seen, server = look(client, rules_of("ping-flood", count=200), ticking(closes=False), talk)
    pings = [f"ping {number}" for number in range(200)]
    assert [word for word in seen.words if word.startswith("ping")] == ([] if client == "websockets" else pings)
    assert [event.data for event in heard(server, Pong)] == [  # type: ignore[attr-defined]
        str(number).encode() for number in range(200)
    ]


def test_pings_may_come_one_after_the_other_and_hold_nothing_up() -> None:
    flood = rules_of("ping-flood", count=3, gap="1s")
    words = watch("wsproto", flood, "900ms", "2s", played=ticking(closes=False))
    assert words[0] == ["open", "ping 0", "welcome", *ALL[2:7]]
    assert words[1] == [*words[0], "ping 1", "ping 2"]


@each_client
def test_a_missing_pong(client: str) -> None:
    pinging, played = Conversation(pings_at="welcome"), ticking(closes=False)
    (answered,) = watch(client, [], "1h", played=played, talk=pinging)
    assert sorted(answered) == sorted([*ALL[:-1], "pong are you there"])
    assert watch(client, rules_of("missing-pong"), "1h", played=played, talk=pinging) == [ALL[:-1]]


@pytest.mark.parametrize("client", ["aiohttp", "wsproto"])
def test_a_pong_that_nobody_asked_for_is_seen(client: str) -> None:
    words = sees(client, "unsolicited-pong", every=4, data="hello")
    assert words == [*ALL[:4], "pong hello", *ALL[4:]]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
@pytest.mark.parametrize("mask", [b"", b"\x01\x02\x03\x04"])
def test_raw_frames_are_read_by_others(size: int, mask: bytes) -> None:
    reader = FrameProtocol(client=not mask, extensions=[])
    reader.receive_bytes(frame(BINARY, b"x" * size, mask=mask))
    (read,) = list(reader.received_frames())
    assert (read.opcode, bytes(read.payload), read.message_finished) == (Opcode.BINARY, b"x" * size, True)


def test_raw_messages_and_closes_are_read_by_others() -> None:
    reader = FrameProtocol(client=True, extensions=[])
    reader.receive_bytes(frame_of(Message(flow="1", at=0, direction=DOWN, data="Grüße")))
    reader.receive_bytes(close_frame(4000, "bye"))
    said, closed = list(reader.received_frames())
    assert (said.opcode, said.payload) == (Opcode.TEXT, "Grüße")
    assert closed.payload == (4000, "bye")
    assert close_frame(None, "never said") == bytes([0x80 | CLOSE, 0])


def test_a_ping_in_pieces_is_no_ping() -> None:
    reader = FrameProtocol(client=True, extensions=[])
    reader.receive_bytes(frame(PING, b"?", fin=False) + frame(TEXT, b""))
    with pytest.raises(ParseFailed):
        list(reader.received_frames())
