"""fragment: messages in many frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Final

from simulator.core.events import Event, Fragment, Message
from simulator.core.fault import Context, Fault, Kinds, delayed, require
from simulator.core.units import Duration
from simulator.faults.rawframes import CONTINUATION, MESSAGES, frame, instead, opcode_of

MAX_PARTS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentFault(Fault):
    """A message is split into `parts` frames, each `gap` after the one before (RFC 6455 §5.4).

    Its text may be cut in the middle of a character, which is legal, and has broken many a client.
    """

    name: ClassVar[str] = "fragment"
    acts_on: ClassVar[Kinds] = MESSAGES
    parts: int = 3
    gap: Duration = 0

    def __post_init__(self) -> None:
        require(2 <= self.parts <= MAX_PARTS, "parts", f"expected 2 to {MAX_PARTS}, got {self.parts}")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        payload, parts = event.payload, self.parts
        cuts = [len(payload) * part // parts for part in range(parts + 1)]
        pieces = [payload[start:end] for start, end in pairwise(cuts)]
        if not self.gap:
            return [replace(event, fragments=tuple(Fragment(size=len(piece)) for piece in pieces))]
        # a message goes out at one time, so frames that have times of their own are bytes
        return [
            delayed(instead(event, _frame(event, piece, number, parts)), self.gap * number)
            for number, piece in enumerate(pieces)
        ]


def _frame(message: Message, piece: bytes, number: int, parts: int) -> bytes:
    return frame(CONTINUATION if number else opcode_of(message), piece, fin=number == parts - 1)
