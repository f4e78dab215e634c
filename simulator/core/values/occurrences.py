"""Occurrences: every value of a recording, one after another, each with where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from simulator.core.events import Chunk, Direction, Event, Request, Response, header
from simulator.core.jsontext import Json
from simulator.core.recording import Recording
from simulator.core.values.coding import codings
from simulator.core.values.places import Slot, places, route, slots


class Occurrence(NamedTuple):
    """A value, its event and the event's number in the recording, its slot there, and the place of all alike."""

    number: int
    event: Event
    slot: Slot
    value: Json
    place: str

    @property
    def upstream(self) -> bool:
        return self.event.direction is Direction.UPSTREAM


def occurrences(recording: Recording) -> Iterator[Occurrence]:
    """Every value of a recording, in order."""
    return values_of(recording.events)


def values_of(events: Iterable[Event]) -> Iterator[Occurrence]:
    """Every value of a recording's events, as they come.

    The pieces of a stream whose length was told beforehand have none, for no other value may be longer; nor have
    those of a compressed one, where what looks like a line is chance.
    """
    routes: dict[str, str] = {}
    opaque: set[str] = set()
    for index, event in enumerate(events):
        if isinstance(event, Request):
            routes[event.flow] = route(event)
        elif isinstance(event, Response) and event.streaming and _is_opaque(event):
            opaque.add(event.flow)
        elif isinstance(event, Chunk) and event.flow in opaque:
            continue
        where = routes.get(event.flow, "?")
        place = places(where, event)
        for slot, value in slots(event):
            yield Occurrence(index, event, slot, value, place(slot))


def _is_opaque(stream: Response) -> bool:
    """Whether the pieces of a streaming response must stay as they are."""
    return header(stream.headers, "content-length") is not None or bool(codings(stream.headers))


def key_of(value: Json) -> str | None:
    """Equal for values that mean the same: 48213 in a body and '48213' in a path."""
    if isinstance(value, bool) or value is None or value == "":
        return None
    return str(value) if isinstance(value, str | int | float) else None
