"""reorder: messages that come in another order than they were sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from simulator.core.events import Event, Message, Ping, Pong
from simulator.core.fault import Context, Fault, Kinds, delayed
from simulator.core.units import SECOND, Duration
from simulator.faults.rawframes import MESSAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class ReorderFault(Fault):
    """A message is held back for `hold`, and what is sent meanwhile overtakes it; a close does not."""

    name: ClassVar[str] = "reorder"
    acts_on: ClassVar[Kinds] = MESSAGES
    hold: Duration = SECOND

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [delayed(event, self.hold)] if isinstance(event, Message) else [event]

    def lets_pass(self, event: Event) -> bool:
        return isinstance(event, Message | Ping | Pong)
