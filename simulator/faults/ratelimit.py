"""rate-limit: who asks too often is told to wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from simulator.core.events import Direction, Event, Request
from simulator.core.fault import Context, Fault, Kinds, require
from simulator.core.jsontext import Json
from simulator.core.units import SECOND, Duration, Time
from simulator.faults.answers import answer, require_sendable


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitFault(Fault):
    """Beyond `limit` requests in a `window`, requests are answered at once with 429 and Retry-After (RFC 6585 §4).

    A window begins with the first request after the last one; Retry-After is what is left of it, in whole seconds.
    The rule's `per:` says whose requests are counted together, those of the `run` or of a `client`. What is
    refused never reaches the recorded server.
    """

    name: ClassVar[str] = "rate-limit"
    acts_on: ClassVar[Kinds] = frozenset({Request})
    direction: ClassVar[Direction | None] = Direction.UPSTREAM
    limit: int = 10
    window: Duration = 60 * SECOND
    status: int = 429
    json: Json = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.limit >= 0, "limit", f"expected 0 or more, got {self.limit}")
        require(self.window > 0, "window", "expected more than 0s")
        require_sendable(status=self.status, headers=self.headers, json=self.json, body=self.body)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        window = context.common
        if context.now >= window.get("ends", 0):
            window.update(ends=context.now + self.window, asked=0)
        window["asked"] += 1
        if window["asked"] <= self.limit:
            return [event]
        left: Time = window["ends"] - context.now
        wait = (("Retry-After", str(-(-left // SECOND))),)
        default: Json = None if self.body else {"detail": "Rate limit exceeded"}
        json = default if self.json is None else self.json
        return [answer(context, self.status, json=json, body=self.body, headers=self.headers, kept=wait)]
