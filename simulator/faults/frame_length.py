"""bad-length and masked-frame: frames whose length or mask is wrong (RFC 6455 §5.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from simulator.core.events import Event, Message
from simulator.core.fault import Context, Fault, Kinds, require
from simulator.faults.rawframes import MESSAGES, frame, instead, opcode_of

MAX_EXTRA: Final = 1 << 62
_LONGEST: Final = (1 << 64) - 1
_MASK: Final = bytes.fromhex("37fa213d")
"""The key of the RFC's own example (§5.7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLengthFault(Fault):
    """A message's frame has a bad length: written `not-minimal`, with the `top-bit` set, or `too-long` by `extra`.

    All the server sends after one that is too long is taken for the rest of it.
    """

    name: ClassVar[str] = "bad-length"
    acts_on: ClassVar[Kinds] = MESSAGES
    how: Literal["not-minimal", "top-bit", "too-long"] = "top-bit"
    extra: int = 1000

    def __post_init__(self) -> None:
        require(1 <= self.extra <= MAX_EXTRA, "extra", f"expected 1 to {MAX_EXTRA}, got {self.extra}")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        length, form = len(event.payload), 125
        if self.how == "too-long":
            length += self.extra
        elif self.how == "top-bit":
            length, form = length | 1 << 63, _LONGEST
        else:
            form = 0xFFFF if length <= 125 else _LONGEST
        return [instead(event, frame(opcode_of(event), event.payload, announced=length, form=form))]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedFrameFault(Fault):
    """A message comes in a masked frame, which only clients may send; a client must close (RFC 6455 §5.1)."""

    name: ClassVar[str] = "masked-frame"
    acts_on: ClassVar[Kinds] = MESSAGES

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        return [instead(event, frame(opcode_of(event), event.payload, mask=_MASK))]
