"""The driver: plays the client's side of a recording, against whatever plays the server's.

Sans I/O, like the session that it may face: `receive` what the server sent, `due` gives what the client sends by
now, `deadline` says when to ask again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from simulator.core.events import Chunk, Direction, Event, Message, Request, Reset, Response, ends_link
from simulator.core.matching.compare import is_heartbeat, label
from simulator.core.matching.replies import choose_expectation
from simulator.core.recording import Recording
from simulator.core.script import Expectation, find_causes
from simulator.core.units import Time
from simulator.core.values.bindings import Bindings, Scope
from simulator.core.values.correlation import ECHOED, MINTED, TOKEN, Part, Plan, Variable
from simulator.core.values.places import lines_of

_OWN = "own"
"""The kind of what the client made itself, and so sends as it was recorded."""


@dataclass(slots=True)
class _Side:
    """What the driver knows of one flow: which server events it waits for, and which it has seen.

    Those in `otherwise` came in other words.
    """

    expectations: list[Expectation] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    otherwise: set[int] = field(default_factory=set)

    def instead(self, event: Event) -> Expectation | None:
        """What an event that was never recorded has come for: the next of its kind and name."""
        for item in self.expectations:
            spent = item.heartbeat or item.index in self.used or item.index in self.otherwise
            if not spent and item.event.kind == event.kind and _name(item.event) == _name(event):
                return item
        return None


class Driver:
    """Plays the client's side of a recording: each of its events follows what it followed there.

    What a client says on a flow keeps its order. With a plan (see `client_plan`), values that the server made in
    this run are sent back instead of the recorded ones. `speed` divides recorded delays.
    """

    def __init__(self, recording: Recording, plan: Plan | None = None, speed: float = 1.0) -> None:
        self._recording, self._speed = recording, speed
        self._bindings = Bindings(plan=plan or Plan(), client=Scope(), rng=random.Random(0), fresh=False)
        self._sides: dict[str, _Side] = {}
        self._queue: list[tuple[Time, int]] = []
        self._answers: dict[int, list[tuple[Time, int]]] = {}
        self._gone: set[str] = set()
        causes = _causes(recording)
        for index, event in enumerate(recording.events):
            if event.direction is Direction.DOWNSTREAM:
                side = self._sides.setdefault(event.flow, _Side())
                side.expectations.append(Expectation(index=index, event=event, heartbeat=is_heartbeat(event)))
            elif index in causes:
                delay = event.at - recording.events[causes[index]].at
                self._answers.setdefault(causes[index], []).append((round(delay / speed), index))
            else:
                self._queue.append((round(event.at / speed), index))

    def receive(self, event: Event) -> bool:
        """Something came from the server, `event.at` is now; whether it was recorded and had yet to come.

        What has drifted since is taken for what was recorded, so that the client goes on: an answer of another
        status, a message of the same name.
        """
        if isinstance(event, Reset):
            self._gone.add(event.flow)
        side = self._sides.get(event.flow)
        if side is None:
            return False
        found = choose_expectation(side.expectations, event, side.used, self._bindings).expectation
        if found is not None and not _is_another_answer(event, found.event):
            side.used.add(found.index)
            side.otherwise.discard(found.index)
        elif found is not None:
            side.otherwise.add(found.index)
        elif (found := side.instead(event)) is not None:
            side.otherwise.add(found.index)
        if found is not None:
            if not _is_cut_elsewhere(event, found.event):
                self._bindings.learn(found.index, event)
            self._release(found.index, event.at)
        if ends_link(event):
            self._free_others(side, event)
        return found is not None

    def _free_others(self, side: _Side, end: Event) -> None:
        """What a flow has not brought by its end it never will, and must not hold up other flows."""
        for expectation in side.expectations:
            waiting = self._answers.get(expectation.index, [])
            others = [item for item in waiting if self._recording.events[item[1]].flow != end.flow]
            self._queue += [(end.at + delay, index) for delay, index in others]
            self._answers[expectation.index] = [item for item in waiting if item not in others]

    def _release(self, cause: int, now: Time) -> None:
        """Set under way what follows from an event."""
        self._queue += [(now + delay, index) for delay, index in self._answers.pop(cause, [])]

    def due(self, now: Time) -> list[Event]:
        """Everything that the client sends by `now`, in order."""
        out: list[Event] = []
        while ready := [item for item in self._in_order() if item[0] <= now]:
            taken = {index for _, index in ready}
            self._queue = [item for item in self._queue if item[1] not in taken]
            for at, index in ready:
                event = self._recording.events[index]
                if event.flow not in self._gone:
                    out.append(self._bindings.substitute(index, replace(event, at=at), at))
                self._release(index, at)
        return out

    def deadline(self) -> Time | None:
        """When something will be due; None if that depends on the server alone."""
        return min(self._in_order())[0] if self._queue else None

    def unseen(self) -> list[Event]:
        """What the server has not sent, of what was recorded; how it cut a stream into chunks does not matter."""
        return [
            expectation.event
            for side in self._sides.values()
            for expectation in side.expectations
            if expectation.index not in side.used | side.otherwise and not isinstance(expectation.event, Chunk)
        ]

    def otherwise(self) -> list[Event]:
        """What the server has said in other words than were recorded."""
        return [
            expectation.event
            for side in self._sides.values()
            for expectation in side.expectations
            if expectation.index in side.otherwise
        ]

    def _in_order(self) -> list[tuple[Time, int]]:
        """What is under way by the time at which it goes out: nothing overtakes what was recorded before it."""
        latest: dict[str, Time] = {}
        found = []
        for at, index in sorted(self._queue, key=lambda item: item[1]):
            flow = self._recording.events[index].flow
            latest[flow] = max(at, latest.get(flow, at))
            found.append((latest[flow], index))
        return sorted(found)


def _is_cut_elsewhere(live: Event, recorded: Event) -> bool:
    """Whether a piece of a stream says more, or less, than the recorded one: then values stand elsewhere."""
    return isinstance(live, Chunk) and len(lines_of(live)) != len(lines_of(recorded))


def _is_another_answer(live: Event, recorded: Event) -> bool:
    return isinstance(live, Response) and isinstance(recorded, Response) and live.status != recorded.status


def _name(event: Event) -> str:
    """What an event is about, whatever it says: any answer answers, and any close closes."""
    return label(event) if isinstance(event, Message) else event.kind


def _causes(recording: Recording) -> dict[int, int]:
    """What each client event follows: a server event on its flow, else for a request what the client last heard on
    any flow, else its flow's request."""
    causes = dict(find_causes(recording, Direction.UPSTREAM))
    latest: int | None = None
    openings: dict[str, int] = {}
    for index, event in enumerate(recording.events):
        if event.direction is Direction.DOWNSTREAM:
            latest = latest if is_heartbeat(event) else index
        elif isinstance(event, Request) and latest is not None:
            causes.setdefault(index, latest)
        elif event.flow in openings:
            causes.setdefault(index, openings[event.flow])
        openings.setdefault(event.flow, index)
    return causes


def client_plan(plan: Plan) -> Plan:
    """A recording's plan as the client sees it: what the server makes comes to it, the rest is its own."""
    others: dict[int, Variable] = {}

    def turned(variable: Variable) -> Variable:
        if variable.number not in others:
            kinds = {MINTED: ECHOED, TOKEN: ECHOED, ECHOED: _OWN}
            parts = tuple(Part(part.begin, part.end, turned(part.variable)) for part in variable.parts)
            kind = kinds.get(variable.kind, variable.kind)
            others[variable.number] = replace(variable, kind=kind, parts=parts)
        return others[variable.number]

    uses = {
        index: tuple((slot, turned(variable)) for slot, variable in pairs) for index, pairs in plan.uses.items()
    }
    return Plan(variables=tuple(map(turned, plan.variables)), uses=uses, correlations=plan.correlations)
