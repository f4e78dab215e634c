"""throttle: a connection that is slow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from simulator.core.events import Chunk, Direction, Event, Message
from simulator.core.fault import DATA, Context, Fault, Kinds, Mode, require
from simulator.core.units import SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleFault(Fault):
    """What the server sends comes no faster than `rate` bytes per second; a message comes when all of it would."""

    name: ClassVar[str] = "throttle"
    mode: ClassVar[Mode] = Mode.LASTING
    acts_on: ClassVar[Kinds] = DATA
    rate: int = 1000

    def __post_init__(self) -> None:
        require(self.rate >= 1, "rate", f"expected 1 byte per second or more, got {self.rate}")

    def affects(self, event: Event) -> bool:
        return event.direction is Direction.DOWNSTREAM and isinstance(event, Message | Chunk)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message | Chunk):
            return [event]
        size = len(event.payload if isinstance(event, Message) else event.data)
        begins = max(context.now, context.memory.get("free", 0))
        context.memory["free"] = begins + size * SECOND // self.rate
        return [replace(event, at=min(context.memory["free"], context.until))]
