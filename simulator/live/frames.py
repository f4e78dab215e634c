"""WebSocket frames, sans-I/O: bytes of one direction in, events out, and events back to bytes (RFC 6455 §5).

The frame code is that of `websockets`. What is here turns frames into messages that remember how they were sent,
and keeps everything that is illegal as raw bytes: a recording must be able to say what went wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields
from typing import Final

from websockets.exceptions import InvalidHeader, PayloadTooBig, ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import CTRL_OPCODES, Frame, Opcode
from websockets.frames import Close as ClosePayload
from websockets.headers import parse_extension
from websockets.utils import apply_mask

from simulator.core.errors import StagesimError
from simulator.core.events import (
    Bytes,
    Close,
    Direction,
    Event,
    Fragment,
    Headers,
    Message,
    Ping,
    Pong,
    header,
)
from simulator.core.units import Time

MAX_MESSAGE: Final = 64 << 20
"""The largest message that is understood, in bytes after inflation; larger ones are `Bytes`."""

_FRAME_COST: Final = 256
"""What keeping one frame costs besides its bytes: a message of endless empty frames must have an end, too."""
_WINDOWS: Final = frozenset(str(bits) for bits in range(8, 16))
_HEADS: Final = {126: 4, 127: 10}
"""The bytes before mask and payload, by the 7 bits of length that announce a longer length."""


class UnknownExtensionError(ValueError):
    """The server answered with an extension, or a parameter of one, that nobody here understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflate:
    """permessage-deflate as the server's response agreed to it; window sizes in bits (RFC 7692 §7.1)."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = 15
    client_max_window_bits: int = 15

    def decoder(self, direction: Direction) -> PerMessageDeflate:
        """What inflates a direction. A window of 15 bits inflates what any smaller one has deflated."""
        return PerMessageDeflate(self._forgets(direction), True, 15, 15)

    def encoder(self, direction: Direction) -> PerMessageDeflate | None:
        """What deflates a direction; None for a window of 8 bits, which zlib does not do: then send it plain."""
        bits = self.server_max_window_bits
        if direction is Direction.UPSTREAM:
            bits = self.client_max_window_bits
        return None if bits == 8 else PerMessageDeflate(True, self._forgets(direction), 15, bits)

    def _forgets(self, direction: Direction) -> bool:
        upstream = direction is Direction.UPSTREAM
        return self.client_no_context_takeover if upstream else self.server_no_context_takeover


def negotiated(headers: Headers) -> Deflate | None:
    """The permessage-deflate in the headers of a 101 response, None without; raises UnknownExtensionError."""
    name = "sec-websocket-extensions"
    values = [value for key, value in headers if key.lower() == name and value.strip()]
    try:
        extensions = parse_extension(", ".join(values)) if values else []
    except InvalidHeader as error:
        raise UnknownExtensionError(str(error)) from None
    if not extensions:
        return None
    (name, parameters), *others = extensions
    if name != "permessage-deflate" or others:
        raise UnknownExtensionError(", ".join(values))
    return _deflate(parameters)


def _deflate(parameters: Sequence[tuple[str, str | None]]) -> Deflate:
    given = dict(parameters)
    windows = [value for name, value in parameters if name.endswith("_max_window_bits")]
    flags = [value for name, value in parameters if name.endswith("_no_context_takeover")]
    known = {field.name for field in fields(Deflate)}
    if len(given) < len(parameters) or not known.issuperset(given) or any(flags) or set(windows) - _WINDOWS:
        raise UnknownExtensionError(f"permessage-deflate with {parameters}")
    return Deflate(
        server_no_context_takeover="server_no_context_takeover" in given,
        client_no_context_takeover="client_no_context_takeover" in given,
        server_max_window_bits=int(given.get("server_max_window_bits") or 15),
        client_max_window_bits=int(given.get("client_max_window_bits") or 15),
    )


def frame_parsers(flow: str, response: Headers) -> dict[Direction, FrameParser]:
    """A parser for each direction of a WebSocket, from the headers of its 101 response.

    Raises UnknownExtensionError if an extension was agreed on that changes frames in unknown ways.
    """
    deflate = negotiated(response)
    return {direction: FrameParser(direction, flow=flow, deflate=deflate) for direction in Direction}


@dataclass(slots=True)
class _Partial:
    """A message of which frames have arrived, but not the last: its payload, and the frames as they were sent."""

    text: bool
    compressed: bool
    frames: list[tuple[Time, bytes]]
    payload: list[bytes]
    size: int = 0
    cost: int = 0


class FrameParser:
    """Reads one direction of a WebSocket. `feed` and `finish` never raise, and lose no byte.

    A control frame is reported at the time of its last byte, and at once, also in the middle of a fragmented
    message. A message is reported when it is complete, at the time when its *first* frame was; only a fragmented
    message can therefore come out later than events that happened after it, and `pending_since` says so while it
    can: whoever writes a file ordered by time holds back what is newer than that.

    From the first illegal byte on, and after a close frame, everything is `Bytes`; so are the frames of a message
    that can no longer become complete. `masked` None expects what RFC 6455 §5.3 demands of the direction.
    """

    def __init__(
        self,
        direction: Direction,
        *,
        flow: str,
        masked: bool | None = None,
        deflate: Deflate | None = None,
        max_message: int = MAX_MESSAGE,
        opaque: bool = False,
    ) -> None:
        self.direction, self.flow = direction, flow
        self.closed = False
        """Whether a close frame has been read."""
        self._masked = direction is Direction.UPSTREAM if masked is None else masked
        self._extensions = [deflate.decoder(direction)] if deflate else []
        self._max = max_message
        self._opaque = opaque
        self._buffer = bytearray()
        self._read = 0
        self._partial: _Partial | None = None
        self._frames: Generator[None, None, Frame] = self._next_frame()

    @property
    def pending_since(self) -> Time | None:
        """When the first frame of a message that is not complete yet arrived."""
        return self._partial.frames[0][0] if self._partial else None

    def feed(self, data: bytes, at: Time) -> list[Event]:
        """The events that these bytes complete."""
        if self._opaque:
            return [self._bytes(bytes(data), at)] if data else []
        self._buffer += data
        events: list[Event] = []
        try:
            while (frame := self._frame()) is not None:
                events += self._accept(frame, at)
                del self._buffer[: self._read]
                self._read, self._frames = 0, self._next_frame()
                if self.closed:
                    return events + self.finish(at)
        except (ProtocolError, PayloadTooBig, UnicodeDecodeError):
            events += self.finish(at)
        return events

    def finish(self, at: Time) -> list[Event]:
        """The bytes that never became an event, now that the direction has ended; what follows is `Bytes`."""
        events = self._abandon()
        if self._buffer:
            events.append(self._bytes(bytes(self._buffer), at))
        self._opaque, self._buffer = True, bytearray()
        return events

    def _abandon(self) -> list[Event]:
        """The frames of a message that will never be complete."""
        frames = self._partial.frames if self._partial else []
        self._partial = None
        return [self._bytes(raw, arrived) for arrived, raw in frames if raw]

    def _bytes(self, data: bytes, at: Time) -> Bytes:
        return Bytes(flow=self.flow, at=at, direction=self.direction, data=data)

    def _frame(self) -> Frame | None:
        """The next frame, if all of it is there."""
        try:
            next(self._frames)
        except StopIteration as parsed:
            frame: Frame = parsed.value
            return frame
        return None

    def _next_frame(self) -> Generator[None, None, Frame]:
        # There is always room for a control frame; and a limit of 0 would mean "no limit" to the inflater.
        room = max(125, self._max - (self._partial.size if self._partial else 0))
        return Frame.parse(self._exactly, mask=self._masked, max_size=room, extensions=self._extensions)

    def _exactly(self, size: int) -> Generator[None, None, bytes]:
        start, end = self._read, self._read + size
        while len(self._buffer) < end:
            yield
        self._read = end
        return bytes(self._buffer[start:end])

    def _accept(self, frame: Frame, at: Time) -> list[Event]:
        self._check_length()
        if frame.opcode is Opcode.CLOSE:
            close = self._close(bytes(frame.data), at)
            return [*self._abandon(), close]
        if frame.opcode in CTRL_OPCODES:
            control = Ping if frame.opcode is Opcode.PING else Pong
            return [control(flow=self.flow, at=at, direction=self.direction, data=bytes(frame.data))]
        partial = self._join(frame, at)
        if not frame.fin:
            self._partial = partial
            return []
        message = self._message(partial)
        self._partial = None
        return [message]

    def _check_length(self) -> None:
        """Raise ProtocolError for a length that is not written as short as possible (RFC 6455 §5.2)."""
        marker = self._buffer[1] & 0x7F
        payload = self._read - _HEADS.get(marker, 2) - (4 if self._masked else 0)
        if payload < {126: 126, 127: 1 << 16}.get(marker, 0):
            raise ProtocolError("a length that is longer than need be")

    def _close(self, data: bytes, at: Time) -> Close:
        close = ClosePayload.parse(data)
        self.closed = True
        code = int(close.code) if data else None
        return Close(flow=self.flow, at=at, direction=self.direction, code=code, reason=close.reason)

    def _join(self, frame: Frame, at: Time) -> _Partial:
        """The message with this frame added to it. Raises ProtocolError if it does not fit there."""
        if (frame.opcode is Opcode.CONT) is not (self._partial is not None):
            raise ProtocolError("a continuation of nothing, or a message inside a message")
        partial = self._partial or _Partial(
            frame.opcode is Opcode.TEXT, bool(self._buffer[0] & 0x40), frames=[], payload=[]
        )
        partial.size += len(frame.data)
        partial.cost += self._read + _FRAME_COST
        whole = frame.fin and self._partial is None
        if partial.size > self._max or (partial.cost > 2 * self._max + _FRAME_COST and not whole):
            raise PayloadTooBig(partial.size, self._max)
        # The frame that completes a message stays in the buffer until the message has turned out to be legal.
        partial.frames.append((at, b"" if frame.fin else bytes(self._buffer[: self._read])))
        partial.payload.append(bytes(frame.data))
        return partial

    def _message(self, partial: _Partial) -> Message:
        payload = b"".join(partial.payload)
        start = partial.frames[0][0]
        fragments: tuple[Fragment, ...] = ()
        if len(partial.frames) > 1:
            fragments = tuple(
                Fragment(size=len(piece), after=at - start)
                for piece, (at, _) in zip(partial.payload, partial.frames, strict=True)
            )
        return Message(
            flow=self.flow,
            at=start,
            direction=self.direction,
            data=payload.decode() if partial.text else payload,
            fragments=fragments,
            compressed=partial.compressed,
        )


def encode(event: Event, *, mask: bytes | None = None, deflate: PerMessageDeflate | None = None) -> bytes:
    """The bytes of a Message, Ping, Pong, Close or Bytes event; see `encode_frames`."""
    return b"".join(encode_frames(event, mask=mask, deflate=deflate))


def encode_frames(
    event: Event, *, mask: bytes | None = None, deflate: PerMessageDeflate | None = None
) -> list[bytes]:
    """The frames of an event, one for each of its fragments.

    `mask` is the key of 4 bytes that a client must use (RFC 6455 §5.3); `deflate` compresses messages that were
    compressed, and comes from `Deflate.encoder`. Fragments whose sizes do not add up (the data was changed) keep
    their number; the last takes what is left. A close code is sent even if it is illegal. Raises StagesimError for
    a control frame of more than 125 bytes.
    """
    if isinstance(event, Bytes):
        return [event.data]
    extensions = [deflate] if deflate and isinstance(event, Message) and event.compressed else []
    try:
        return [_masked(frame.serialize(mask=False, extensions=extensions), mask) for frame in _frames(event)]
    except ProtocolError as error:
        raise StagesimError(f"a {event.kind} that cannot be sent: {error}", place=f"flow {event.flow}") from None


def _frames(event: Event) -> list[Frame]:
    match event:
        case Message():
            return _data_frames(event)
        case Ping():
            return [Frame(Opcode.PING, event.data)]
        case Pong():
            return [Frame(Opcode.PONG, event.data)]
        case Close():
            head = b"" if event.code is None else struct.pack("!H", event.code)
            return [Frame(Opcode.CLOSE, head + event.reason.encode("utf-8", "surrogatepass") if head else b"")]
    raise StagesimError(f"a {event.kind} is not a WebSocket frame", place=f"flow {event.flow}")


def _data_frames(message: Message) -> list[Frame]:
    opcode = Opcode.TEXT if isinstance(message.data, str) else Opcode.BINARY
    payload, frames, start = message.payload, [], 0
    for fragment in message.fragments[:-1]:
        frames.append(Frame(opcode, payload[start : start + fragment.size], fin=False))
        start += fragment.size
        opcode = Opcode.CONT
    return [*frames, Frame(opcode, payload[start:])]


def _masked(frame: bytes, mask: bytes | None) -> bytes:
    """An unmasked frame with this masking key in its place (RFC 6455 §5.2)."""
    if mask is None:
        return frame
    head = _HEADS.get(frame[1], 2)
    return frame[:1] + bytes([frame[1] | 0x80]) + frame[2:head] + mask + apply_mask(frame[head:], mask)


def is_websocket(response: Headers) -> bool:
    """Whether a 101 response switches to WebSocket, and not to some other protocol (RFC 6455 §4.2.2)."""
    return (header(response, "upgrade") or "").strip().lower() == "websocket"
