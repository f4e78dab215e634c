"""burst and coalesce: messages that come together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from simulator.core.events import Close, Direction, Event, Message, Ping, Pong
from simulator.core.fault import FRAMES, Context, Fault, Kinds, Mode, require
from simulator.core.units import SECOND, Duration


class _Gathering(Fault):
    """What holds the server's messages back until there are `count`; control frames pass, a close waits."""

    __slots__ = ()
    mode: ClassVar[Mode] = Mode.LASTING
    acts_on: ClassVar[Kinds] = FRAMES
    count: int  # a field of each, with a default of its own

    def __post_init__(self) -> None:
        require(self.count >= 2, "count", f"expected 2 or more, got {self.count}")

    def affects(self, event: Event) -> bool:
        return event.direction is Direction.DOWNSTREAM and isinstance(event, Message | Close)

    def lets_pass(self, event: Event) -> bool:
        return isinstance(event, Ping | Pong)


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstFault(_Gathering):
    """The server's messages are held back until there are `count`, then all come at once.

    They wait no longer than `wait` for each other, and not at all for more once the server closes.
    """

    name: ClassVar[str] = "burst"
    count: int = 5
    wait: Duration = 10 * SECOND

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        held = [*context.recall(), event]
        if isinstance(event, Close) or sum(isinstance(each, Message) for each in held) >= self.count:
            return held
        return [replace(each, at=_deadline(self.wait, context, begins=len(held) == 1)) for each in held]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoalesceFault(_Gathering):
    """Every `count` messages of the server come as one: their texts on `lines`, or as the items of an `array`.

    They wait no longer than `wait` for each other. Binary messages are joined without anything between them.
    """

    name: ClassVar[str] = "coalesce"
    count: int = 3
    how: Literal["lines", "array"] = "lines"
    wait: Duration = 10 * SECOND

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        """What is held is always one message: the sum of its parts, which are remembered."""
        held = context.recall()
        parts: list[Message] = context.memory.setdefault("parts", [])
        if not held:  # the others have waited long enough
            parts.clear()
        if not isinstance(event, Message) or (parts and type(parts[0].data) is not type(event.data)):
            parts.clear()
        else:
            held = held[1:] if parts else held
        if not isinstance(event, Message):
            return [*held, event]
        parts.append(event)
        joined = replace(event, data=self._joined(parts), fragments=())
        if len(parts) >= self.count:
            parts.clear()
            return [*held, joined]
        return [*held, replace(joined, at=_deadline(self.wait, context, begins=len(parts) == 1))]

    def _joined(self, parts: list[Message]) -> str | bytes:
        texts = [part.data for part in parts if isinstance(part.data, str)]
        if not texts:
            return b"".join(part.payload for part in parts)
        return "\n".join(texts) if self.how == "lines" else f"[{', '.join(texts)}]"


def _deadline(wait: Duration, context: Context, *, begins: bool) -> int:
    """Until when the messages that are held wait for others; the first of them sets the time."""
    if begins:
        context.memory["deadline"] = min(context.now + wait, context.until)
    deadline: int = context.memory["deadline"]
    return deadline
