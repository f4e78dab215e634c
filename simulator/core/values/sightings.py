"""Sightings: every value of a recording once, with where it was first seen and where it came back."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from simulator.core.jsontext import MISSING, Json
from simulator.core.values.ids import is_data, is_unspaced
from simulator.core.values.inside import Finder, can_stand_inside
from simulator.core.values.nested import nested_json
from simulator.core.values.occurrences import Occurrence, key_of
from simulator.core.values.places import Slot
from simulator.core.values.twins import Twins

Back = tuple[str, Slot, bool]
"""The place and the slot where a value came back, and whether the client sent it there."""


@dataclass(slots=True)
class Sighting:
    """Where a value was seen: the first place, and all later ones by direction, each once."""

    value: Json
    first: Slot
    place: str
    upstream: bool
    index: int
    back: dict[Back, None] = field(default_factory=dict)

    @property
    def used(self) -> bool:
        """Whether the client sent it later."""
        return any(upstream for _, _, upstream in self.back)

    @property
    def places(self) -> Iterator[str]:
        """Where it stands in what the server says, if it said it first."""
        yield self.place
        yield from (where for where, _, upstream in self.back if not upstream)


class Sightings:
    """What is seen of a recording's values; what the client sent comes back also as a part of what is answered.

    Values that are not the same in other recordings, as `known` has it, have not come back. Of values that do not
    come again (`repeats` says which may), those of the client tell nothing; of those of the server that are
    `alike`, one stands for all.
    """

    def __init__(
        self,
        *,
        known: Twins,
        ignored: Iterable[str],
        repeats: Container[str],
        alike: Callable[[Sighting], Hashable],
    ) -> None:
        self._known, self._ignored, self._repeats, self._alike = known, frozenset(ignored), repeats, alike
        self._seen: dict[Hashable, Sighting] = {}
        self._finder = Finder()

    def __iter__(self) -> Iterator[Sighting]:
        return iter(self._seen.values())

    def see(self, item: Occurrence) -> None:
        """Know of one more value."""
        value, upstream = item.value, item.upstream
        key = key_of(value)
        if key is None or item.place in self._ignored:
            return
        before = self._seen.get(key)
        if before is not None:
            self._again(before, item)
            return
        sighting = Sighting(value, item.slot, item.place, upstream, item.number)
        if key in self._repeats:
            self._seen[key] = sighting
            if upstream and can_stand_inside(value):
                self._finder.add(value)
        elif not upstream:
            self._seen.setdefault((item.place, self._alike(sighting)), sighting)
        if not upstream and isinstance(value, str) and nested_json(value) is MISSING:
            for begin, end in self._finder.find(value):
                self._again(self._seen[value[begin:end]], item)

    def _again(self, sighting: Sighting, item: Occurrence) -> None:
        """A value came back, whole or as a part of something."""
        if not self._known.contradict((sighting.index, sighting.first), (item.number, item.slot)):
            sighting.back[item.place, item.slot, item.upstream] = None


def data_places(seen: Iterable[Sighting]) -> frozenset[str]:
    """Places where the server puts data: what looks like an id there does so by chance, or is data as well."""
    return frozenset(
        where for sighting in seen if not sighting.upstream and is_data_here(sighting) for where in sighting.places
    )


def is_data_here(sighting: Sighting) -> bool:
    """Whether a value of the server is data: nobody sends it back as an id."""
    return is_data(sighting.value) and not (sighting.used and is_unspaced(sighting.value))
