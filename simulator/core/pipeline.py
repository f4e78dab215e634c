"""The pipeline: rules in order, each a stage that events of a flow pass, first in, first out.

An event that a fault delays waits behind its stage and goes on from there; what follows it in the same direction
waits as well, unless the fault lets it pass.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.core.events import Close, Direction, Event, Message, Request, Response, is_upgrade
from simulator.core.fault import Context, Mode
from simulator.core.jsontext import Json
from simulator.core.matching import label
from simulator.core.rule import Rule
from simulator.core.units import NEVER, Time

PAST = 16
"""How many events of a flow a fault can look back on."""


@dataclass(slots=True, kw_only=True)
class FlowView:
    """What rules see of a flow."""

    id: str
    number: int
    client: str
    request: Request | None = None
    websocket: bool = False
    past: tuple[Event, ...] = ()


@dataclass(slots=True)
class _Count:
    matches: int = 0
    fired: int = 0
    since: Time | None = None


@dataclass(slots=True)
class _OnFlow:
    """One rule's memory of one flow."""

    engaged: Time = NEVER
    until: Time = NEVER
    memory: dict[str, Any] = field(default_factory=dict)
    floors: dict[Direction, Time] = field(default_factory=dict)
    luck: dict[Direction, random.Random] = field(default_factory=dict)


Observe = Callable[[Time, str, str, dict[str, Json]], None]
"""Told what a rule did: time, flow, word, detail."""
Later = Callable[[Time, "Stage", FlowView, Event], None]
"""Asked to strike at a time: stage, flow and the event that triggered it."""


class Stage:
    """One armed rule and its state; `matched` and `fired` count over the whole run."""

    def __init__(self, rule: Rule, seed: int, observe: Observe, later: Later) -> None:
        self.rule, self._seed, self._observe, self._later = rule, seed, observe, later
        self.armed = True
        self.matched = self.fired = self.affected = 0
        self._counts: dict[str, _Count] = {}
        self._flows: dict[str, _OnFlow] = {}

    def step(self, event: Event, flow: FlowView, now: Time) -> list[Event]:
        """What comes out instead of an event, in order."""
        if not self.armed:
            return [event]
        mine = self._flows.setdefault(flow.id, _OnFlow())
        fired = self._triggered(event, flow, now)
        match self.rule.fault.mode:
            case Mode.STRIKE:
                out = self._strike_now(event, flow, now) if fired else [event]
            case Mode.LASTING:
                out = self._last(event, flow, mine, now, fired=fired)
            case Mode.TRANSFORM:
                out = self._apply(event, flow, mine, now) if fired else [event]
        if fired and self.rule.swallow:
            out = [other for other in out if other is not event]
        return self._in_order(event, out, mine)

    def strike(self, event: Event, flow: FlowView, now: Time) -> list[Event]:
        """Strike at a time that was set before."""
        if not self.armed:
            return []
        mine = self._flows.setdefault(flow.id, _OnFlow())
        out = list(self.rule.fault.apply(event, self._context(event, flow, mine, now)))
        self._note("fired", now, flow, event, out)
        return out

    def disarm(self) -> None:
        """Stop acting; what this stage held back is free."""
        self.armed = False
        self._flows.clear()

    def forget(self, flow: str) -> None:
        self._flows.pop(flow, None)

    def _triggered(self, event: Event, flow: FlowView, now: Time) -> bool:
        rule, when = self.rule, self.rule.when
        if not rule.means(event, flow.request, flow.client):
            return False
        self.matched += 1
        if when.first_connections is not None and flow.number > when.first_connections:
            return False
        count = self._counts.setdefault(self._scope(flow), _Count())
        count.matches += 1
        if not when.counts(count.matches) or (when.times is not None and count.fired >= when.times):
            return False
        if not self._in_time(count, now):
            return False
        if rule.probability < 1 and self._rng(event, flow).random() >= rule.probability:
            return False
        count.fired += 1
        self.fired += 1
        return True

    def _scope(self, flow: FlowView) -> str:
        per = self.rule.when.per or ("flow" if flow.websocket else "run")
        return {"flow": f"flow {flow.id}", "client": f"client {flow.client}", "run": ""}[per]

    def _in_time(self, count: _Count, now: Time) -> bool:
        """For transforms, `after` and `for` are a window from the first match; others time themselves."""
        if self.rule.fault.mode is not Mode.TRANSFORM:
            return True
        when = self.rule.when
        if count.since is None:
            count.since = now + when.after
        return count.since <= now and (when.lasts is None or now < count.since + when.lasts)

    def _strike_now(self, event: Event, flow: FlowView, now: Time) -> list[Event]:
        if self.rule.when.after:
            self._later(now + self.rule.when.after, self, flow, event)
            return [event]
        out = self.strike(event, flow, now)
        return [event, *out] if isinstance(event, Response) else [*out, event]

    def _last(self, event: Event, flow: FlowView, mine: _OnFlow, now: Time, *, fired: bool) -> list[Event]:
        when = self.rule.when
        if fired and not mine.engaged <= now < mine.until:
            mine.engaged = now + when.after
            mine.until = NEVER if when.lasts is None else mine.engaged + when.lasts
            self._note("fired", now, flow, event, [])
        if not mine.engaged <= now < mine.until or not self.rule.fault.affects(event):
            return [event]
        self.affected += 1
        out = list(self.rule.fault.apply(event, self._context(event, flow, mine, now)))
        if out != [event]:
            self._note("affected", now, flow, event, out)
        return out

    def _apply(self, event: Event, flow: FlowView, mine: _OnFlow, now: Time) -> list[Event]:
        out = list(self.rule.fault.apply(event, self._context(event, flow, mine, now)))
        self._note("fired", now, flow, event, out)
        return out

    def _context(self, event: Event, flow: FlowView, mine: _OnFlow, now: Time) -> Context:
        return Context(
            flow=flow.id,
            now=now,
            rng=self._rng(event, flow),
            request=flow.request,
            until=mine.until,
            memory=mine.memory,
            past=flow.past,
        )

    def _rng(self, event: Event, flow: FlowView) -> random.Random:
        """One generator per seed, link and rule: adding a rule changes no other rule's luck."""
        mine = self._flows.setdefault(flow.id, _OnFlow())
        if event.direction not in mine.luck:
            mine.luck[event.direction] = random.Random(
                f"{self._seed}/{flow.id}/{event.direction}/{self.rule.name}"
            )
        return mine.luck[event.direction]

    def _in_order(self, event: Event, out: Iterable[Event], mine: _OnFlow) -> list[Event]:
        """Nothing overtakes in its direction, unless the fault lets it pass or is about order itself."""
        kept = []
        for other in out:
            if not (other is event and self.rule.fault.lets_pass(event)):
                floor = mine.floors.get(other.direction, 0)
                if other.at < floor:
                    other = replace(other, at=floor)
                mine.floors[other.direction] = other.at
            kept.append(other)
        return kept

    def _note(self, what: str, now: Time, flow: FlowView, event: Event, out: list[Event]) -> None:
        detail: dict[str, Json] = {
            "rule": self.rule.name,
            "fault": self.rule.fault.name,
            "on": summary(event),
            "to": label(flow.request) if flow.request else "",
            "instead": [summary(other) for other in out],
        }
        self._observe(now, flow.id, what, detail)


def summary(event: Event) -> Json:
    """An event in a few words, for journals and reports."""
    found: dict[str, Json] = {"kind": event.kind, "label": label(event), "direction": str(event.direction)}
    if event.at >= NEVER:
        found["held"] = True
    if isinstance(event, Message):
        found["data"] = event.data[:200] if isinstance(event.data, str) else event.data[:100].hex()
    if isinstance(event, Close):
        found |= {"code": event.code, "reason": event.reason}
    if isinstance(event, Response) and not is_upgrade(event):
        found["body"] = event.body[:200].decode(errors="replace")
    return found
