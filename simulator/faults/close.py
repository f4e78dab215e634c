"""close: the server ends the WebSocket with a close frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from simulator.core.events import Close, Event
from simulator.core.fault import FRAMES, Context, Fault, Kinds, Mode, require, sent

MAX_REASON: Final = 123
"""Bytes of reason that a close frame has room for (RFC 6455 §5.5)."""


def require_close(code: int | None, reason: str) -> None:
    """Raise FaultError unless a close frame can say this."""
    require(code is None or 0 <= code <= 0xFFFF, "code", f"expected 0 to 65535, got {code}")
    size = len(reason.encode(errors="surrogatepass"))
    require(size <= MAX_REASON, "reason", f"expected at most {MAX_REASON} bytes, got {size}")
    require(reason.encode(errors="ignore").decode() == reason, "reason", "is no text: half a surrogate pair")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseFault(Fault):
    """The server closes with a code and a reason; without a code, the client reports 1005 (RFC 6455 §7.4)."""

    name: ClassVar[str] = "close"
    mode: ClassVar[Mode] = Mode.STRIKE
    acts_on: ClassVar[Kinds] = FRAMES
    direction = None
    code: int | None = 1011
    reason: str = ""

    def __post_init__(self) -> None:
        require_close(self.code, self.reason)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [sent(Close, context, code=self.code, reason=self.reason)]
