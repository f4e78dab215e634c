"""reset-mid-frame: the connection is gone when half a frame has been sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from simulator.core.events import Event, Message, Reset
from simulator.core.fault import Context, Fault, Kinds, require, sent
from simulator.faults.rawframes import MESSAGES, frame_of, instead


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetMidFrameFault(Fault):
    """A `share` of a message's frame is sent, then the connection is reset, or with `rst: false` ends by a FIN."""

    name: ClassVar[str] = "reset-mid-frame"
    acts_on: ClassVar[Kinds] = MESSAGES
    share: float = 0.5
    rst: bool = True

    def __post_init__(self) -> None:
        require(0 < self.share < 1, "share", f"expected a share between 0 and 1, got {self.share}")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        whole = frame_of(event)
        sent_bytes = min(max(1, int(len(whole) * self.share)), len(whole) - 1)
        return [instead(event, whole[:sent_bytes]), sent(Reset, context, rst=self.rst)]
