"""What goes in as frames comes out as events, and what comes out goes back in as the same frames."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from simulator.core.errors import StagesimError
from simulator.core.events import (
    Bytes,
    Close,
    Direction,
    Event,
    Fragment,
    Message,
    Ping,
    Pong,
    Request,
)
from simulator.live.frames import (
    Deflate,
    FrameParser,
    UnknownExtensionError,
    encode,
    encode_frames,
    frame_parsers,
    is_websocket,
    negotiated,
)

UP, DOWN = Direction.UPSTREAM, Direction.DOWNSTREAM
KEY = b"\x01\x02\x03\x04"
EXTENSIONS = "Sec-WebSocket-Extensions"


def parser(direction: Direction = DOWN, **options: object) -> FrameParser:
    return FrameParser(direction, flow="1", **options)  # type: ignore[arg-type]


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False) -> bytes:
    """An unmasked frame, legal or not; payloads below 126 bytes."""
    return bytes([fin << 7 | rsv1 << 6 | opcode, len(payload)]) + payload


def joined(events: Iterable[Event]) -> list[Event]:
    """The events, with neighbouring raw bytes as one: how bytes are cut says nothing."""
    found: list[Event] = []
    for event in events:
        if isinstance(event, Bytes) and found and isinstance(last := found[-1], Bytes):
            found[-1] = replace(last, data=last.data + event.data)
        else:
            found.append(event)
    return found


def text(data: str, **more: object) -> Message:
    return Message(flow="1", at=0, direction=DOWN, data=data, **more)  # type: ignore[arg-type]


def raw(data: bytes, at: int = 0) -> Bytes:
    return Bytes(flow="1", at=at, direction=DOWN, data=data)


def close(code: int | None, reason: str = "") -> Close:
    return Close(flow="1", at=0, direction=DOWN, code=code, reason=reason)


def fragmented(direction: Direction = DOWN) -> st.SearchStrategy[Message]:
    """Messages, cut anywhere, also inside a character."""

    @st.composite
    def build(draw: st.DrawFn) -> Message:
        data = draw(st.text(max_size=300) | st.binary(max_size=300))
        size = len(data.encode() if isinstance(data, str) else data)
        cuts = sorted(draw(st.lists(st.integers(0, size), max_size=4)))
        sizes = [end - start for start, end in zip([0, *cuts], [*cuts, size], strict=True)]
        fragments = tuple(Fragment(size=part) for part in sizes) if cuts else ()
        compressed = draw(st.booleans())
        return Message(flow="1", at=0, direction=direction, data=data, fragments=fragments, compressed=compressed)

    return build()


def conversations(direction: Direction = DOWN) -> st.SearchStrategy[list[Event]]:
    said = {"flow": st.just("1"), "at": st.just(0), "direction": st.just(direction)}
    control = st.binary(max_size=125)
    message = fragmented(direction)
    pings = st.builds(Ping, data=control, **said) | st.builds(Pong, data=control, **said)
    codes = st.sampled_from([1000, 1001, 1011, 1012, 1013, 1014, 3000, 4321, 4999])
    reason = st.text(max_size=30)
    closes = st.builds(Close, code=codes, reason=reason, **said) | st.builds(Close, code=st.none(), **said)
    return st.tuples(st.lists(message | pings, max_size=8), st.lists(closes, max_size=1)).map(
        lambda both: [*both[0], *both[1]]
    )


deflates = st.none() | st.builds(
    Deflate,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.integers(9, 15),
    client_max_window_bits=st.integers(9, 15),
)


@given(conversations(), deflates)
def test_what_is_encoded_is_read_back(events: list[Event], deflate: Deflate | None) -> None:
    encoder = deflate.encoder(DOWN) if deflate else None
    sent = b"".join(encode(event, deflate=encoder) for event in events)
    expected = events
    if not deflate:
        expected = [replace(e, compressed=False) if isinstance(e, Message) else e for e in events]
    assert parser(deflate=deflate).feed(sent, 0) == expected


@given(conversations(UP), deflates)
def test_a_client_is_read_back_too(events: list[Event], deflate: Deflate | None) -> None:
    encoder = deflate.encoder(UP) if deflate else None
    plain = [replace(e, compressed=False) if isinstance(e, Message) and not deflate else e for e in events]
    sent = b"".join(encode(event, mask=KEY, deflate=encoder) for event in plain)
    assert parser(UP, deflate=deflate).feed(sent, 0) == plain


streams = st.one_of(
    st.binary(max_size=200),
    conversations().map(lambda events: b"".join(encode(event) for event in events)),
    st.tuples(conversations(), st.binary(max_size=20)).map(
        lambda both: b"".join(encode(event) for event in both[0]) + both[1]
    ),
)


@given(streams, st.lists(st.integers(0, 400), max_size=10), st.booleans())
@example(frame(1, b"ab", fin=False) + frame(0, b"\xff"), [3], False)
def test_how_the_bytes_are_split_changes_nothing(stream: bytes, cuts: list[int], deflated: bool) -> None:
    deflate = Deflate() if deflated else None
    whole, split = parser(deflate=deflate), parser(deflate=deflate)
    at_once = whole.feed(stream, 0) + whole.finish(0)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(places)]
    bit_by_bit = [event for piece in pieces for event in split.feed(piece, 0)] + split.finish(0)
    assert joined(bit_by_bit) == joined(at_once)


@given(streams)
def test_no_byte_is_lost(stream: bytes) -> None:
    reader = parser()
    events = reader.feed(stream, 0) + reader.finish(0)
    # A length could be written longer than need be, but not by an encoder, and not in a frame that was accepted.
    assert sum(len(encode(event)) for event in events) == len(stream)


@given(st.binary(max_size=200), st.booleans())
def test_nothing_is_raised(noise: bytes, deflated: bool) -> None:
    for direction in Direction:
        reader = parser(direction, deflate=Deflate() if deflated else None, max_message=100)
        reader.feed(noise, 0)
        reader.finish(0)


def test_text_and_binary_are_told_apart() -> None:
    assert parser().feed(frame(1, "grüß".encode()) + frame(2, b"\x00"), 5) == [
        Message(flow="1", at=5, direction=DOWN, data="grüß"),
        Message(flow="1", at=5, direction=DOWN, data=b"\x00"),
    ]


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 200_000])
@pytest.mark.parametrize("direction", Direction)
def test_all_lengths(size: int, direction: Direction) -> None:
    message = Message(flow="1", at=0, direction=direction, data=b"x" * size)
    sent = encode(message, mask=KEY if direction is UP else None)
    assert parser(direction).feed(sent, 0) == [message]


def test_a_mask_is_applied_as_given() -> None:
    sent = encode(Ping(flow="1", at=0, direction=UP, data=b"abcde"), mask=KEY)
    assert sent == b"\x89\x85" + KEY + bytes(byte ^ KEY[i % 4] for i, byte in enumerate(b"abcde"))


def test_a_fragmented_message_comes_at_the_time_of_its_first_frame() -> None:
    reader = parser()
    assert reader.pending_since is None
    assert reader.feed(frame(1, b"ab", fin=False), 10) == []
    assert reader.pending_since == 10
    # A ping in the middle is not held back: who sent it may wait for the pong before it goes on.
    assert reader.feed(frame(9, b"?"), 12) == [Ping(flow="1", at=12, direction=DOWN, data=b"?")]
    assert reader.feed(frame(0, b"", fin=False), 14) == []
    (message,) = reader.feed(frame(0, b"cde"), 30)
    assert message == Message(
        flow="1",
        at=10,
        direction=DOWN,
        data="abcde",
        fragments=(Fragment(size=2), Fragment(size=0, after=4), Fragment(size=3, after=20)),
    )
    assert reader.pending_since is None


def test_a_frame_that_arrives_in_pieces_comes_at_the_time_of_its_last_byte() -> None:
    reader = parser()
    sent = frame(1, b"hello")
    assert reader.feed(sent[:3], 1) == []
    assert reader.feed(sent[3:], 9) == [Message(flow="1", at=9, direction=DOWN, data="hello")]


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
def test_close_codes_that_may_be_sent_are_kept(code: int) -> None:
    assert parser().feed(frame(8, struct.pack("!H", code) + b"why"), 0) == [close(code, "why")]


def test_a_close_frame_may_be_empty() -> None:
    assert parser().feed(frame(8), 0) == [close(None)]
    assert encode(close(None)) == frame(8)


@pytest.mark.parametrize(
    "illegal",
    [
        pytest.param(frame(1, b"x", rsv1=True), id="RSV1 without deflate"),
        pytest.param(b"\xa1\x01x", id="RSV2"),
        pytest.param(b"\x91\x01x", id="RSV3"),
        pytest.param(frame(3, b"x"), id="unknown data opcode"),
        pytest.param(frame(11, b"x"), id="unknown control opcode"),
        pytest.param(b"\x81\x81" + KEY + b"x", id="masked by a server"),
        pytest.param(frame(0, b"x"), id="continuation of nothing"),
        pytest.param(frame(9, b"x", fin=False), id="fragmented ping"),
        pytest.param(b"\x89\x7e\x00\x80" + b"x" * 128, id="ping of 128 bytes"),
        pytest.param(b"\x81\x7e\x00\x05hello", id="16-bit length for 5"),
        pytest.param(b"\x81\x7f" + bytes(7) + b"\x05hello", id="64-bit length for 5"),
        pytest.param(b"\x81\x7f" + b"\xff" * 8, id="length with its top bit set"),
        pytest.param(frame(1, b"\xc3("), id="bad UTF-8"),
        pytest.param(frame(8, b"\x03"), id="close of one byte"),
        pytest.param(frame(8, struct.pack("!H", 1000) + b"\xff"), id="close reason in bad UTF-8"),
        *(
            pytest.param(frame(8, struct.pack("!H", code)), id=f"close code {code}")
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)
        ),
    ],
)
def test_what_is_illegal_is_kept_as_bytes_and_so_is_what_follows(illegal: bytes) -> None:
    reader = parser()
    fine, later = frame(1, b"fine"), frame(1, b"later")
    events = reader.feed(fine + illegal, 0) + reader.feed(later, 0) + reader.finish(0)
    assert joined(events) == [text("fine"), raw(illegal + later)]


def test_an_unmasked_client_is_illegal() -> None:
    (event,) = parser(UP).feed(frame(1, b"x"), 0)
    assert isinstance(event, Bytes)


def test_whether_frames_are_masked_can_be_said() -> None:
    (event,) = parser(UP, masked=False).feed(frame(1, b"x"), 0)
    assert isinstance(event, Message)


def test_fragments_of_a_message_that_turns_out_illegal_keep_their_times() -> None:
    reader = parser()
    first, second, bad = frame(1, b"a", fin=False), frame(0, b"b", fin=False), frame(0, b"\xff")
    assert reader.feed(first, 1) == reader.feed(second, 2) == []
    assert reader.feed(bad, 3) == [raw(first, 1), raw(second, 2), raw(bad, 3)]
    assert reader.pending_since is None


def test_a_message_inside_a_message_is_illegal() -> None:
    first, second = frame(1, b"a", fin=False), frame(1, b"b")
    assert parser().feed(first + second, 0) == [raw(first), raw(second)]


def test_what_never_became_complete_is_kept() -> None:
    reader = parser()
    first, cut = frame(2, b"a", fin=False), b"\x00\x05ab"
    assert reader.feed(first, 1) == reader.feed(cut, 2) == []
    assert reader.finish(9) == [raw(first, 1), raw(cut, 9)]
    assert reader.finish(9) == []


def test_bytes_after_a_close_frame_are_only_bytes() -> None:
    reader = parser()
    events = reader.feed(frame(8) + frame(1, b"x"), 0)
    assert events == [close(None), raw(frame(1, b"x"))]
    assert reader.closed
    assert reader.feed(b"more", 0) == [raw(b"more")]


def test_a_close_in_the_middle_of_a_message_comes_after_its_frames() -> None:
    first = frame(1, b"a", fin=False)
    assert parser().feed(first + frame(8), 0) == [raw(first), close(None)]


def test_an_opaque_direction_is_all_bytes() -> None:
    assert parser(opaque=True).feed(frame(1, b"x"), 0) == [raw(frame(1, b"x"))]


def test_compression_is_seen_per_message() -> None:
    deflate = Deflate()
    encoder = deflate.encoder(DOWN)
    squeezed, plain = text("a" * 1000, compressed=True), text("b")
    sent = encode(squeezed, deflate=encoder) + encode(plain, deflate=encoder)
    assert len(sent) < 100
    assert parser(deflate=deflate).feed(sent, 0) == [squeezed, plain]


def test_a_compressed_message_without_deflate_is_sent_plain() -> None:
    assert encode(text("x", compressed=True)) == frame(1, b"x")


@pytest.mark.parametrize("bits", range(8, 16))
def test_the_window_of_a_reader_is_wide_enough_for_every_writer(bits: int) -> None:
    deflate = Deflate(server_max_window_bits=bits)
    encoder = deflate.encoder(DOWN)
    assert (encoder is None) == (bits == 8)  # zlib cannot deflate with 8 bits, and need not.
    data = "".join(chr(97 + i * i % 26) for i in range(5000)) * 3
    message = text(data, compressed=encoder is not None)
    assert parser(deflate=deflate).feed(encode(message, deflate=encoder), 0) == [message]


def test_a_message_as_large_as_allowed_is_read_and_a_larger_one_is_bytes() -> None:
    for size, kind in ((1000, Message), (1001, Bytes)):
        (event,) = joined(parser(max_message=1000).feed(encode(text("x" * size)), 0))
        assert isinstance(event, kind)


def test_a_ping_always_has_room() -> None:
    reader = parser(max_message=1000)
    reader.feed(encode(text("x" * 1000, fragments=(Fragment(size=1000), Fragment(size=0))))[:-2], 0)
    asked = Ping(flow="1", at=0, direction=DOWN, data=b"?" * 125)
    assert reader.feed(encode(asked), 0) == [asked]
    assert isinstance(reader.feed(frame(0), 0)[0], Message)


@pytest.mark.parametrize("pieces", [1, 2, 50])
def test_a_deflate_bomb_stays_small(pieces: int) -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = squeeze.compress(bytes(64 << 20)) + squeeze.flush(zlib.Z_SYNC_FLUSH)[:-4]
    size = -(-len(packed) // pieces)
    parts = [packed[start : start + size] for start in range(0, len(packed), size)]
    frames = b"".join(
        Frame(Opcode.CONT if index else Opcode.BINARY, part, index == len(parts) - 1).serialize(mask=False)
        for index, part in enumerate(parts)
    )
    bomb = bytes([frames[0] | 0x40]) + frames[1:]
    reader = parser(deflate=Deflate(), max_message=1 << 20)
    events = reader.feed(bomb, 0)
    assert joined(events) == [raw(bomb)]


def test_endless_empty_frames_have_an_end() -> None:
    reader = parser(max_message=1000)
    first, more = frame(1, b"", fin=False), frame(0, b"", fin=False)
    events = reader.feed(first + more * 50, 0)
    assert joined(events) == [raw(first + more * 50)]


def test_a_frame_that_promises_too_much_is_not_waited_for() -> None:
    head = b"\x82\x7f" + struct.pack("!Q", (64 << 20) + 1)
    reader = parser()
    assert reader.feed(head, 0) == [raw(head)]
    assert reader.feed(b"xyz", 1) == [raw(b"xyz", 1)]


def test_fragments_that_no_longer_fit_keep_their_number() -> None:
    fragments = (Fragment(size=2), Fragment(size=2), Fragment(size=2))
    assert encode_frames(text("longer than six", fragments=fragments)) == [
        frame(1, b"lo", fin=False),
        frame(0, b"ng", fin=False),
        frame(0, b"er than six"),
    ]
    assert encode_frames(text("ab", fragments=fragments)) == [
        frame(1, b"ab", fin=False),
        frame(0, b"", fin=False),
        frame(0, b""),
    ]


def test_an_illegal_close_code_is_sent_when_asked_for() -> None:
    assert encode(close(1006, "gone")) == frame(8, b"\x03\xeegone")


def test_a_reason_that_is_too_long_is_refused() -> None:
    with pytest.raises(StagesimError, match="flow 1: a close that cannot be sent: control frame too long"):
        encode(close(1000, "x" * 124))


def test_only_frames_are_encoded() -> None:
    with pytest.raises(StagesimError, match="a request is not a WebSocket frame"):
        encode(Request(flow="1", at=0, service="a", method="GET", target="/"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("permessage-deflate", Deflate()),
        ("permessage-deflate; server_no_context_takeover", Deflate(server_no_context_takeover=True)),
        (
            'permessage-deflate; client_no_context_takeover; client_max_window_bits="12"',
            Deflate(client_no_context_takeover=True, client_max_window_bits=12),
        ),
        (
            "permessage-deflate; server_max_window_bits=8; client_max_window_bits=15",
            Deflate(server_max_window_bits=8),
        ),
    ],
)
def test_parameters_of_deflate(value: str | None, expected: Deflate | None) -> None:
    assert negotiated(((EXTENSIONS.lower(), value),) if value is not None else ()) == expected


@pytest.mark.parametrize(
    "value",
    [
        "x-webkit-deflate-frame",
        "permessage-deflate, permessage-bzip2",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; level=9",
        "permessage-deflate; =",
    ],
)
def test_an_extension_that_is_not_understood_is_not_guessed_at(value: str) -> None:
    with pytest.raises(UnknownExtensionError):
        frame_parsers("1", ((EXTENSIONS, value),))


def test_each_direction_has_its_own_context() -> None:
    parsers = frame_parsers("1", ((EXTENSIONS, "permessage-deflate; client_no_context_takeover"),))
    deflate = Deflate(client_no_context_takeover=True)
    encoders = {direction: deflate.encoder(direction) for direction in Direction}
    for direction in (*Direction, *Direction):
        message = Message(flow="1", at=0, direction=direction, data="again", compressed=True)
        sent = encode(message, mask=KEY if direction is UP else None, deflate=encoders[direction])
        assert parsers[direction].feed(sent, 0) == [message]


def test_a_websocket_is_told_by_its_upgrade() -> None:
    assert is_websocket((("upgrade", "WebSocket"),))
    assert not is_websocket((("Upgrade", "h2c"),))
    assert not is_websocket(())
