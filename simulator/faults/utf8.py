"""invalid-utf8: text that is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from simulator.core.events import Event, Message
from simulator.core.fault import Context, Fault, Kinds
from simulator.faults.rawframes import MESSAGES, TEXT, frame, instead


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidUtf8Fault(Fault):
    """A message comes as text with a byte in the middle that UTF-8 never has; clients close with 1007.

    RFC 6455 §8.1 wants them to fail the connection.
    """

    name: ClassVar[str] = "invalid-utf8"
    acts_on: ClassVar[Kinds] = MESSAGES

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        middle = len(event.payload) // 2
        return [instead(event, frame(TEXT, event.payload[:middle] + b"\xff" + event.payload[middle:]))]
