"""Correlation, found from a recording: which values travel, who made them, and where they come back.

Two steps. `propose` looks at the values and writes rules for places (they can be read and corrected in the
recording's header); `plan` applies rules to a recording and knows every single occurrence beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from simulator.core.events import Direction, Event
from simulator.core.jsontext import MISSING, Json, Path
from simulator.core.recording import Correlation, Recording
from simulator.core.units import Time
from simulator.core.values.ids import (
    has_random_part,
    holds_uuid,
    is_distinctive,
    is_id_name,
    is_jwt,
    is_label,
    is_opaque,
    is_secret_name,
    is_unspaced,
    is_word,
    looks_like_id,
)
from simulator.core.values.inside import Finder, can_stand_inside
from simulator.core.values.nested import nested_json, outside
from simulator.core.values.occurrences import Occurrence, key_of, occurrences
from simulator.core.values.pairs import SHORTEST_ECHO, SHORTEST_NUMBER, is_reference, is_short, pairs, typed
from simulator.core.values.places import Slot
from simulator.core.values.sightings import Sighting, data_places, sightings
from simulator.core.values.timestamps import is_timestamp, looks_like_time
from simulator.core.values.twins import Twins, twins

ECHOED, MINTED, TOKEN, TIME, COMPOSED, PAIRED = "echoed", "minted", "token", "time", "composed", "paired"

SENT: Final = frozenset((ECHOED, PAIRED))
"""Kinds of what the client makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One recorded value that is another in every run. `source` is the event where it first stands.

    `parts` are other variables inside of its text; of a composed one, nothing else changes. `also` are its values
    in other recordings of the same.
    """

    number: int
    kind: str
    value: Json
    source: int
    wall: Time
    parts: tuple[Part, ...] = ()
    also: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Where another variable stands inside of a text."""

    begin: int
    end: int
    variable: Variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every occurrence of every variable: by event, which slots hold which variable."""

    variables: Sequence[Variable] = ()
    uses: Mapping[int, tuple[tuple[Slot, Variable], ...]] = field(default_factory=dict)
    correlations: tuple[Correlation, ...] = ()

    def at(self, index: int | None) -> tuple[tuple[Slot, Variable], ...]:
        return () if index is None else self.uses.get(index, ())

    @property
    def paired(self) -> tuple[str, ...]:
        """Places where the client puts ids that mean something on their flow only."""
        return tuple(
            item.source for item in self.correlations if item.kind == PAIRED and is_reference(item.source)
        )

    def in_all(self, index: int) -> Iterator[Variable]:
        """The variables of an event, and those inside of them."""
        for _, variable in self.at(index):
            yield variable
            yield from (part.variable for part in variable.parts)


def propose(recording: Recording, *others: Recording) -> tuple[Correlation, ...]:
    """Find what correlates in a recording; places that its header says to ignore are left out.

    `others` are of the same scenario, and tell chance from what travels: see `simulator.core.values.twins`.
    """
    known = twins(recording, *others)
    seen = [sighting.confirmed(known) if others else sighting for sighting in sightings(recording)]
    data = data_places(seen)
    local = _by_client(recording, others, known)
    found: dict[tuple[str, str], dict[str, None]] = {}
    for sighting in seen:
        kind = _kind(sighting, data, known)
        if kind is not None and not (kind == ECHOED and _is_local(sighting, local)):
            targets = found.setdefault((sighting.place, kind), {})
            targets.update({where: None for where, _, _ in sighting.back if where != sighting.place})
    found |= {(source, PAIRED): targets for source, targets in local.items()}
    return tuple(
        Correlation(name=_name(source), kind=kind, source=source, targets=tuple(targets))
        for (source, kind), targets in found.items()
    )


def _by_client(recording: Recording, others: tuple[Recording, ...], known: Twins) -> dict[str, dict[str, None]]:
    """The targets of each place of the client that is one of a pair."""
    ignored = set(recording.header.ignore)
    found = [(tally.source, tally.target) for tally in pairs([recording, *others])]
    named = {target for _, target in found}
    found += [pair for pair in known.pairs() if pair[1] not in named]
    targets: dict[str, dict[str, None]] = {}
    for source, target in found:
        if source not in ignored and target not in ignored:
            targets.setdefault(source, {})[target] = None
    return targets


def _is_local(sighting: Sighting, local: Mapping[str, Mapping[str, None]]) -> bool:
    """Whether a value comes back where its place is paired with, and nowhere else."""
    targets = local.get(sighting.place, {})
    back = {where for where, _, upstream in sighting.back if not upstream}
    return is_short(sighting.value) and back <= targets.keys()


def _kind(sighting: Sighting, data: frozenset[str], known: Twins) -> str | None:
    """Who made a value that travels; None for one that does not, or only seems to."""
    if sighting.upstream:
        back = [slot for _, slot, upstream in sighting.back if not upstream]
        return ECHOED if back and _travels(sighting.value, sighting.first, back) else None
    if is_jwt(sighting.value):
        return TOKEN
    if known.is_constant(sighting.place):
        return None
    made = known.is_volatile(sighting.place) and _could_be_made(sighting.value)
    return MINTED if made or _minted(sighting, data) else None


def _could_be_made(value: Json) -> bool:
    """Whether a value that is another in every run can be made anew: a time is moved, and a path names what is."""
    return is_unspaced(value) and has_random_part(value) and not looks_like_time(value) and "/" not in str(value)


def _travels(value: Json, source: Slot, back: list[Slot]) -> bool:
    if is_word(value) or is_label(value):  # 'active' twice is chance: an id only where both names say so
        return all(_names_id(slot) and slot.part != "path" for slot in (source, back[0]))
    if len(str(value)) < (SHORTEST_ECHO if isinstance(value, str) else SHORTEST_NUMBER):
        return False
    if _may_count(value):
        return _names_id(source) or any(_names_id(slot) or _named(slot) == _named(source) for slot in back)
    return True


def _may_count(value: Json) -> bool:
    """Whether a value is a number that only says how many or how long; one of ten digits is no chance."""
    text = str(value)
    return len(text) < 10 and text.removeprefix("-").replace(".", "", 1).isdecimal()


def _named(slot: Slot) -> str | int:
    return next((step for step in reversed(slot.at) if isinstance(step, str)), slot.at[0])


def _minted(sighting: Sighting, data: frozenset[str]) -> bool:
    """Whether the server made this value to be unique, and did not just say something with digits in it."""
    value, first = sighting.value, sighting.first
    if (first.part == "cookie" or _named_secret(first)) and is_opaque(value):
        return True
    if not isinstance(value, str) or not has_random_part(value) or looks_like_time(value):
        return False
    comes_back = bool(sighting.back) and is_distinctive(value)
    used = any(sent and (_names_id(slot) or not _may_count(value)) for _, slot, sent in sighting.back)
    if first.part == "header":
        return looks_like_id(value) or _names_id(first) or used or comes_back
    if not is_unspaced(value):
        return False
    if _names_id(first):
        return True
    return sighting.place not in data and (holds_uuid(value) or used or comes_back)


def _names_id(slot: Slot) -> bool:
    return slot.part == "path" or any(is_id_name(step) for step in slot.at[-2:])


def _named_secret(slot: Slot) -> bool:
    return slot.part == "json" and is_secret_name(str(_named(slot)))


def _name(source: str) -> str:
    return source.rpartition(" ")[2].removeprefix("$.")


def plan(recording: Recording) -> Plan:
    """Apply the header's correlations, or what `propose` finds where it has none; timestamps are always found."""
    header = recording.header
    correlations = propose(recording) if header.correlate is None else header.correlate
    sources = _by_source(correlations)
    known: dict[str, tuple[Variable, Correlation | None]] = {}
    uses: list[tuple[int, Slot, Variable]] = []
    texts: list[tuple[int, Slot, str]] = []
    numbered: list[Variable] = []
    local = _Local(correlations)
    whole: set[tuple[int, Path | None]] = set()
    for item in occurrences(recording):
        index, event, slot, value, where = item
        key = key_of(value)
        if key is None or where in header.ignore or (index, outside(slot.at)) in whole:
            continue
        wall = header.created + event.at
        own = local.known(item)
        if own is None and local.begins(item):
            own = Variable(number=len(numbered), kind=PAIRED, value=value, source=index, wall=wall)
            numbered.append(local.add(item, own))
        if own is not None:
            uses.append((index, slot, own))
            if not item.upstream:
                continue
        entry = known.get(key)
        if entry is None or not _belongs(entry[1], where):
            kind = _kind_at(sources[where], slot, value) if where in sources else None
            kind = kind or _time_kind(event, value, wall)
            if kind is None:
                if isinstance(value, str) and not item.upstream and nested_json(value) is MISSING:
                    texts.append((index, slot, value))
                continue
            variable = Variable(number=len(numbered), kind=kind, value=value, source=index, wall=wall)
            numbered.append(variable)
            entry = known[key] = (variable, sources.get(where))
        uses.append((index, slot, entry[0]))
        if not item.upstream:
            whole.add((index, slot.at))
    variables, composed = _composed(numbered, texts)
    found: dict[int, list[tuple[Slot, Variable]]] = {}
    for index, slot, variable in [*uses, *composed]:
        found.setdefault(index, []).append((slot, variables[variable.number]))
    return Plan(
        variables=tuple(variables),
        uses={index: tuple(pairs) for index, pairs in found.items()},
        correlations=correlations,
    )


class _Local:
    """The ids of each flow: they are known by their flow, and by the place where the client put them."""

    def __init__(self, correlations: Iterable[Correlation]) -> None:
        paired = [item for item in correlations if item.kind == PAIRED]
        self._source = {item.source: item.source for item in paired}
        self._source |= {target: item.source for item in paired for target in item.targets}
        self._found: dict[tuple[str, str, str], Variable] = {}

    def begins(self, item: Occurrence) -> bool:
        return self._source.get(item.place) == item.place and is_short(item.value)

    def known(self, item: Occurrence) -> Variable | None:
        return self._found.get(self._key(item))

    def add(self, item: Occurrence, variable: Variable) -> Variable:
        self._found[self._key(item)] = variable
        return variable

    def _key(self, item: Occurrence) -> tuple[str, str, str]:
        return item.event.flow, self._source.get(item.place, ""), typed(item.value)


def _composed(
    plain: list[Variable], texts: list[tuple[int, Slot, str]]
) -> tuple[list[Variable], list[tuple[int, Slot, Variable]]]:
    """All variables with their parts, in order of their numbers, and the uses of those that are only composed."""
    ids: dict[str, Variable] = {}
    for variable in plain:
        if variable.kind in (ECHOED, MINTED) and can_stand_inside(variable.value):
            ids.setdefault(variable.value, variable)
    finder = Finder(ids)
    spans = {item.number: _spans(item, finder, ids) for item in plain if item.kind == MINTED}
    variables, uses = list(plain), []
    for index, slot, text in texts:
        item = Variable(number=len(variables), kind=COMPOSED, value=text, source=index, wall=0)
        if found := _spans(item, finder, ids):
            spans[item.number] = found
            variables.append(item)
            uses.append((index, slot, item))
    sources = [item.source for item in variables]
    for number, found in spans.items():  # an id is there from where it is first a part of something
        for _, _, part in found:
            sources[part.number] = min(sources[part.number], variables[number].source)
    for item in sorted(variables, key=lambda item: len(str(item.value))):  # parts before what has them
        parts = tuple(Part(begin, end, variables[part.number]) for begin, end, part in spans.get(item.number, ()))
        variables[item.number] = replace(item, source=sources[item.number], parts=parts)
    return variables, uses


def _spans(item: Variable, finder: Finder, ids: Mapping[str, Variable]) -> list[tuple[int, int, Variable]]:
    """Which ids stand where in a text of the server; none that the client had not sent by then."""
    text = str(item.value)
    found = [(begin, end, ids[text[begin:end]]) for begin, end in finder.find(text)]
    return [(begin, end, part) for begin, end, part in found if part.kind == MINTED or part.source < item.source]


def _by_source(correlations: Iterable[Correlation]) -> dict[str, Correlation]:
    """One correlation for each source: a place may hold a token now and another id then."""
    found: dict[str, Correlation] = {}
    for item in correlations:
        if item.kind == PAIRED:
            continue
        first = found.get(item.source, item)
        found[item.source] = replace(first, targets=tuple(dict.fromkeys([*first.targets, *item.targets])))
    return found


def _kind_at(correlation: Correlation, slot: Slot, value: Json) -> str | None:
    """What a value at the source of a correlation is; where ids are made there may be numbers and times too."""
    if correlation.kind == ECHOED:
        return ECHOED
    if looks_like_time(value) or not (isinstance(value, str) or _names_id(slot)):
        return None
    return TOKEN if is_jwt(value) else MINTED


def uncorrelated(recording: Recording, planned: Plan) -> list[str]:
    """Places of values that look like ids and belong to no variable: sent once by the client, or ruled out."""
    found: dict[str, None] = {}
    for index, _, slot, value, where in occurrences(recording):
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
