"""empty-response, random-data-then-close, malformed-response-chunk: no HTTP response, or one that breaks.

The names are those that WireMock has for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from simulator.core.events import Bytes, Chunk, End, Event, Reset, Response
from simulator.core.fault import Context, Fault, Kinds, require, sent
from simulator.faults.answers import has_content, is_answer, with_fields

MAX_RANDOM: Final = 1 << 20
_SIZE: Final = re.compile(r"[0-9A-Fa-f]+[ \t]*(;.*)?")
"""Hexadecimal digits, and extensions, if any (RFC 9112 §7.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyResponseFault(Fault):
    """The connection is closed when the response is due, without a byte of it."""

    name: ClassVar[str] = "empty-response"
    acts_on: ClassVar[Kinds] = frozenset({Response})

    def concerns(self, event: Event) -> bool:
        return is_answer(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [sent(Reset, context, rst=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomDataThenCloseFault(Fault):
    """Instead of the response come `size` random bytes, the same for the same seed, and the connection ends."""

    name: ClassVar[str] = "random-data-then-close"
    acts_on: ClassVar[Kinds] = frozenset({Response})
    size: int = 64

    def __post_init__(self) -> None:
        require(1 <= self.size <= MAX_RANDOM, "size", f"expected 1 to {MAX_RANDOM} bytes, got {self.size}")

    def concerns(self, event: Event) -> bool:
        return is_answer(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [sent(Bytes, context, data=context.rng.randbytes(self.size)), sent(Reset, context, rst=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedResponseChunkFault(Fault):
    """Half of the body comes in a good chunk, then a line that is no chunk size, and the connection ends.

    A response that is recorded in pieces breaks after its first. `size` is what stands where RFC 9112 §7.1 has the
    chunk size in hexadecimal digits.
    """

    name: ClassVar[str] = "malformed-response-chunk"
    acts_on: ClassVar[Kinds] = frozenset({Response})
    size: str = "lskdu018973t09sylgasjkfg1][]'./.sdlv"

    def __post_init__(self) -> None:
        require(_SIZE.fullmatch(self.size) is None, "size", f"expected what is no chunk size, got {self.size!r}")

    def concerns(self, event: Event) -> bool:
        return is_answer(event)

    def follows(self, event: Event) -> bool:
        return isinstance(event, Chunk | End)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        broken = [sent(Bytes, context, data=f"{self.size}\r\n".encode()), sent(Reset, context, rst=False)]
        if isinstance(event, Chunk):
            return [event, *broken]
        if not isinstance(event, Response):
            return broken
        if not has_content(event, context):
            return [event]
        headers = with_fields(event, {"Content-Length": None, "Transfer-Encoding": "chunked"})
        head = replace(event, headers=headers, body=b"", streaming=True)
        if event.streaming:
            return [head]
        half = event.body[: (len(event.body) + 1) // 2]
        return [head, sent(Chunk, context, data=half), *broken] if half else [head, *broken]
