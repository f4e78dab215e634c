"""Sightings: every value of a recording once, with where it was first seen and where it came back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from simulator.core.jsontext import MISSING, Json
from simulator.core.recording import Recording
from simulator.core.values.ids import is_data, is_unspaced
from simulator.core.values.inside import Finder, can_stand_inside
from simulator.core.values.nested import nested_json
from simulator.core.values.occurrences import Occurrence, key_of, occurrences
from simulator.core.values.places import Slot
from simulator.core.values.twins import Twins


@dataclass(slots=True)
class Sighting:
    """Where a value was seen: the first place, and all later ones by direction."""

    value: Json
    first: Slot
    place: str
    upstream: bool
    index: int
    back: list[tuple[str, Slot, bool]] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)

    def again(self, item: Occurrence) -> None:
        """It came back, whole or as a part of something."""
        self.back.append((item.place, item.slot, item.upstream))
        self.indices.append(item.number)

    def confirmed(self, known: Twins) -> Sighting:
        """Without those that are not the same value in other recordings."""
        kept = [
            (back, index)
            for back, index in zip(self.back, self.indices, strict=True)
            if not known.contradict((self.index, self.first), (index, back[1]))
        ]
        return replace(self, back=[back for back, _ in kept], indices=[index for _, index in kept])

    @property
    def used(self) -> bool:
        """Whether the client sent it later."""
        return any(upstream for _, _, upstream in self.back)

    @property
    def places(self) -> Iterator[str]:
        """Where it stands in what the server says, if it said it first."""
        yield self.place
        yield from (where for where, _, upstream in self.back if not upstream)


def sightings(recording: Recording) -> Iterable[Sighting]:
    """Every value; what the client sent comes back also as a part of what the server says."""
    seen: dict[str, Sighting] = {}
    finder, ignored = Finder(), set(recording.header.ignore)
    for item in occurrences(recording):
        value, upstream = item.value, item.upstream
        key = key_of(value)
        if key is None or item.place in ignored:
            continue
        if key in seen:
            seen[key].again(item)
            continue
        seen[key] = Sighting(value, item.slot, item.place, upstream, item.number)
        if upstream and can_stand_inside(value):
            finder.add(value)
        elif not upstream and isinstance(value, str) and nested_json(value) is MISSING:
            for begin, end in finder.find(value):
                seen[value[begin:end]].again(item)
    return seen.values()


def data_places(seen: Iterable[Sighting]) -> frozenset[str]:
    """Places where the server puts data: what looks like an id there does so by chance, or is data as well."""
    return frozenset(
        where
        for sighting in seen
        if not sighting.upstream
        and is_data(sighting.value)
        and not (sighting.used and is_unspaced(sighting.value))
        for where in sighting.places
    )
