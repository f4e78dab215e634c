"""mock: a canned answer in place of the real one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from simulator.core.events import Direction, Event, Request
from simulator.core.fault import Context, Fault, Kinds, delayed
from simulator.core.jsontext import Json
from simulator.core.matching.compare import is_upgrade_request
from simulator.core.units import Duration
from simulator.faults.answers import answer, require_sendable

SUCCESS: Json = {"status": "success", "agent": "mock", "response": "Mock response"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MockFault(Fault):
    """HTTP requests are answered with a canned success `delay` after they came, as if somebody hid a failure.

    `json` or `body` is what it says; the recorded server never sees the request.
    """

    name: ClassVar[str] = "mock"
    acts_on: ClassVar[Kinds] = frozenset({Request})
    direction: ClassVar[Direction | None] = Direction.UPSTREAM
    status: int = 200
    json: Json = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: Duration = 0

    def __post_init__(self) -> None:
        require_sendable(status=self.status, headers=self.headers, json=self.json, body=self.body)

    def concerns(self, event: Event) -> bool:
        return isinstance(event, Request) and not is_upgrade_request(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        json = SUCCESS if self.json is None and not self.body else self.json
        return [delayed(answer(context, self.status, json=json, body=self.body, headers=self.headers), self.delay)]
