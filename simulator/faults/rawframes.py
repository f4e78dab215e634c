"""Raw WebSocket frames: every bit is the caller's, for faults that no frame library would agree to send."""

from __future__ import annotations

import struct
from itertools import cycle

from simulator.core.events import Bytes, Event, Message
from simulator.core.fault import Kinds

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
"""The opcodes that RFC 6455 §5.2 defines."""
UNDEFINED = frozenset({*range(0x3, 0x8), *range(0xB, 0x10)})
"""The opcodes that it reserves."""
RSV = {1: 0x40, 2: 0x20, 3: 0x10}
"""The reserved bits by number; permessage-deflate claims the first (RFC 7692 §6)."""

MESSAGES: Kinds = frozenset({Message})
FORMS = {125: "!B", 0xFFFF: "!H", (1 << 64) - 1: "!Q"}
"""How a length is written, by the largest that has room there; the longer forms follow a marker."""


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    bits: int = 0,
    mask: bytes = b"",
    announced: int | None = None,
    form: int = 125,
) -> bytes:
    """A frame (RFC 6455 §5.2). `bits` are set in its first byte; `mask` is a key of 4 bytes, or none.

    `announced` is the length that it claims to have, and `form` the shortest of FORMS in which that is written.
    """
    length = len(payload) if announced is None else announced
    fitting = next(limit for limit in FORMS if length <= limit and form <= limit)
    marker = {125: b"", 0xFFFF: b"\x7e", (1 << 64) - 1: b"\x7f"}[fitting]
    size = bytearray(marker + struct.pack(FORMS[fitting], length))
    size[0] |= 0x80 if mask else 0
    body = bytes(byte ^ key for byte, key in zip(payload, cycle(mask), strict=False)) if mask else payload
    return bytes([(0x80 if fin else 0) | bits | opcode]) + bytes(size) + mask + body


def opcode_of(message: Message) -> int:
    return TEXT if isinstance(message.data, str) else BINARY


def frame_of(message: Message) -> bytes:
    """A message in one plain frame, whatever frames it was recorded in."""
    return frame(opcode_of(message), message.payload)


def close_frame(code: int | None, reason: str = "") -> bytes:
    """A close frame (RFC 6455 §5.5.1); without a code there is no reason either."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())


def instead(event: Event, data: bytes) -> Bytes:
    """These bytes in an event's place."""
    return Bytes(flow=event.flow, at=event.at, direction=event.direction, data=data)
