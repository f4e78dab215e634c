"""half-open: the server's host is gone, and nobody told the client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from simulator.core.events import Event, Request, Response
from simulator.core.fault import ANY, Context, Fault, Kinds, Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpenFault(Fault):
    """The server is gone without a FIN: nothing comes any more, no pong and no close, and nothing sent arrives.

    For a client this looks like a cable that was cut: only its own timeouts can tell (RFC 9293 §3.5.1).
    """

    name: ClassVar[str] = "half-open"
    mode: ClassVar[Mode] = Mode.LASTING
    acts_on: ClassVar[Kinds] = ANY
    direction = None
    keeps_open: ClassVar[bool] = True

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return []

    def affects(self, event: Event) -> bool:
        return not isinstance(event, Request | Response)
