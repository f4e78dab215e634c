"""Correlation, found from a recording: which values travel, who made them, and where they come back.

Two steps. `propose` looks at the values and writes rules for places (they can be read and corrected in the
recording's header); `plan` applies rules to a recording and knows every single occurrence beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from simulator.core.events import Direction, Event, Request
from simulator.core.ids import (
    has_random_part,
    is_distinctive,
    is_id_name,
    is_jwt,
    is_word,
    looks_like_id,
)
from simulator.core.jsontext import Json
from simulator.core.places import Slot, place, route, slots
from simulator.core.recording import Correlation, Recording
from simulator.core.timestamps import is_timestamp, looks_like_time
from simulator.core.units import Time

ECHOED, MINTED, TOKEN, TIME = "echoed", "minted", "token", "time"

_SHORTEST_ECHO = 4
_SHORTEST_NUMBER = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One recorded value that is another in every run. `source` is the event where it first stands."""

    number: int
    kind: str
    value: Json
    source: int
    wall: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every occurrence of every variable: by event, which slots hold which variable."""

    variables: tuple[Variable, ...] = ()
    uses: Mapping[int, tuple[tuple[Slot, Variable], ...]] = field(default_factory=dict)
    correlations: tuple[Correlation, ...] = ()

    def at(self, index: int | None) -> tuple[tuple[Slot, Variable], ...]:
        return () if index is None else self.uses.get(index, ())


@dataclass(slots=True)
class _Sighting:
    """Where a value was seen: the first place, and all later ones by direction."""

    value: Json
    first: Slot
    place: str
    upstream: bool
    back: list[tuple[str, Slot, bool]] = field(default_factory=list)


def _key(value: Json) -> str | None:
    """Equal for values that mean the same: 48213 in a body and '48213' in a path."""
    if isinstance(value, bool) or value is None or value == "":
        return None
    return str(value) if isinstance(value, str | int | float) else None


def _walk(recording: Recording) -> Iterator[tuple[int, Event, Slot, Json, str]]:
    """Every value of a recording with its event's index and its place."""
    routes: dict[str, str] = {}
    for index, event in enumerate(recording.events):
        if isinstance(event, Request):
            routes[event.flow] = route(event)
        where = routes.get(event.flow, "?")
        for slot, value in slots(event):
            yield index, event, slot, value, place(where, event, slot)


def propose(recording: Recording) -> tuple[Correlation, ...]:
    """Find what correlates in a recording; places that its header says to ignore are left out."""
    seen: dict[str, _Sighting] = {}
    ignored = set(recording.header.ignore)
    for _, event, slot, value, where in _walk(recording):
        key = _key(value)
        if key is None or where in ignored:
            continue
        upstream = event.direction is Direction.UPSTREAM
        if key in seen:
            seen[key].back.append((where, slot, upstream))
        else:
            seen[key] = _Sighting(value, slot, where, upstream)
    found: dict[tuple[str, str], dict[str, None]] = {}
    for sighting in seen.values():
        kind = _kind(sighting)
        if kind is not None:
            targets = found.setdefault((sighting.place, kind), {})
            targets.update({where: None for where, _, _ in sighting.back if where != sighting.place})
    return tuple(
        Correlation(name=_name(source), kind=kind, source=source, targets=tuple(targets))
        for (source, kind), targets in found.items()
    )


def _kind(sighting: _Sighting) -> str | None:
    """Who made a value that travels; None for one that does not, or only seems to."""
    if sighting.upstream:
        back = [slot for _, slot, upstream in sighting.back if not upstream]
        return ECHOED if back and _travels(sighting.value, sighting.first, back) else None
    if is_jwt(sighting.value):
        return TOKEN
    return MINTED if _minted(sighting) else None


def _travels(value: Json, source: Slot, back: list[Slot]) -> bool:
    if isinstance(value, str):
        if is_word(value):  # 'active' twice is chance; a plain word is an id only where both names say so
            return all(_names_id(slot) and slot.part != "path" for slot in (source, back[0]))
        return len(value) >= _SHORTEST_ECHO
    return isinstance(value, int | float) and len(str(value)) >= _SHORTEST_NUMBER


def _minted(sighting: _Sighting) -> bool:
    value = sighting.value
    if not isinstance(value, str) or not has_random_part(value) or looks_like_time(value):
        return False
    used_by_client = any(upstream for _, _, upstream in sighting.back)
    comes_back = bool(sighting.back) and is_distinctive(value)
    return looks_like_id(value) or _names_id(sighting.first) or used_by_client or comes_back


def _names_id(slot: Slot) -> bool:
    return slot.part == "path" or any(is_id_name(step) for step in slot.at[-2:])


def _name(source: str) -> str:
    return source.rpartition(" ")[2].removeprefix("$.")


def plan(recording: Recording) -> Plan:
    """Apply the header's correlations, or what `propose` finds where it has none; timestamps are always found."""
    header = recording.header
    correlations = propose(recording) if header.correlate is None else header.correlate
    sources = {item.source: item for item in correlations}
    known: dict[str, tuple[Variable, Correlation | None]] = {}
    uses: dict[int, list[tuple[Slot, Variable]]] = {}
    numbered: list[Variable] = []
    for index, event, slot, value, where in _walk(recording):
        key = _key(value)
        if key is None or where in header.ignore:
            continue
        wall = header.created + event.at
        entry = known.get(key)
        if entry is None or not _belongs(entry[1], where):
            kind = sources[where].kind if where in sources else _time_kind(event, value, wall)
            if kind is None:
                continue
            variable = Variable(number=len(numbered), kind=kind, value=value, source=index, wall=wall)
            numbered.append(variable)
            entry = known[key] = (variable, sources.get(where))
        uses.setdefault(index, []).append((slot, entry[0]))
    return Plan(
        variables=tuple(numbered),
        uses={index: tuple(found) for index, found in uses.items()},
        correlations=correlations,
    )


def uncorrelated(recording: Recording, planned: Plan) -> list[str]:
    """Places of values that look like ids and belong to no variable: sent once by the client, or ruled out."""
    found: dict[str, None] = {}
    for index, _, slot, value, where in _walk(recording):
        random = looks_like_id(value) or (_names_id(slot) and slot.part != "path" and has_random_part(value))
        if random and not any(slot == used for used, _ in planned.at(index)):
            found[where] = None
    return list(found)


def _belongs(correlation: Correlation | None, where: str) -> bool:
    """Whether a place holds this variable; a timestamp's holds it everywhere."""
    return correlation is None or where == correlation.source or where in correlation.targets


def _time_kind(event: Event, value: Json, wall: Time) -> str | None:
    downstream = event.direction is Direction.DOWNSTREAM
    return TIME if downstream and wall and is_timestamp(value, wall) else None
