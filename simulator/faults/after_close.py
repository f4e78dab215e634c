"""close-then-talk and ignore-close: a server that does not understand what closing means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from simulator.core.events import Close, Direction, Event, Message
from simulator.core.fault import Context, Fault, Kinds
from simulator.faults.close import require_close
from simulator.faults.rawframes import MESSAGES, close_frame, frame_of, instead


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseThenTalkFault(Fault):
    """The server sends a close frame before a message, and the message all the same (against RFC 6455 §5.5.1).

    Both go out as one, and what the server says later follows as if nothing had happened.
    """

    name: ClassVar[str] = "close-then-talk"
    acts_on: ClassVar[Kinds] = MESSAGES
    code: int | None = 1000
    reason: str = ""

    def __post_init__(self) -> None:
        require_close(self.code, self.reason)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        return [instead(event, close_frame(self.code, self.reason) + frame_of(event))]


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreCloseFault(Fault):
    """The client's close frame is never answered, and the connection stays up (against RFC 6455 §5.5.1)."""

    name: ClassVar[str] = "ignore-close"
    acts_on: ClassVar[Kinds] = frozenset({Close})
    direction: ClassVar[Direction | None] = Direction.UPSTREAM

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [] if isinstance(event, Close) else [event]
