"""accept-late, hang and reset-at-accept: a WebSocket that opens late, or never."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from simulator.core.events import Direction, Event, Request, Reset, Response, is_upgrade
from simulator.core.fault import Context, Fault, Kinds, delayed, sent
from simulator.core.matching.compare import is_upgrade_request
from simulator.core.units import NEVER, SECOND, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptLateFault(Fault):
    """The WebSocket upgrade is accepted `delay` late, and what the server says first comes after that."""

    name: ClassVar[str] = "accept-late"
    acts_on: ClassVar[Kinds] = frozenset({Response})
    delay: Duration = 5 * SECOND

    def concerns(self, event: Event) -> bool:
        return is_upgrade(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [delayed(event, self.delay)]


@dataclass(frozen=True, slots=True, kw_only=True)
class HangFault(Fault):
    """The WebSocket upgrade is never answered; the connection stays up, until the rule is disarmed."""

    name: ClassVar[str] = "hang"
    acts_on: ClassVar[Kinds] = frozenset({Response})

    def concerns(self, event: Event) -> bool:
        return is_upgrade(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [replace(event, at=NEVER)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetAtAcceptFault(Fault):
    """The connection is reset as soon as a WebSocket is asked for; with `rst: false`, it ends by a FIN."""

    name: ClassVar[str] = "reset-at-accept"
    acts_on: ClassVar[Kinds] = frozenset({Request})
    direction: ClassVar[Direction | None] = Direction.UPSTREAM
    rst: bool = True

    def concerns(self, event: Event) -> bool:
        return isinstance(event, Request) and is_upgrade_request(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [sent(Reset, context, rst=self.rst)]
