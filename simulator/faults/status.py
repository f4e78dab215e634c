"""status: HTTP requests are answered with another status and body; refuse: a WebSocket upgrade is."""

from __future__ import annotations

import http
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from simulator.core.events import Event, Headers, Response, header, is_upgrade
from simulator.core.fault import Context, Fault, Kinds, delayed
from simulator.core.jsontext import Json
from simulator.core.units import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFault(Fault):
    """The response gets this status and body; `json` is sent as JSON, `body` as text, `headers` are added."""

    name: ClassVar[str] = "status"
    acts_on: ClassVar[Kinds] = frozenset({Response})
    status: int = 503
    json: Json = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def concerns(self, event: Event) -> bool:
        return isinstance(event, Response) and not is_upgrade(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [self._instead(event)] if isinstance(event, Response) else [event]

    def _instead(self, event: Response) -> Response:
        data = json.dumps(self.json).encode() if self.json is not None else self.body.encode()
        kind = "application/json" if self.json is not None else "text/plain; charset=utf-8"
        headers: Headers = (*self.headers.items(), ("Content-Length", str(len(data))))
        if data and header(headers, "content-type") is None:
            headers = (("Content-Type", kind), *headers)
        return replace(
            event,
            status=self.status,
            reason=_phrase(self.status),
            headers=headers,
            body=data,
            streaming=False,
        )


def _phrase(status: int) -> str:
    """The standard reason phrase (RFC 9110 §15); none for codes of one's own."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseFault(StatusFault):
    """The WebSocket upgrade is answered with this status instead of 101, `delay` later than it would have been."""

    name: ClassVar[str] = "refuse"
    delay: Duration = 0

    def concerns(self, event: Event) -> bool:
        return is_upgrade(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [delayed(self._instead(event), self.delay)] if isinstance(event, Response) else [event]
