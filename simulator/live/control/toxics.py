"""toxiproxy's toxics as faults: what they do to the bytes of a link, done to the events of a flow.

Each lasts from the first event that it meets on a flow, in one direction. Sizes are those of bodies and messages;
heads of HTTP and of frames are not counted.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Final

from simulator.core.events import Chunk, Direction, End, Event, Message, Request, Reset, Response, is_upgrade
from simulator.core.fault import ANY, Context, Fault, Kinds, Mode, sent
from simulator.core.units import MILLISECOND, SECOND, Time
from simulator.faults.body import TruncatedBodyFault
from simulator.faults.latency import LatencyFault
from simulator.faults.rawframes import frame_of, instead

KILOBYTE: Final = 1000
"""What toxiproxy means by one."""
MAX_SLICES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic(Fault):
    """One direction of a link is poisoned. With `breaks`, the link ends when the toxic does, for it lost data."""

    mode: ClassVar[Mode] = Mode.LASTING
    acts_on: ClassVar[Kinds] = ANY
    direction: ClassVar[Direction | None] = None
    breaks: ClassVar[bool] = False
    stream: Direction = Direction.DOWNSTREAM

    @property
    def attributes(self) -> dict[str, int]:
        """The toxic's own fields, as toxiproxy has them."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "stream"}

    def affects(self, event: Event) -> bool:
        return event.direction is self.stream

    @abstractmethod
    def apply(self, event: Event, context: Context) -> Iterable[Event]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyToxic(Toxic):
    """Everything comes `latency` ms later, give or take `jitter`."""

    name: ClassVar[str] = "latency"
    latency: int = 0
    jitter: int = 0

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        fault = LatencyFault(delay=self.latency * MILLISECOND, jitter=self.jitter * MILLISECOND)
        return fault.apply(event, context)


@dataclass(frozen=True, slots=True, kw_only=True)
class BandwidthToxic(Toxic):
    """No more than `rate` KB per second; what is sent whole comes when all of it would. 0 is no limit."""

    name: ClassVar[str] = "bandwidth"
    rate: int = 0

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not self.rate:
            return [event]
        begins: Time = max(context.now, context.memory.get("free", 0))
        context.memory["free"] = begins + size_of(event) * SECOND // (self.rate * KILOBYTE)
        return [replace(event, at=context.memory["free"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutToxic(Toxic):
    """Nothing gets through, and the link is closed `timeout` ms after the first that did not; with 0, never."""

    name: ClassVar[str] = "timeout"
    breaks: ClassVar[bool] = True
    timeout: int = 0

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return _ended(context, self.timeout, rst=False) if self.timeout else []


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPeerToxic(Toxic):
    """The link is reset `timeout` ms after the first that would get through, which does not."""

    name: ClassVar[str] = "reset_peer"
    timeout: int = 0

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return _ended(context, self.timeout, rst=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitDataToxic(Toxic):
    """The link is closed within the event with which more than `bytes` bytes would have got through."""

    name: ClassVar[str] = "limit_data"
    bytes: int = 0

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        left: int = context.memory.setdefault("left", self.bytes)
        context.memory["left"] = left - size_of(event)
        if size_of(event) <= left:
            return [event]
        context.memory["left"] = -1
        if isinstance(event, Response):
            return TruncatedBodyFault(after_bytes=max(left, 0)).apply(event, context)
        return [*_beginning(event, left), sent(Reset, context, rst=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicerToxic(Toxic):
    """Messages and bodies come in slices of `average_size` bytes, give or take, `delay` µs apart."""

    name: ClassVar[str] = "slicer"
    average_size: int = 0
    size_variation: int = 0
    delay: int = 0

    def affects(self, event: Event) -> bool:
        return event.direction is self.stream and isinstance(event, Message | Chunk | Response)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not self.average_size or (isinstance(event, Response) and (is_upgrade(event) or not event.body)):
            return [event]
        if isinstance(event, Message):
            return self._spaced([instead(event, piece) for piece in self._slices(frame_of(event), context)])
        body = event.data if isinstance(event, Chunk) else event.body if isinstance(event, Response) else b""
        chunks: list[Event] = [sent(Chunk, context, data=piece) for piece in self._slices(body, context)]
        if isinstance(event, Chunk):
            return self._spaced(chunks)
        head = replace(event, body=b"", streaming=True) if isinstance(event, Response) else event
        return self._spaced([head, *chunks, sent(End, context)])

    def _slices(self, data: bytes, context: Context) -> Iterator[bytes]:
        least = len(data) // MAX_SLICES + 1
        start = 0
        while start < len(data):
            size = self.average_size + context.rng.randint(-self.size_variation, self.size_variation)
            end = start + max(size, least)
            yield data[start:end]
            start = end

    def _spaced(self, events: Iterable[Event]) -> list[Event]:
        return [replace(event, at=event.at + number * self.delay) for number, event in enumerate(events)]


TOXICS: Final[Mapping[str, type[Toxic]]] = {
    toxic.name: toxic
    for toxic in (LatencyToxic, BandwidthToxic, TimeoutToxic, ResetPeerToxic, LimitDataToxic, SlicerToxic)
}
"""By their types. Of toxiproxy's, slow_close is not there: when a socket closes is no event."""


def size_of(event: Event) -> int:
    """The bytes that an event carries."""
    if isinstance(event, Message):
        return len(event.payload)
    if isinstance(event, Request | Response):
        return len(event.body)
    return len(getattr(event, "data", b""))


def _ended(context: Context, after: int, *, rst: bool) -> list[Event]:
    """Nothing, and once the time has come, the end; asked again then."""
    if "end" not in context.memory:
        context.memory["end"] = context.now + after * MILLISECOND
        if after:
            context.again(after * MILLISECOND)
    if context.now < context.memory["end"]:
        return []
    return [sent(Reset, context, rst=rst)]


def _beginning(event: Event, left: int) -> list[Event]:
    """As much of what is too long as there is room for."""
    if left <= 0 or event.direction is not Direction.DOWNSTREAM:
        return []
    if isinstance(event, Message):
        frame = frame_of(event)
        return [instead(event, frame[: len(frame) - len(event.payload) + left])]
    return [replace(event, data=event.data[:left])] if isinstance(event, Chunk) else []
