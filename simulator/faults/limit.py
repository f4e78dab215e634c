"""limit: a server that has room for so many WebSockets at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from simulator.core.events import Close, Event, Response, is_upgrade
from simulator.core.fault import Context, Fault, Kinds, require, sent
from simulator.faults.answers import require_sendable
from simulator.faults.close import require_close
from simulator.faults.status import RefuseFault


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFault(Fault):
    """While `connections` WebSockets are open, further ones are refused, or with `how: close` opened and closed.

    Only those that the rule selects are counted, and only as long as they are connected.
    """

    name: ClassVar[str] = "limit"
    acts_on: ClassVar[Kinds] = frozenset({Response})
    connections: int = 100
    how: Literal["refuse", "close"] = "refuse"
    status: int = 503
    body: str = "Too many connections"
    code: int = 1013
    reason: str = "Try again later"

    def __post_init__(self) -> None:
        require(self.connections >= 0, "connections", f"expected 0 or more, got {self.connections}")
        require_close(self.code, self.reason)
        require_sendable(status=self.status, headers={}, body=self.body)

    def concerns(self, event: Event) -> bool:
        return is_upgrade(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if context.peers <= self.connections:
            return [event]
        if self.how == "close":
            return [event, sent(Close, context, code=self.code, reason=self.reason)]
        return RefuseFault(status=self.status, body=self.body).apply(event, context)
