"""dribble and truncated-body: the response begins well, and its body comes slowly, or not to its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from simulator.core.events import Chunk, End, Event, Reset, Response
from simulator.core.fault import Context, Fault, Kinds, delayed, require, sent
from simulator.core.units import SECOND, Duration, Time
from simulator.faults.answers import has_content, is_answer, with_fields

MAX_CHUNKS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DribbleFault(Fault):
    """The body comes in `chunks` pieces of the same size, spread evenly over `duration`, the last at its end.

    Of a response that is recorded in pieces, each piece is so spread, after the one before.
    """

    name: ClassVar[str] = "dribble"
    acts_on: ClassVar[Kinds] = frozenset({Response})
    chunks: int = 10
    duration: Duration = 5 * SECOND

    def __post_init__(self) -> None:
        require(1 <= self.chunks <= MAX_CHUNKS, "chunks", f"expected 1 to {MAX_CHUNKS}, got {self.chunks}")

    def concerns(self, event: Event) -> bool:
        return is_answer(event)

    def follows(self, event: Event) -> bool:
        return isinstance(event, Chunk)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if isinstance(event, Chunk):
            return self._pieces(event.data, context)
        if not isinstance(event, Response) or event.streaming or not event.body or not has_content(event, context):
            return [event]
        pieces = self._pieces(event.body, context)
        end = replace(sent(End, context), at=pieces[-1].at)
        return [replace(event, body=b"", streaming=True), *pieces, end]

    def _pieces(self, data: bytes, context: Context) -> list[Event]:
        begin: Time = max(context.now, context.memory.get("free", 0))
        context.memory["free"] = begin + self.duration
        count = min(self.chunks, len(data))
        cuts = [len(data) * number // count for number in range(count + 1)]
        return [
            replace(
                sent(Chunk, context, data=data[cuts[number] : cuts[number + 1]]),
                at=begin + self.duration * (number + 1) // count,
            )
            for number in range(count)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TruncatedBodyFault(Fault):
    """The body ends after `fraction` of it, or `after_bytes`, though the head promised more (RFC 9112 §8).

    The connection ends `hold` after the last byte, by a FIN, or with `rst: true` by a TCP RST. Of a response that
    is recorded in pieces, the fraction is of the first piece.
    """

    name: ClassVar[str] = "truncated-body"
    acts_on: ClassVar[Kinds] = frozenset({Response})
    fraction: float = 0.5
    after_bytes: int | None = None
    hold: Duration = 0
    rst: bool = False

    def __post_init__(self) -> None:
        require(0 <= self.fraction <= 1, "fraction", f"expected 0 to 1, got {self.fraction}")
        require((self.after_bytes or 0) >= 0, "after_bytes", f"expected 0 or more, got {self.after_bytes}")

    def concerns(self, event: Event) -> bool:
        return is_answer(event)

    def follows(self, event: Event) -> bool:
        return isinstance(event, Chunk | End)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if isinstance(event, Chunk):
            return self._piece(event, context)
        if isinstance(event, Response):
            return self._whole(event, context) if has_content(event, context) and not event.streaming else [event]
        return [self._cut(context)]

    def _whole(self, event: Response, context: Context) -> list[Event]:
        length = len(event.body)
        kept = self._kept(length)
        promised = max(length, kept + 1)
        headers = with_fields(event, {"Content-Length": str(promised), "Transfer-Encoding": None})
        head = replace(event, headers=headers, body=b"", streaming=True)
        pieces = [sent(Chunk, context, data=event.body[:kept])] if kept else []
        return [head, *pieces, self._cut(context)]

    def _piece(self, event: Chunk, context: Context) -> list[Event]:
        left: int = context.memory.setdefault("left", self._kept(len(event.data), at_most=False))
        context.memory["left"] = left - len(event.data)
        if left > len(event.data):
            return [event]
        return [*([replace(event, data=event.data[:left])] if left else []), self._cut(context)]

    def _kept(self, length: int, *, at_most: bool = True) -> int:
        if self.after_bytes is None:
            return int(length * self.fraction)
        return min(self.after_bytes, length) if at_most else self.after_bytes

    def _cut(self, context: Context) -> Event:
        return delayed(sent(Reset, context, rst=self.rst), self.hold)
