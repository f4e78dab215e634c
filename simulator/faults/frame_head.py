"""reserved-bits, compressed-bit and unknown-opcode: frames whose first byte is wrong (RFC 6455 §5.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from simulator.core.events import Event, Message
from simulator.core.fault import Context, Fault, Kinds, require
from simulator.faults.rawframes import MESSAGES, RSV, UNDEFINED, frame, instead, opcode_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedBitsFault(Fault):
    """A message comes in a frame with a reserved bit set that no extension has asked for (RFC 6455 §5.2)."""

    name: ClassVar[str] = "reserved-bits"
    acts_on: ClassVar[Kinds] = MESSAGES
    rsv: Literal[2, 3] = 2

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        return [instead(event, frame(opcode_of(event), event.payload, bits=RSV[self.rsv]))]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedBitFault(Fault):
    """A message says that it is compressed and is not: with no permessage-deflate agreed on, RSV1 is illegal.

    Where it was agreed on, what comes is nothing that inflates (RFC 7692 §6).
    """

    name: ClassVar[str] = "compressed-bit"
    acts_on: ClassVar[Kinds] = MESSAGES

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        return [instead(event, frame(opcode_of(event), event.payload, bits=RSV[1]))]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownOpcodeFault(Fault):
    """A message comes in a frame with an opcode that means nothing: 3 to 7, or 11 to 15 (RFC 6455 §5.2)."""

    name: ClassVar[str] = "unknown-opcode"
    acts_on: ClassVar[Kinds] = MESSAGES
    opcode: int = 3

    def __post_init__(self) -> None:
        require(self.opcode in UNDEFINED, "opcode", f"expected 3 to 7 or 11 to 15, got {self.opcode}")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [instead(event, frame(self.opcode, event.payload)) if isinstance(event, Message) else event]
