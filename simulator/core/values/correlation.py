"""Correlation, found from a recording: which values travel, who made them, and where they come back.

Two steps. `propose` looks at the values and writes rules for places (they can be read and corrected in the
recording's header); `simulator.core.values.planning` applies them to a recording and knows every single
occurrence beforehand.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from simulator.core.jsontext import Json
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
from simulator.core.values.occurrences import occurrences
from simulator.core.values.pairs import (
    SHORTEST_ECHO,
    SHORTEST_NUMBER,
    References,
    Tally,
    is_reference,
    is_short,
    pairs,
)
from simulator.core.values.places import Slot
from simulator.core.values.repeats import EVERYTHING
from simulator.core.values.sightings import Sighting, Sightings, data_places, is_data_here
from simulator.core.values.timestamps import looks_like_time
from simulator.core.values.tokens import visible_text
from simulator.core.values.twins import Twins, twins

ECHOED, MINTED, TOKEN, TIME, COMPOSED, PAIRED = "echoed", "minted", "token", "time", "composed", "paired"

SENT: Final = frozenset((ECHOED, PAIRED))
"""Kinds of what the client makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One recorded value that is another in every run. `source` is the event where it first stands.

    `parts` are other variables inside of its `text`; of a composed one, nothing else changes. `also` are its
    values in other recordings of the same.
    """

    number: int
    kind: str
    value: Json
    source: int
    wall: Time
    parts: tuple[Part, ...] = ()
    also: tuple[Json, ...] = ()

    @property
    def text(self) -> str:
        """What its parts stand in: of a token, its claims."""
        return visible_text(str(self.value)) if self.kind == TOKEN else str(self.value)


@dataclass(frozen=True, slots=True)
class Part:
    """Where another variable stands inside of a text."""

    begin: int
    end: int
    variable: Variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every occurrence of every variable: by event, which slots hold which variable.

    `lone` are the numbers of timestamps that stand in one slot only: nobody asks for them again.
    """

    variables: Sequence[Variable] = ()
    uses: Mapping[int, tuple[tuple[Slot, Variable], ...]] = field(default_factory=dict)
    correlations: tuple[Correlation, ...] = ()
    lone: Container[int] = frozenset()

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


def propose(
    recording: Recording, *others: Recording, repeats: Container[str] = EVERYTHING
) -> tuple[Correlation, ...]:
    """Find what correlates in a recording; places that its header says to ignore are left out.

    `others` are of the same scenario, and tell chance from what travels: see `simulator.core.values.twins`.
    `repeats` are the keys of the values that need be remembered, see `simulator.core.values.repeats`.
    """
    known = twins(recording, *others)

    def alike(sighting: Sighting) -> Hashable:
        kinds = (_kind(sighting, frozenset(data), known) for data in ((), (sighting.place,)))
        return (*kinds, is_data_here(sighting))

    ignored = recording.header.ignore
    seen = Sightings(known=known, ignored=ignored, repeats=repeats, alike=alike)
    references = References(ignored)
    for item in occurrences(recording):
        seen.see(item)
        references.hear(item)
    data = data_places(seen)
    local = _by_client(references, others, known, ignored)
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


def _by_client(
    references: References, others: tuple[Recording, ...], known: Twins, ignored: Container[str]
) -> dict[str, dict[str, None]]:
    """The targets of each place of the client that is one of a pair."""
    tallies: dict[tuple[str, str], Tally] = {}
    for heard in (references, *map(References.of, others)):
        heard.tell(tallies)
    found = [(tally.source, tally.target) for tally in pairs(tallies.values())]
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
        return all(names_id(slot) and slot.part != "path" for slot in (source, back[0]))
    if len(str(value)) < (SHORTEST_ECHO if isinstance(value, str) else SHORTEST_NUMBER):
        return False
    if _may_count(value):
        return names_id(source) or any(names_id(slot) or _named(slot) == _named(source) for slot in back)
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
    used = any(sent and (names_id(slot) or not _may_count(value)) for _, slot, sent in sighting.back)
    if first.part == "header":
        return looks_like_id(value) or names_id(first) or used or comes_back
    if not is_unspaced(value):
        return False
    if names_id(first):
        return True
    return sighting.place not in data and (holds_uuid(value) or used or comes_back)


def names_id(slot: Slot) -> bool:
    return slot.part == "path" or any(is_id_name(step) for step in slot.at[-2:])


def _named_secret(slot: Slot) -> bool:
    return slot.is_json and is_secret_name(str(_named(slot)))


def _name(source: str) -> str:
    return source.rpartition(" ")[2].removeprefix("$.")
