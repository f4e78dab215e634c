"""ping-flood, missing-pong and unsolicited-pong: heartbeats of the protocol that go wrong (RFC 6455 §5.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from simulator.core.events import Event, Ping, Pong
from simulator.core.fault import FRAMES, Context, Fault, Kinds, Mode, delayed, require, sent
from simulator.core.units import Duration

MAX_PINGS: Final = 100_000
MAX_CONTROL: Final = 125
"""Bytes that a control frame has room for (RFC 6455 §5.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PingFloodFault(Fault):
    """The server sends `count` pings, each `gap` after the one before; a client owes it as many pongs."""

    name: ClassVar[str] = "ping-flood"
    mode: ClassVar[Mode] = Mode.STRIKE
    acts_on: ClassVar[Kinds] = FRAMES
    direction = None
    count: int = 1000
    gap: Duration = 0

    def __post_init__(self) -> None:
        require(1 <= self.count <= MAX_PINGS, "count", f"expected 1 to {MAX_PINGS}, got {self.count}")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        for number in range(self.count):
            yield delayed(sent(Ping, context, data=str(number).encode()), self.gap * number)

    def lets_pass(self, event: Event) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPongFault(Fault):
    """The client's pings are never answered, and everything else goes on (against RFC 6455 §5.5.2)."""

    name: ClassVar[str] = "missing-pong"
    acts_on: ClassVar[Kinds] = frozenset({Pong})

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [] if isinstance(event, Pong) else [event]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsolicitedPongFault(Fault):
    """The server sends a pong that nobody asked for, with `data`; legal, and to be ignored (RFC 6455 §5.5.3)."""

    name: ClassVar[str] = "unsolicited-pong"
    mode: ClassVar[Mode] = Mode.STRIKE
    acts_on: ClassVar[Kinds] = FRAMES
    direction = None
    data: str = "unasked"

    def __post_init__(self) -> None:
        require(len(self._bytes) <= MAX_CONTROL, "data", f"expected at most {MAX_CONTROL} bytes")

    @property
    def _bytes(self) -> bytes:
        return self.data.encode(errors="surrogatepass")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [sent(Pong, context, data=self._bytes)]
