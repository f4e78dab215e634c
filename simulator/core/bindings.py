"""Bindings: what the recorded values are called in this run, per flow and per client."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.core.correlation import ECHOED, TIME, TOKEN, Plan, Variable
from simulator.core.events import Event
from simulator.core.ids import fresh
from simulator.core.jsontext import MISSING, Json, MaybeJson
from simulator.core.places import Slot, filled, slots
from simulator.core.timestamps import moved
from simulator.core.tokens import resign
from simulator.core.units import Time


@dataclass(slots=True)
class Scope:
    """Live values by variable number, and the way back from a live value to the recorded one."""

    live: dict[int, Json] = field(default_factory=dict)
    recorded: dict[str, Json] = field(default_factory=dict)

    def bind(self, variable: Variable, value: Json) -> None:
        self.live[variable.number] = value
        self.recorded[str(value)] = variable.value


@dataclass(slots=True)
class Bindings:
    """The bindings that one flow sees: its own first, then its client's.

    `minted` is told every value that is made here, so that whoever sends it later is known.
    """

    plan: Plan
    client: Scope
    rng: random.Random
    fresh: bool = True
    minted: Callable[[str], None] = lambda value: None
    own: Scope = field(default_factory=Scope)

    def learn(self, index: int, live: Event) -> None:
        """Pair the values of a live event with those of the recorded event that it matched."""
        uses = self.plan.at(index)
        if not uses:
            return
        values = dict(slots(live))
        for slot, variable in uses:
            value = values.get(slot, MISSING)
            if value is not MISSING and (variable.kind == ECHOED or self._of(variable) is MISSING):
                self._bind(variable, value)

    def recorded(self, value: Json) -> Json:
        """The recorded value that a live one stands for; itself if none."""
        key = str(value)
        found = self.own.recorded.get(key, MISSING)
        return self.client.recorded.get(key, value) if found is MISSING else found

    def substitute(self, index: int, event: Event, wall: Time) -> Event:
        """The recorded event as this client must see it, `wall` µs after the epoch."""
        uses = self.plan.at(index)
        if not uses or not self.fresh:
            return event if not uses else self._echoes(uses, event)
        variables = dict.fromkeys(variable for _, variable in uses)
        values = {variable.number: self._live(variable, index, wall) for variable in variables}
        return filled(event, {slot: _like(variable.value, values[variable.number]) for slot, variable in uses})

    def _echoes(self, uses: tuple[tuple[Slot, Variable], ...], event: Event) -> Event:
        values = {slot: self._of(variable) for slot, variable in uses if variable.kind == ECHOED}
        return filled(event, {slot: value for slot, value in values.items() if value is not MISSING})

    def _of(self, variable: Variable) -> MaybeJson:
        found = self.own.live.get(variable.number, MISSING)
        return self.client.live.get(variable.number, MISSING) if found is MISSING else found

    def _live(self, variable: Variable, index: int, wall: Time) -> Json:
        """The live value; what the server makes is made anew each time its first event is served."""
        known = self._of(variable)
        if known is not MISSING and (variable.kind == ECHOED or variable.source != index):
            return known
        if variable.kind == ECHOED:
            return variable.value
        value = self._made(variable, wall)
        self._bind(variable, value)
        return value

    def _made(self, variable: Variable, wall: Time) -> Json:
        if variable.kind == TIME:
            return moved(variable.value, wall - variable.wall)
        if variable.kind == TOKEN:
            return resign(str(variable.value), wall - variable.wall, jti=f"{self.rng.getrandbits(128):032x}")
        return fresh(str(variable.value), self.rng)

    def _bind(self, variable: Variable, value: Json) -> None:
        self.own.bind(variable, value)
        self.client.bind(variable, value)
        if variable.kind != TIME:
            self.minted(str(value))


def _like(recorded: Json, value: Json) -> Json:
    """A live value in the recorded value's type: an id seen in a path may stand as a number in a body."""
    if isinstance(recorded, int) and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    return str(value) if isinstance(recorded, str) and isinstance(value, int | float) else value
