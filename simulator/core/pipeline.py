"""The pipeline: rules in order, each a stage that events of a flow pass, first in, first out.

An event that a fault delays waits behind its stage and goes on from there; what follows it in the same direction
waits as well, unless the fault lets it pass. What comes at the very moment at which the wait ends goes after it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from simulator.core.events import Close, Direction, Event, Message, Request, Response, is_upgrade
from simulator.core.fault import Context, Mode
from simulator.core.jsontext import Json
from simulator.core.matching.compare import label
from simulator.core.rule import Rule
from simulator.core.units import NEVER, Time

PAST = 16
"""How many events of a flow a fault can look back on."""


@dataclass(slots=True, kw_only=True)
class FlowView:
    """What rules see of a flow. `since` is when its WebSocket was opened; until then, and on HTTP, its request.

    `wall` is the time since the Unix epoch when the timeline began, `recorded` what its service was asked there.
    """

    id: str
    client: str
    since: Time
    request: Request | None = None
    websocket: bool = False
    past: tuple[Event, ...] = ()
    wall: Time = 0
    recorded: Sequence[tuple[Request, Response]] = ()
    minted: Callable[[str], None] = lambda value: None


@dataclass(slots=True)
class _Count:
    matches: int = 0
    fired: int = 0
    first: Time | None = None
    memory: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _OnFlow:
    """One rule's memory of one flow.

    `number` counts the flows that the rule has matched. Nothing comes out before its direction's floor; `held` are
    the times until which something was held, which has not been sent at that very moment yet. `begun` is the count
    of a transform's first match; `changed` says that it has changed something since. `owed` counts the strikes
    that were triggered and whose time has not come.
    """

    number: int = 0
    begun: _Count | None = None
    changed: bool = False
    owed: int = 0
    engaged: Time = NEVER
    until: Time = NEVER
    memory: dict[str, Any] = field(default_factory=dict)
    floors: dict[Direction, Time] = field(default_factory=dict)
    held: dict[Direction, Time] = field(default_factory=dict)
    luck: dict[Direction, random.Random] = field(default_factory=dict)


class Out(NamedTuple):
    """What came out of a stage; what `queues` goes behind everything that is due by now."""

    event: Event
    queues: bool


Observe = Callable[[Time, str, str, dict[str, Json]], None]
"""Told what a rule did: time, flow, word, detail."""
Later = Callable[[Time, "Stage", FlowView, Event], None]
"""Asked to strike at a time: stage, flow and the event that triggered it."""
Recall = Callable[["Stage", str, Direction], list[Event]]
"""Asked for what a stage holds of one direction of a flow: it is no longer under way."""


class Stage:
    """One rule and its state; `matched` and `fired` count over the whole run.

    A rule with a time of its own `waits` for it to be armed; once disarmed, no rule ever acts again.
    """

    def __init__(self, rule: Rule, seed: int, observe: Observe, later: Later, recall: Recall) -> None:
        self.rule, self._seed = rule, seed
        self._observe, self._later, self._recall = observe, later, recall
        self.waits = rule.when.during is not None
        self.armed = not self.waits
        self.matched = self.fired = self.affected = 0
        self._flows_met = self._flows_there = 0
        self._counts: dict[str, _Count] = {}
        self._flows: dict[str, _OnFlow] = {}

    def step(self, event: Event, flow: FlowView, now: Time) -> list[Out]:
        """What comes out instead of an event, in order."""
        mine = self._flows.setdefault(flow.id, _OnFlow())
        if not self.armed:
            return self._in_order(event, [event], mine, now)
        mode, count = self.rule.fault.mode, self._triggered(event, flow, mine, now)
        match mode:
            case Mode.STRIKE:
                out = self._strike_now(event, flow, now) if count else [event]
            case Mode.LASTING:
                out = self._last(event, flow, mine, now, fired=count is not None)
            case Mode.TRANSFORM:
                mine.begun = mine.begun or count
                out = self._apply(event, flow, mine, now) if count else self._follow(event, flow, mine, now)
        if count is not None:
            if self.rule.swallow:
                out = [] if mode is Mode.LASTING else [other for other in out if other is not event]
            later = mode is Mode.STRIKE and self.rule.when.after > 0
            if later:  # its turn is taken, but it may be disarmed before it fires
                count.fired += 1
                mine.owed += 1
            elif mode is Mode.LASTING or out != [event]:  # what changed nothing did not fire
                self._fired(count, mine)
        return self._in_order(event, out, mine, now)

    def _fired(self, count: _Count, mine: _OnFlow) -> None:
        mine.changed = True
        count.fired += 1
        self.fired += 1

    def strike(self, event: Event, flow: FlowView, now: Time) -> list[Event]:
        """Strike at a time that was set before, by the trigger or by the fault itself."""
        if not self.armed:
            return []
        mine = self._flows.setdefault(flow.id, _OnFlow())
        out = list(self.rule.fault.apply(event, self._context(event, flow, mine, now)))
        if out:
            self._note("fired" if self.rule.fault.mode is Mode.STRIKE else "affected", now, flow, event, out)
        if out and mine.owed:
            mine.owed -= 1
            self.fired += 1
        return out

    @property
    def in_play(self) -> bool:
        """Whether the rule acts, or will."""
        return self.armed or self.waits

    def arm(self) -> None:
        """The time of a rule that waited has come."""
        self.armed, self.waits = True, False

    def disarm(self, now: Time) -> None:
        """Stop acting; what this stage held back is due now, and what comes later still comes after it."""
        self.armed = self.waits = False
        self._flows = {flow: mine for flow, mine in self._flows.items() if mine.held}
        for mine in self._flows.values():
            for way in mine.held:
                mine.floors[way] = mine.held[way] = min(mine.held[way], now)

    def is_done_with(self, flow: str) -> bool:
        """Whether events of a flow need not pass here any more: disarmed, and there is nothing to come after."""
        return not self.armed and flow not in self._flows

    def keeps_open(self, flow: str, now: Time) -> bool:
        """Whether the fault keeps the connection of this flow from ending."""
        mine = self._flows.get(flow)
        in_force = self.armed and mine is not None and mine.engaged <= now < mine.until
        return in_force and self.rule.fault.keeps_open

    def forget(self, flow: str) -> None:
        """A flow is gone."""
        gone = self._flows.pop(flow, None)
        self._flows_there -= 1 if gone is not None and gone.number else 0
        self._counts.pop(f"flow {flow}", None)

    def _triggered(self, event: Event, flow: FlowView, mine: _OnFlow, now: Time) -> _Count | None:
        """The count of matches in whose turn it is to fire, or None."""
        rule, when = self.rule, self.rule.when
        if not rule.means(event, flow.request, flow.client):
            return None
        self.matched += 1
        self._meet(mine)
        if when.first_connections is not None and mine.number > when.first_connections:
            return None
        if not when.in_window(now - flow.since):
            return None
        count = self._counts.setdefault(self._scope(flow), _Count())
        count.matches += 1
        if not when.counts(count.matches) or (when.times is not None and count.fired >= when.times):
            return None
        count.first = now if count.first is None else count.first
        if now < mine.until and mine.engaged < NEVER:  # a lasting fault that lasts, or is about to, begins once
            return None
        chance = when.chance(rule.probability, now - count.first)
        if not self._in_time(now - count.first) or (chance < 1 and self._rng(event, flow).random() >= chance):
            return None
        return count

    def _meet(self, mine: _OnFlow) -> None:
        if not mine.number:
            self._flows_met += 1
            self._flows_there += 1
            mine.number = self._flows_met

    def _scope(self, flow: FlowView) -> str:
        per = self.rule.when.per or ("flow" if flow.websocket else "run")
        return {"flow": f"flow {flow.id}", "client": f"client {flow.client}", "run": ""}[per]

    def _in_time(self, elapsed: Time) -> bool:
        """For transforms, `after` and `for` are a window from the first match; others time themselves."""
        if self.rule.fault.mode is not Mode.TRANSFORM:
            return True
        when = self.rule.when
        return when.after <= elapsed and (when.lasts is None or elapsed < when.after + when.lasts)

    def _strike_now(self, event: Event, flow: FlowView, now: Time) -> list[Event]:
        if self.rule.when.after:
            self._note("triggered", now, flow, event, [])
            self._later(now + self.rule.when.after, self, flow, event)
            return [event]
        out = self.strike(event, flow, now)
        return [event, *out] if isinstance(event, Response) else [*out, event]

    def _last(self, event: Event, flow: FlowView, mine: _OnFlow, now: Time, *, fired: bool) -> list[Event]:
        when = self.rule.when
        if fired:
            mine.engaged = now + when.after
            mine.until = NEVER if when.lasts is None else mine.engaged + when.lasts
            if when.window is not None:
                mine.until = min(mine.until, flow.since + when.window[1])
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
        if out != [event] or self.rule.swallow:
            self._note("fired", now, flow, event, out)
        return out

    def _follow(self, event: Event, flow: FlowView, mine: _OnFlow, now: Time) -> list[Event]:
        """What comes instead of an event after the one that a transform was given, if it is about both."""
        if mine.begun is None or not self.rule.fault.follows(event):
            return [event]
        out = list(self.rule.fault.apply(event, self._context(event, flow, mine, now)))
        if out != [event]:
            self.affected += 1
            self._note("affected" if mine.changed else "fired", now, flow, event, out)
            if not mine.changed:
                self._fired(mine.begun, mine)
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
            peers=self._flows_there,
            recall=partial(self._take_back, event.direction, flow, mine, now),
            common=self._counts.setdefault(self._scope(flow), _Count()).memory,
            wall=flow.wall + now,
            recorded=flow.recorded,
            again=partial(self._again, event, flow, now),
            minted=flow.minted,
        )

    def _again(self, event: Event, flow: FlowView, now: Time, by: Time) -> None:
        self._later(now + max(by, 1), self, flow, event)  # time goes on, or a fault could keep it from doing so

    def _take_back(self, way: Direction, flow: FlowView, mine: _OnFlow, now: Time) -> list[Event]:
        taken = self._recall(self, flow.id, way)
        if taken:  # nothing is held any more, so nothing need wait
            mine.floors[way] = now
            mine.held.pop(way, None)
        return [replace(event, at=now) for event in taken]

    def _rng(self, event: Event, flow: FlowView) -> random.Random:
        """One generator per seed, link and rule: adding a rule changes no other rule's luck."""
        mine = self._flows.setdefault(flow.id, _OnFlow())
        if event.direction not in mine.luck:
            mine.luck[event.direction] = random.Random(
                f"{self._seed}/{flow.id}/{event.direction}/{self.rule.name}"
            )
        return mine.luck[event.direction]

    def _in_order(self, event: Event, out: Iterable[Event], mine: _OnFlow, now: Time) -> list[Out]:
        """Nothing overtakes in its direction, unless the fault lets it pass or is about order itself."""
        kept = []
        for other in out:
            way, free = other.direction, other is event and self.rule.fault.lets_pass(event)
            if not free:
                other = _not_before(other, mine.floors.get(way, 0))
                mine.floors[way] = other.at
                if other.at > now:
                    mine.held[way] = other.at
            kept.append(Out(other, queues=other.at > now or (not free and mine.held.get(way) == now)))
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


def _not_before(event: Event, floor: Time) -> Event:
    return replace(event, at=floor) if event.at < floor else event


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
