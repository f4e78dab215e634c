"""stall: the server goes quiet for a while, or for good, and then goes on where it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from simulator.core.events import Direction, Event, Ping, Pong, Response
from simulator.core.fault import ANY, Context, Fault, Kinds, Mode
from simulator.core.matching.compare import is_heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class StallFault(Fault):
    """Everything the server sends is held back for the rule's `for:`, or until disarmed, then sent in order.

    `only: data` lets heartbeats through, of the protocol and in JSON; `only: all` stops them as well.
    """

    name: ClassVar[str] = "stall"
    mode: ClassVar[Mode] = Mode.LASTING
    acts_on: ClassVar[Kinds] = ANY
    direction = None
    only: Literal["all", "data"] = "all"

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [replace(event, at=context.until)]

    def affects(self, event: Event) -> bool:
        return event.direction is Direction.DOWNSTREAM and not self.lets_pass(event)

    def lets_pass(self, event: Event) -> bool:
        return self.only == "data" and (isinstance(event, Ping | Pong | Response) or is_heartbeat(event))
