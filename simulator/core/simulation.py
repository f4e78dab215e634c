"""Two sides in one timeline, without sockets: a driver that plays the recording's client faces a session.

Time jumps from deadline to deadline, so hours pass in milliseconds, and the same seed gives the same journal.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from simulator.core.bindings import Bindings, Scope
from simulator.core.correlation import Plan
from simulator.core.events import Direction, Event, Request, Reset
from simulator.core.journal import Journal
from simulator.core.matching import is_heartbeat
from simulator.core.recording import Recording
from simulator.core.replies import choose_expectation
from simulator.core.rule import Rule
from simulator.core.script import Expectation, compile_script, find_causes
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.units import Time

LIMIT = 1_000_000
"""Steps after which a simulation that does not come to rest is given up."""


@dataclass(slots=True)
class _Side:
    """What the driver knows of one flow: which server events it waits for, and which it has seen."""

    expectations: list[Expectation] = field(default_factory=list)
    used: set[int] = field(default_factory=set)


class Driver:
    """Plays the client's side of a recording: each of its events follows what it followed there."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._bindings = Bindings(plan=Plan(), client=Scope(), rng=random.Random(0))
        self._sides: dict[str, _Side] = {}
        self._queue: list[tuple[Time, int]] = []
        self._answers: dict[int, list[tuple[Time, int]]] = {}
        self._gone: set[str] = set()
        causes = _with_openings(recording, find_causes(recording, Direction.UPSTREAM))
        for index, event in enumerate(recording.events):
            if event.direction is Direction.DOWNSTREAM:
                side = self._sides.setdefault(event.flow, _Side())
                side.expectations.append(Expectation(index=index, event=event, heartbeat=is_heartbeat(event)))
            elif index in causes:
                delay = event.at - recording.events[causes[index]].at
                self._answers.setdefault(causes[index], []).append((delay, index))
            else:
                self._queue.append((event.at, index))

    def receive(self, event: Event) -> None:
        """Something came from the server."""
        if isinstance(event, Reset):
            self._gone.add(event.flow)
        side = self._sides.get(event.flow)
        if side is None:
            return
        choice = choose_expectation(side.expectations, event, side.used, self._bindings)
        if choice.expectation is None:
            return
        side.used.add(choice.expectation.index)
        for delay, index in self._answers.pop(choice.expectation.index, []):
            self._queue.append((event.at + delay, index))

    def due(self, now: Time) -> list[Event]:
        """Everything that the client sends by `now`, in order."""
        ready = sorted(item for item in self._queue if item[0] <= now)
        self._queue = [item for item in self._queue if item[0] > now]
        events = [(at, self._recording.events[index]) for at, index in ready]
        return [replace(event, at=at) for at, event in events if event.flow not in self._gone]

    def deadline(self) -> Time | None:
        return min(self._queue)[0] if self._queue else None


def _with_openings(recording: Recording, causes: dict[int, int]) -> dict[int, int]:
    """A request follows what the client last heard, on whatever flow."""
    latest: int | None = None
    for index, event in enumerate(recording.events):
        if event.direction is Direction.DOWNSTREAM and not is_heartbeat(event):
            latest = index
        elif isinstance(event, Request) and latest is not None and index not in causes:
            causes[index] = latest
    return causes


def simulate(
    recording: Recording, rules: Iterable[Rule] = (), settings: Settings | None = None, until: Time | None = None
) -> Journal:
    """Play a recording to its own client under some rules, until nothing more will happen, or to a time."""
    session = Session(compile_script(recording), rules, settings)
    driver = Driver(recording)
    for _ in range(LIMIT):
        times = [time for time in (driver.deadline(), session.deadline()) if time is not None]
        if not times or (until is not None and min(times) > until):
            return session.journal
        now = min(times)
        for event in driver.due(now):
            session.receive(event)
        for event in session.due(now):
            driver.receive(event)
    raise RuntimeError(f"the simulation did not come to rest in {LIMIT} steps")
