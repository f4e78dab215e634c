"""Order by time: events that are known only later wait for none, but what is newer waits for them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Final

from simulator.core.events import Event
from simulator.core.units import Time

MAX_HELD: Final = 64 << 20
"""How many bytes may wait for an older event before order by time is given up for once."""

_EVENT_COST: Final = 256

Place = tuple[Time, int]
"""A place in the order: a time, and a number for what happens at the same time."""


class TimeOrder:
    """Passes events on in the order of their times.

    An event goes on at once, unless an older one has been announced by `hold` and not been given by `release` yet.
    An event that comes too late nevertheless (it was held no longer) gets the time of the event before it, and
    `late` is told the event and by how much it was moved, in µs.
    """

    def __init__(
        self,
        sink: Callable[[Event], None],
        *,
        late: Callable[[Event, Time], None] = lambda event, by: None,
        max_held: int = MAX_HELD,
    ) -> None:
        self._sink, self._late, self._max_held = sink, late, max_held
        self._waiting: list[tuple[Place, int, Event]] = []
        self._holds: set[Place] = set()
        self._numbers = count()
        self._held = 0
        self._last: Time = 0

    def hold(self, at: Time) -> Place:
        """Keep a place for an event of this time; nothing newer passes before it is released."""
        place = (at, next(self._numbers))
        self._holds.add(place)
        return place

    def put(self, event: Event, place: Place | None = None) -> None:
        """Pass an event on, in the place that was kept for it or else in that of its own time."""
        number = next(self._numbers)
        if not self._waiting and not self._holds:
            self._emit(event)
            return
        heapq.heappush(self._waiting, (place or (event.at, number), number, event))
        self._held += _cost(event)
        if self._held > self._max_held:
            self._holds.clear()
        self._flush()

    def release(self, place: Place) -> None:
        """Wait for this place no longer. A place may be released twice."""
        self._holds.discard(place)
        self._flush()

    def close(self) -> None:
        """Pass on everything."""
        self._holds.clear()
        self._flush()

    def _flush(self) -> None:
        first_hold = min(self._holds, default=None)
        while self._waiting and (first_hold is None or self._waiting[0][0] <= first_hold):
            event = heapq.heappop(self._waiting)[2]
            self._held -= _cost(event)
            self._emit(event)

    def _emit(self, event: Event) -> None:
        if event.at < self._last:
            self._late(event, self._last - event.at)
            event = replace(event, at=self._last)
        self._last = event.at
        self._sink(event)


def _cost(event: Event) -> int:
    return _EVENT_COST + len(getattr(event, "data", b"")) + len(getattr(event, "body", b""))
