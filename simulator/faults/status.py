"""status: HTTP requests are answered with another status and body; refuse: a WebSocket upgrade is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from simulator.core.events import Event, Response, is_upgrade
from simulator.core.fault import Context, Fault, Kinds, delayed
from simulator.core.jsontext import Json
from simulator.core.units import Duration
from simulator.faults.answers import answer, is_answer, require_sendable


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFault(Fault):
    """The response gets this status and body; `json` is sent as JSON, `body` as text, `headers` are added.

    Any status from 200 to 999, with its standard reason phrase unless `reason` gives one. With `keep_headers`, the
    recorded header fields stay, but for those about the content; `headers` replace those of the same name.
    """

    name: ClassVar[str] = "status"
    acts_on: ClassVar[Kinds] = frozenset({Response})
    status: int = 503
    json: Json = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    keep_headers: bool = False

    def __post_init__(self) -> None:
        require_sendable(
            status=self.status, headers=self.headers, reason=self.reason, json=self.json, body=self.body
        )

    def concerns(self, event: Event) -> bool:
        return is_answer(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [self._instead(event, context)] if isinstance(event, Response) else [event]

    def _instead(self, event: Response, context: Context) -> Response:
        return answer(
            context,
            self.status,
            json=self.json,
            body=self.body,
            headers=self.headers,
            reason=self.reason,
            kept=event.headers if self.keep_headers else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseFault(StatusFault):
    """The WebSocket upgrade is answered with this status instead of 101, `delay` later than it would have been."""

    name: ClassVar[str] = "refuse"
    delay: Duration = 0

    def concerns(self, event: Event) -> bool:
        return is_upgrade(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [delayed(self._instead(event, context), self.delay)] if isinstance(event, Response) else [event]
