"""Plans: a recording's correlations applied to it, so that every single occurrence is known beforehand."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from simulator.core.events import Direction, Event
from simulator.core.jsontext import MISSING, Json, Path
from simulator.core.recording import Correlation, Header, Recording
from simulator.core.units import Time
from simulator.core.values.correlation import (
    COMPOSED,
    ECHOED,
    MINTED,
    PAIRED,
    TIME,
    TOKEN,
    Part,
    Plan,
    Variable,
    names_id,
    propose,
)
from simulator.core.values.ids import has_random_part, is_jwt, looks_like_id
from simulator.core.values.inside import Finder, can_stand_inside, may_hold
from simulator.core.values.nested import nested_json, outside
from simulator.core.values.occurrences import Occurrence, key_of, occurrences
from simulator.core.values.pairs import is_short, typed
from simulator.core.values.places import Slot
from simulator.core.values.repeats import EVERYTHING
from simulator.core.values.timestamps import is_timestamp, looks_like_time
from simulator.core.values.tokens import visible_text


def plan(recording: Recording) -> Plan:
    """Apply the header's correlations, or what `propose` finds where it has none; timestamps are always found."""
    header = recording.header
    correlations = propose(recording) if header.correlate is None else header.correlate
    sheet = _Sheet()
    planner = Planner(header, correlations, sheet)
    for item in occurrences(recording):
        planner.hear(item)
    planner.finish()
    return sheet.plan(correlations, planner.lone)


class Sheet(Protocol):
    """Where a plan is written: uses by event in order, and at the end those that are composed."""

    def use(self, index: int, slot: Slot, number: int) -> None:
        """A slot of an event holds the variable with this number."""

    def variable(self, variable: Variable) -> None:
        """A variable as it is in the end; they come in no order."""


class _Sheet:
    """A plan in memory."""

    def __init__(self) -> None:
        self._variables: dict[int, Variable] = {}
        self._uses: dict[int, list[tuple[Slot, int]]] = {}

    def use(self, index: int, slot: Slot, number: int) -> None:
        self._uses.setdefault(index, []).append((slot, number))

    def variable(self, variable: Variable) -> None:
        self._variables[variable.number] = variable

    def plan(self, correlations: tuple[Correlation, ...], lone: Iterable[int]) -> Plan:
        known = self._variables
        return Plan(
            variables=tuple(known[number] for number in sorted(known)),
            uses={
                index: tuple((slot, known[number]) for slot, number in pairs)
                for index, pairs in self._uses.items()
            },
            correlations=correlations,
            lone=frozenset(number for number, is_lone in enumerate(lone) if is_lone),
        )


class Planner:
    """Applies correlations to values as they come, and writes what it finds on a sheet.

    Of the values that cannot come again (`repeats` says which may) nothing is remembered. `lone` says by number
    which variables are timestamps that stand in one slot only.
    """

    def __init__(
        self,
        header: Header,
        correlations: Iterable[Correlation],
        sheet: Sheet,
        repeats: Container[str] = EVERYTHING,
    ) -> None:
        self._header, self._sheet, self._repeats = header, sheet, repeats
        self._ignored = frozenset(header.ignore)
        self._sources, self._local = _by_source(correlations), _Local(correlations)
        self._known: dict[str, tuple[int, Correlation | None]] = {}
        self._count = 0
        self.lone = bytearray()
        self._kept: list[Variable] = []
        self._texts: list[tuple[int, Slot, str]] = []
        self._index, self._whole = -1, set[Path | None]()

    def hear(self, item: Occurrence) -> None:
        """Know of one more value."""
        key = key_of(item.value)
        if item.number != self._index:
            self._index, self._whole = item.number, set()
        if key is None or item.place in self._ignored or outside(item.slot.at) in self._whole:
            return
        number = self._local_number(item)
        if number is not None:
            self._sheet.use(item.number, item.slot, number)
            if not item.upstream:
                return
        number = self._number(item, key)
        if number is not None:
            self._sheet.use(item.number, item.slot, number)
            if not item.upstream:
                self._whole.add(item.slot.at)
        elif not item.upstream and self._may_be_composed(item.value) and nested_json(item.value) is MISSING:
            self._texts.append((item.number, item.slot, str(item.value)))

    def _local_number(self, item: Occurrence) -> int | None:
        """The variable of an id that means something on its flow only."""
        number = self._local.known(item)
        if number is None and self._local.begins(item):
            number = self._made(item, PAIRED).number
            self._local.add(item, number)
        return number

    def _number(self, item: Occurrence, key: str) -> int | None:
        """The variable of a value, which begins here or has begun where it belongs to."""
        entry = self._known.get(key)
        if entry is not None and _belongs(entry[1], item.place):
            self.lone[entry[0]] = False
            return entry[0]
        source = self._sources.get(item.place)
        kind = None if source is None else _kind_at(source, item.slot, item.value)
        kind = kind or _time_kind(item.event, item.value, self._header.created + item.event.at)
        if kind is None:
            return None
        number = self._made(item, kind, key).number
        if key in self._repeats:
            self._known[key] = (number, source)
        return number

    def _made(self, item: Occurrence, kind: str, key: str = "") -> Variable:
        """A new variable; one that could be a part of others, or have parts, is kept until all are known."""
        wall = self._header.created + item.event.at
        made = Variable(number=self._count, kind=kind, value=item.value, source=item.number, wall=wall)
        self._count += 1
        self.lone.append(kind == TIME)
        if (kind in (ECHOED, MINTED) and key in self._repeats) or (
            kind in (MINTED, TOKEN) and self._may_be_composed(item.value)
        ):
            self._kept.append(made)
        else:
            self._sheet.variable(made)
        return made

    def _may_be_composed(self, value: Json) -> bool:
        return isinstance(value, str) and may_hold(visible_text(value), self._repeats)

    def finish(self) -> None:
        """Write what could not be known before: texts that ids stand in, and the ids themselves."""
        ids: dict[str, Variable] = {}
        for variable in self._kept:
            if can_stand_inside(variable.value):
                ids.setdefault(variable.value, variable)
        finder, kept = Finder(ids), list(self._kept)
        spans = {item.number: _spans(item, finder, ids) for item in kept if item.kind in (MINTED, TOKEN)}
        for index, slot, text in self._texts:
            item = Variable(number=self._count, kind=COMPOSED, value=text, source=index, wall=0)
            if found := _spans(item, finder, ids):
                spans[item.number] = found
                kept.append(item)
                self._sheet.use(index, slot, item.number)
                self._count += 1
        begun = {item.number: item.source for item in kept}
        sources = dict(begun)
        for number, found in spans.items():  # an id is there from where it is first a part of something
            for _, _, part in found:
                sources[part.number] = min(sources[part.number], begun[number])
        done: dict[int, Variable] = {}
        for item in sorted(kept, key=lambda item: len(str(item.value))):  # parts before what has them
            parts = tuple(Part(begin, end, done[part.number]) for begin, end, part in spans.get(item.number, ()))
            done[item.number] = replace(item, source=sources[item.number], parts=parts)
            self._sheet.variable(done[item.number])


class _Local:
    """The ids of each flow: they are known by their flow, and by the place where the client put them."""

    def __init__(self, correlations: Iterable[Correlation]) -> None:
        paired = [item for item in correlations if item.kind == PAIRED]
        self._source = {item.source: item.source for item in paired}
        self._source |= {target: item.source for item in paired for target in item.targets}
        self._found: dict[tuple[str, str, str], int] = {}

    def begins(self, item: Occurrence) -> bool:
        return self._source.get(item.place) == item.place and is_short(item.value)

    def known(self, item: Occurrence) -> int | None:
        return self._found.get(self._key(item))

    def add(self, item: Occurrence, number: int) -> None:
        self._found[self._key(item)] = number

    def _key(self, item: Occurrence) -> tuple[str, str, str]:
        return item.event.flow, self._source.get(item.place, ""), typed(item.value)


def _spans(item: Variable, finder: Finder, ids: Mapping[str, Variable]) -> list[tuple[int, int, Variable]]:
    """Which ids stand where in a text of the server; none that the client had not sent by then."""
    text = item.text
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
    if looks_like_time(value) or not (isinstance(value, str) or names_id(slot)):
        return None
    return TOKEN if is_jwt(value) else MINTED


def uncorrelated(recording: Recording, planned: Plan) -> list[str]:
    """Places of values that look like ids and belong to no variable: sent once by the client, or ruled out."""
    found: dict[str, None] = {}
    for index, _, slot, value, where in occurrences(recording):
        random = looks_like_id(value) or (names_id(slot) and slot.part != "path" and has_random_part(value))
        if random and not any(slot == used for used, _ in planned.at(index)):
            found[where] = None
    return list(found)


def _belongs(correlation: Correlation | None, where: str) -> bool:
    """Whether a place holds this variable; a timestamp's holds it everywhere."""
    return correlation is None or where == correlation.source or where in correlation.targets


def _time_kind(event: Event, value: Json, wall: Time) -> str | None:
    downstream = event.direction is Direction.DOWNSTREAM
    return TIME if downstream and wall and is_timestamp(value, wall) else None
