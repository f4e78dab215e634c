"""silence: the server stays connected and says nothing more of what it would have said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from simulator.core.events import Chunk, Direction, End, Event, Message
from simulator.core.fault import ANY, Context, Fault, Kinds, Mode
from simulator.core.matching.compare import is_heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceFault(Fault):
    """What the server would have said is lost, for the rule's `for:` or for good; the connection stays up.

    Heartbeats go on unless `heartbeats: false`; control frames always do.
    """

    name: ClassVar[str] = "silence"
    mode: ClassVar[Mode] = Mode.LASTING
    acts_on: ClassVar[Kinds] = ANY
    direction = None
    heartbeats: bool = True

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return []

    def affects(self, event: Event) -> bool:
        if event.direction is not Direction.DOWNSTREAM or not isinstance(event, Message | Chunk | End):
            return False
        return not (self.heartbeats and is_heartbeat(event))
