"""fragmented-control and unexpected-continuation: frames in pieces that do not fit together (RFC 6455 §5.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from simulator.core.events import Bytes, Event, Message
from simulator.core.fault import FRAMES, Context, Fault, Kinds, Mode, sent
from simulator.faults.rawframes import CONTINUATION, MESSAGES, PING, frame, instead


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentedControlFault(Fault):
    """The server sends a ping in two fragments; control frames must not be fragmented (RFC 6455 §5.5)."""

    name: ClassVar[str] = "fragmented-control"
    mode: ClassVar[Mode] = Mode.STRIKE
    acts_on: ClassVar[Kinds] = FRAMES
    direction = None

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        pieces = frame(PING, b"he", fin=False) + frame(CONTINUATION, b"llo")
        return [sent(Bytes, context, data=pieces)]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnexpectedContinuationFault(Fault):
    """A message comes in a continuation frame, with nothing before it to continue (RFC 6455 §5.4)."""

    name: ClassVar[str] = "unexpected-continuation"
    acts_on: ClassVar[Kinds] = MESSAGES

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [instead(event, frame(CONTINUATION, event.payload)) if isinstance(event, Message) else event]
