"""Bindings: what the recorded values are called in this run, per flow and per client."""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from simulator.core.events import Event
from simulator.core.jsontext import MISSING, Json, MaybeJson, dump
from simulator.core.matching.overrides import Paired
from simulator.core.units import Time
from simulator.core.values.correlation import COMPOSED, PAIRED, SENT, TIME, TOKEN, Plan, Variable
from simulator.core.values.ids import fresh, is_distinctive, is_unspaced
from simulator.core.values.places import filled, slots, value_at
from simulator.core.values.timestamps import moved
from simulator.core.values.tokens import resign

_TRIES: Final = 50
_FLOWS: Final = 256
"""How many flows of a client are looked at for a value that it has come back to."""
_INTEGER: Final = re.compile(r"-?[0-9]{1,1000}")


@dataclass(slots=True)
class Scope:
    """Live values by variable number, and the way back from a live value to what was recorded for it.

    A client's has those of its latest `flows`.
    """

    live: dict[int, Json] = field(default_factory=dict)
    recorded: dict[str, tuple[Json, ...]] = field(default_factory=dict)
    paired: dict[str, set[Json]] = field(default_factory=dict)
    flows: deque[Scope] = field(default_factory=lambda: deque(maxlen=_FLOWS))

    def bind(self, variable: Variable, value: Json) -> None:
        self.live[variable.number] = value
        if variable.kind == PAIRED:
            self.paired.setdefault(repr(value), set()).add(variable.value)
            return
        self.recorded[str(value)] = (variable.value, *variable.also)


@dataclass(slots=True)
class Bindings:
    """The bindings that one flow sees: its own first, then its client's.

    `minted` is told every value that is made here, and `heard` every one that was learned, so that whoever sends
    it later is known. `taken` says of a value that it is somebody's already.
    """

    plan: Plan
    client: Scope
    rng: random.Random
    fresh: bool = True
    minted: Callable[[str], None] = lambda value: None
    heard: Callable[[str], None] = lambda value: None
    taken: Callable[[str], bool] = lambda value: False
    own: Scope = field(default_factory=Scope)

    def __post_init__(self) -> None:
        self.client.flows.append(self.own)

    def learn(self, index: int, live: Event) -> None:
        """Pair the values of a live event with those of the recorded event that it matched."""
        uses = self.plan.at(index)
        if not uses:
            return
        values = dict(slots(live))
        for slot, variable in uses:
            value = values.get(slot, MISSING)
            if value is MISSING:
                continue
            known = self._of(variable)
            if variable.kind in SENT or known is MISSING:
                self._bind(variable, value, self.heard)
            elif str(value) != str(known) and self.stands_for(variable.value, value):
                self._come_back(variable, value)

    def _come_back(self, variable: Variable, value: Json) -> None:
        """A client names a value that it had before the latest: on this flow, all is again as it was with that."""
        flows = (scope for scope in reversed(self.client.flows) if scope is not self.own)
        before = next((scope for scope in flows if str(scope.live.get(variable.number)) == str(value)), Scope())
        self.own.live = {**before.live, **self.own.live, variable.number: value}

    def carry(self, said: int, instead: int) -> None:
        """One recorded event was served where another could have been: their values are called the same."""
        values = {slot: self._of(variable) for slot, variable in self.plan.at(said)}
        for slot, variable in self.plan.at(instead):
            value = values.get(slot, MISSING)
            if value is not MISSING and variable.kind not in (TIME, COMPOSED):
                self._bind(variable, value, self.heard)

    def stands_for(self, recorded: Json | Paired, live: Json) -> bool:
        """Whether a live value is what a recorded one is called in this run."""
        if isinstance(recorded, Paired):
            return recorded.value in self.own.paired.get(repr(live), ())
        key = str(live)
        return recorded in (self.own.recorded.get(key) or self.client.recorded.get(key, ()))

    def substitute(self, index: int, event: Event, wall: Time) -> Event:
        """The recorded event as this client must see it, `wall` µs after the epoch."""
        uses = self.plan.at(index)
        if not uses:
            return event
        made: dict[int, Json] = {}
        values = {}
        for slot, variable in uses:
            value = self._live(variable, index, wall, made) if self.fresh else self._echo(variable)
            values[slot] = value if variable.kind == PAIRED else _like(value_at(event, slot), value)
        return filled(event, values)

    def _echo(self, variable: Variable) -> Json:
        """The value with nothing new in it but what the client sent."""
        if variable.kind in SENT:
            known = self._of(variable)
            return variable.value if known is MISSING else known
        if variable.kind == TOKEN or not variable.parts:
            return variable.value
        return _composed(variable, self._echo)

    def _of(self, variable: Variable) -> MaybeJson:
        found = self.own.live.get(variable.number, MISSING)
        return self.client.live.get(variable.number, MISSING) if found is MISSING else found

    def _live(self, variable: Variable, index: int, wall: Time, made: dict[int, Json]) -> Json:
        """The live value; what the server makes is made anew each time its first event is served.

        `made` is what this event has been given already.
        """
        if variable.number not in made:
            made[variable.number] = self._found_or_made(variable, index, wall, made)
        return made[variable.number]

    def _found_or_made(self, variable: Variable, index: int, wall: Time, made: dict[int, Json]) -> Json:
        known = self._of(variable)
        if known is not MISSING and (variable.kind in SENT or variable.source != index):
            return known
        if variable.kind in SENT:
            return variable.value
        if variable.kind == COMPOSED:
            return _composed(variable, lambda part: self._live(part, index, wall, made))
        for _ in range(_TRIES):  # a short id may have been made before, for somebody else
            value = self._made(variable, wall, lambda part: self._live(part, index, wall, made))
            if variable.kind == TIME or value == variable.value or not self.taken(str(value)):
                break
        self._bind(variable, value, self.minted)
        return value

    def _rest(self, text: str) -> str:
        """What an id has beside its parts is another if it was made to be unique as well."""
        return fresh(text, self.rng) if is_distinctive(text) else text

    def _made(self, variable: Variable, wall: Time, live: Callable[[Variable], Json]) -> Json:
        if variable.kind == TIME:
            return moved(variable.value, wall - variable.wall)
        if variable.kind == TOKEN:
            jti, texts = f"{self.rng.getrandbits(128):032x}", None
            if variable.parts:
                texts = _composed(variable, lambda part: dump(str(live(part)))[1:-1])
            return resign(str(variable.value), wall - variable.wall, jti=jti, texts=texts)
        return _composed(variable, live, self._rest) if variable.parts else fresh(str(variable.value), self.rng)

    def _bind(self, variable: Variable, value: Json, tell: Callable[[str], None]) -> None:
        if variable.number in self.plan.lone:
            return
        self.own.bind(variable, value)
        if variable.kind == PAIRED:
            return
        self.client.bind(variable, value)
        if variable.kind == TOKEN or (
            variable.kind != TIME and is_unspaced(str(value))
        ):  # many clients may send the same sentence
            tell(str(value))


def _composed(variable: Variable, live: Callable[[Variable], Json], rest: Callable[[str], str] = str) -> str:
    """The text of a variable with its parts replaced, and what is left made from what it was."""
    text, end, pieces = variable.text, 0, []
    for part in variable.parts:
        pieces += [rest(text[end : part.begin]), str(live(part.variable))]
        end = part.end
    return "".join([*pieces, rest(text[end:])])


def _like(recorded: MaybeJson, value: Json) -> Json:
    """A live value in the type that stood there: an id seen in a path may stand as a number in a body."""
    if isinstance(recorded, int) and isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if isinstance(recorded, str) and number else value
