"""close: the server ends the WebSocket with a close frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from simulator.core.events import Close, Event
from simulator.core.fault import FRAMES, Context, Fault, Kinds, Mode, sent


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseFault(Fault):
    """The server closes with a code and a reason; without a code, the client reports 1005 (RFC 6455 §7.4)."""

    name: ClassVar[str] = "close"
    mode: ClassVar[Mode] = Mode.STRIKE
    acts_on: ClassVar[Kinds] = FRAMES
    direction = None
    code: int | None = 1011
    reason: str = ""

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [sent(Close, context, code=self.code, reason=self.reason)]
