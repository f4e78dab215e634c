"""truncate and oversize: messages that are shorter or longer than they should be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from simulator.core import jsontext
from simulator.core.events import Event, Message
from simulator.core.fault import Context, Fault, Kinds, require
from simulator.faults.rawframes import MESSAGES

MAX_SIZE: Final = 64 << 20
"""Bytes of the largest message that is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TruncateFault(Fault):
    """Only a `share` of a message's text or bytes comes, or the first `keep`, in a frame that is sound."""

    name: ClassVar[str] = "truncate"
    acts_on: ClassVar[Kinds] = MESSAGES
    share: float = 0.5
    keep: int | None = None

    def __post_init__(self) -> None:
        require(0 <= self.share < 1, "share", f"expected a share from 0 to below 1, got {self.share}")
        require(self.keep is None or self.keep >= 0, "keep", f"expected 0 or more, got {self.keep}")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        kept = int(len(event.data) * self.share) if self.keep is None else self.keep
        return [replace(event, data=event.data[:kept], fragments=())] if kept < len(event.data) else [event]


@dataclass(frozen=True, slots=True, kw_only=True)
class OversizeFault(Fault):
    """A message grows to `size` bytes: a JSON object by a field named `field`, anything else by what follows it.

    Clients that limit messages close with 1009 (RFC 6455 §7.4.1); the default is more than 1 MiB, a common limit.
    """

    name: ClassVar[str] = "oversize"
    acts_on: ClassVar[Kinds] = MESSAGES
    size: int = (1 << 20) + 1
    field: str = "padding"

    def __post_init__(self) -> None:
        require(1 <= self.size <= MAX_SIZE, "size", f"expected 1 to {MAX_SIZE}, got {self.size}")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message) or len(event.payload) >= self.size:
            return [event]
        return [replace(event, data=self._grown(event.data), fragments=())]

    def _grown(self, data: str | bytes) -> str | bytes:
        if isinstance(data, bytes):
            return data.ljust(self.size, b"\0")
        document = jsontext.parse_object(data)
        if not isinstance(document, dict):
            return data + " " * (self.size - len(_encoded(data)))
        style = jsontext.style_of(data, document) or "spaced"
        bare = jsontext.dump({**document, self.field: ""}, style)
        return jsontext.dump({**document, self.field: "x" * (self.size - len(_encoded(bare)))}, style)


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
