"""Twins: two recordings of the same scenario, laid side by side. What differs is volatile, what is equal is not.

Flows are paired by their route, in order; events of a flow by what they say they are, in order; values by where
they stand. What one has and the other has not is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from simulator.core.events import Chunk, Event, Message, Request, Response
from simulator.core.jsontext import MISSING, Json, MaybeJson
from simulator.core.matching.compare import discriminator
from simulator.core.recording import Recording
from simulator.core.values.occurrences import Occurrence, occurrences
from simulator.core.values.origins import Origins
from simulator.core.values.pairs import NEARLY, is_short
from simulator.core.values.places import Slot, lines_of, route, slots

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """What the values of one recording are in others of the same; by place, how many differ and are the same."""

    values: tuple[Mapping[tuple[int, Slot], Json], ...] = ()
    differing: Counter[str] = field(default_factory=Counter)
    same: Counter[str] = field(default_factory=Counter)
    following: Counter[tuple[str, str]] = field(default_factory=Counter)

    def is_constant(self, place: str) -> bool:
        """Whether what stands there is always the same, as far as it is known."""
        return self.same[place] > 0 and not self.differing[place]

    def is_volatile(self, place: str) -> bool:
        """Whether what stands there is another every time."""
        return self.differing[place] > 0 and not self.same[place]

    def contradict(self, source: tuple[int, Slot], target: tuple[int, Slot]) -> bool:
        """Whether two values that are equal in one recording are not so in another."""
        return any(
            source in other and target in other and not _is_in(other[source], other[target])
            for other in self.values
        )

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Places where short values differ, and the server says at one what the client said at the other."""
        for (source, target), times in self.following.items():
            if times >= NEARLY * self.differing[target] and not self.same[target]:
                yield source, target


def _is_in(value: Json, other: Json) -> bool:
    return str(value) == str(other) or (isinstance(other, str) and str(value) in other)


def twins(recording: Recording, *others: Recording) -> Twins:
    """Lay recordings of the same scenario beside one."""
    maps = tuple(_values(recording, other) for other in others)
    found = Twins(values=maps)
    every = list(occurrences(recording)) if others else []
    for values in maps:
        for item in every:
            other = values.get((item.number, item.slot), MISSING)
            if other is not MISSING:
                (found.same if other == item.value else found.differing)[item.place] += 1
        found.following.update(_following(every, values))
    return found


def _values(recording: Recording, other: Recording) -> dict[tuple[int, Slot], Json]:
    """What each value of a recording is in the other."""
    theirs = dict(_keyed(other))
    here, there = _origins(recording), _origins(other)
    found: dict[tuple[int, Slot], Json] = {}
    for key, index in _keyed(recording):
        if key in theirs:
            values = dict(slots(other.events[theirs[key]]))
            ours = slots(recording.events[index])
            found |= {
                (index, slot): value if _same(value, values[slot], here, there) else values[slot]
                for slot, value in ours
                if slot in values
            }
    return found


def _origins(recording: Recording) -> Origins:
    """A service's own address is the same in each recording, whatever it was: a replay writes its own there."""
    services = recording.header.services
    return Origins.of(services, {service.name: f"http://{service.name}" for service in services})


def _same(ours: Json, theirs: Json, here: Origins, there: Origins) -> bool:
    if isinstance(ours, str) and isinstance(theirs, str):
        return here.in_text(ours) == there.in_text(theirs)
    return ours == theirs and type(ours) is type(theirs)


def _keyed(recording: Recording) -> Iterator[tuple[Key, int]]:
    """Every event's number by what it is: which flow of its route, and which of its kind on the flow."""
    flows: dict[str, Key] = {}
    seen: Counter[Key] = Counter()
    lines: Counter[str] = Counter()
    for index, event in enumerate(recording.events):
        if isinstance(event, Request) and event.flow not in flows:
            name = (event.method, route(event))
            flows[event.flow] = (*name, seen[name])
            seen[name] += 1
        key = (*flows.get(event.flow, ("?",)), event.direction, event.kind, _label(event))
        if isinstance(event, Chunk):  # a stream that was cut elsewhere says the same in other pieces
            count = len(lines_of(event))
            key = (*key, lines[event.flow], count)
            lines[event.flow] += count
        yield (*key, seen[key]), index
        seen[key] += 1


def _label(event: Event) -> str:
    if isinstance(event, Response):
        return str(event.status)
    return (discriminator(event) or "") if isinstance(event, Message) else ""


def _following(every: list[Occurrence], values: Mapping[tuple[int, Slot], Json]) -> Counter[tuple[str, str]]:
    """How often a short value of the server is, in both recordings, what the client said before on its flow."""
    found: Counter[tuple[str, str]] = Counter()
    sent: dict[tuple[str, str], dict[str, None]] = {}
    for item in every:
        other: MaybeJson = values.get((item.number, item.slot), MISSING)
        if other is MISSING or other == item.value or not is_short(item.value) or not item.slot.is_json:
            continue
        key = (item.event.flow, repr((item.value, other)))
        if item.upstream:
            sent.setdefault(key, {})[item.place] = None
        else:
            found.update((source, item.place) for source in sent.get(key, ()))
    return found
