"""Rules: which fault, on which events, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from simulator.core.events import Close, Direction, Event, Message, Request, Response, is_upgrade
from simulator.core.fault import Fault, Mode
from simulator.core.jsontext import Json, MaybeJson, Path, values_at
from simulator.core.units import Time
from simulator.core.values.places import documents_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must stand at a JSON path: one of `values`, or text that `pattern` matches whole, or anything."""

    path: Path
    values: tuple[Json, ...] = ()
    pattern: str | None = None
    exists: bool = True

    def holds(self, document: MaybeJson) -> bool:
        found = values_at(document, self.path)
        if not found:
            return not self.exists
        if self.pattern is not None:
            return any(isinstance(value, str) and re.fullmatch(self.pattern, value) for value in found)
        return any(map(self._wants, found)) if self.values else self.exists

    def _wants(self, value: Json) -> bool:
        """Whether a value is one of those wanted; true is not 1."""
        return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which events a rule means; everything given must hold, and what is not given holds always.

    `service`, `path` and `method` speak of the request that opened the flow; `path` may have wildcards, as in
    '/api/*'. `text` is a regular expression searched for in the payload.
    """

    direction: Direction | None = None
    event: str | None = None
    service: str | None = None
    path: str | None = None
    method: str | None = None
    json: tuple[Condition, ...] = ()
    text: str | None = None
    opcode: Literal["text", "binary"] | None = None
    status: int | None = None
    code: int | None = None
    client: str | None = None

    def selects(self, event: Event, request: Request | None, client: str = "") -> bool:
        """Whether this event, on the flow that `request` opened, is meant."""
        return (
            (self.direction is None or event.direction is self.direction)
            and (self.event is None or event.kind == self.event)
            and (self.client is None or fnmatchcase(client, self.client))
            and self._flow(request)
            and self._content(event)
        )

    def _flow(self, request: Request | None) -> bool:
        if request is None:
            return self.service is None and self.path is None and self.method is None
        return (
            (self.service is None or request.service == self.service)
            and (self.path is None or fnmatchcase(request.path, self.path))
            and (self.method is None or request.method == self.method.upper())
        )

    def _content(self, event: Event) -> bool:
        if self.status is not None and not (isinstance(event, Response) and event.status == self.status):
            return False
        if self.code is not None and not (isinstance(event, Close) and event.code == self.code):
            return False
        if self.opcode is not None and not (isinstance(event, Message) and _opcode(event) == self.opcode):
            return False
        if self.text is not None and re.search(self.text, _text(event)) is None:
            return False
        if not self.json:
            return True
        return any(all(condition.holds(document) for condition in self.json) for document in documents_of(event))


def _opcode(message: Message) -> str:
    return "text" if isinstance(message.data, str) else "binary"


def _text(event: Event) -> str:
    data: str | bytes = getattr(event, "data", b"") or getattr(event, "body", b"")
    return data if isinstance(data, str) else data.decode(errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """When a rule fires.

    `on` 'connect' means the 101 that opens a WebSocket; the selector then speaks of it and of its request.
    Of the matching events, `nth` fires on the Nth only, `every` on each Nth, `after_n` on all beyond the Nth;
    `times` limits how often.
    `after` waits from the first match, `lasts` (`for:` in files) ends it so long after it began.
    `first_connections` keeps it to the first N connections of the run that the rule means at all.
    `window` keeps it to matches that come so long after their flow began: after the 101 that opened a WebSocket,
    or after the request. `during` keeps the rule itself to a time of the run, counted from its first request: it
    is armed then and disarmed at the end, see `simulator.core.schedule`.
    With `ramp`, the rule's probability rises to what it is in that time, from 0 at the first match.
    Matches are counted `per` 'flow' on a WebSocket and per 'run' on plain HTTP, unless said.
    """

    on: Literal["match", "connect"] = "match"
    nth: int | None = None
    every: int | None = None
    after_n: int | None = None
    times: int | None = None
    after: Time = 0
    lasts: Time | None = None
    first_connections: int | None = None
    window: tuple[Time, Time] | None = None
    during: tuple[Time, Time] | None = None
    ramp: Time = 0
    per: Literal["flow", "client", "run"] | None = None

    def counts(self, match: int) -> bool:
        """Whether the match with this number, from 1, is one to fire on."""
        return (
            (self.nth is None or match == self.nth)
            and (self.every is None or match % self.every == 0)
            and (self.after_n is None or match > self.after_n)
        )

    def in_window(self, age: Time) -> bool:
        """Whether a match on a flow of this age is one to count."""
        return self.window is None or self.window[0] <= age < self.window[1]

    def chance(self, probability: float, elapsed: Time) -> float:
        """The probability, so long after the first match that counted."""
        return probability * min(1.0, elapsed / self.ramp) if self.ramp else probability


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A fault with its selector and trigger; `name` is unique in a run.

    `swallow` takes the event that triggered the fault off the wire as well: the component died on it.
    """

    name: str
    fault: Fault
    select: Selector = field(default_factory=Selector)
    when: Trigger = field(default_factory=Trigger)
    probability: float = 1.0
    swallow: bool = False

    def means(self, event: Event, request: Request | None, client: str = "") -> bool:
        """Whether an event matches, before any counting."""
        if self.when.on == "connect":  # the moment, unless the fault is about the 101 itself
            meant = self.fault.mode is not Mode.TRANSFORM or self.fault.concerns(event)
            return is_upgrade(event) and meant and self.select.selects(event, request, client)
        way = self.fault.direction if self.select.direction is None else None
        return (
            self.fault.concerns(event)
            and (way is None or event.direction is way)
            and self.select.selects(event, request, client)
        )
