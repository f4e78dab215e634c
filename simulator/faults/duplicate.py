"""duplicate and replay-old: messages that come more than once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from simulator.core.events import Event, Message
from simulator.core.fault import FRAMES, Context, Fault, Kinds, Mode, delayed, require
from simulator.core.units import Duration
from simulator.faults.rawframes import MESSAGES

MAX_COPIES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateFault(Fault):
    """A message comes `copies` times more, each `gap` after the one before."""

    name: ClassVar[str] = "duplicate"
    acts_on: ClassVar[Kinds] = MESSAGES
    copies: int = 1
    gap: Duration = 0

    def __post_init__(self) -> None:
        require(1 <= self.copies <= MAX_COPIES, "copies", f"expected 1 to {MAX_COPIES}, got {self.copies}")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        return [event, *(delayed(event, self.gap * number) for number in range(1, self.copies + 1))]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOldFault(Fault):
    """A message that was sent before is sent again: the last one, with `back: 2` the one before it, and so on."""

    name: ClassVar[str] = "replay-old"
    mode: ClassVar[Mode] = Mode.STRIKE
    acts_on: ClassVar[Kinds] = FRAMES
    direction = None
    back: int = 1

    def __post_init__(self) -> None:
        require(self.back >= 1, "back", f"expected 1 or more, got {self.back}")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        sent = [old for old in context.past if isinstance(old, Message)]
        return [replace(old, at=context.now) for old in sent[-self.back : len(sent) + 1 - self.back]]
