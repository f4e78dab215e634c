"""What is under way in a session: the live flows, and the queue of what will happen to them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from simulator.core.bindings import Bindings
from simulator.core.clients import Client
from simulator.core.events import Direction, Event
from simulator.core.pipeline import FlowView, Stage
from simulator.core.script import FlowScript
from simulator.core.units import NEVER, Time


@dataclass(slots=True, kw_only=True, eq=False)
class LiveFlow:
    """A flow of this run. `waiting` is what was due before its 101 had gone."""

    view: FlowView
    client: Client
    bindings: Bindings
    script: FlowScript | None = None
    open: bool = False
    gone: bool = False
    used: set[int] = field(default_factory=set)
    ended: set[Direction] = field(default_factory=set)
    waiting: list[Item] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Item:
    """Something under way: an event before a stage, a recorded event (by index) to be made live, or a strike.

    `held_by` is the stage that delayed it.
    """

    due: Time
    flow: LiveFlow
    event: Event
    stage: int = 0
    recorded: int | None = None
    strike: Stage | None = None
    held_by: Stage | None = None


class Queue:
    """Items by due time; equals in the order in which they were pushed. Items of flows that are gone vanish."""

    def __init__(self) -> None:
        self._heap: list[tuple[Time, int, Item]] = []
        self._pushed = 0

    def push(self, item: Item) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (item.due, self._pushed, item))

    def push_all(self, items: Iterable[Item], not_before: Time) -> None:
        for item in items:
            self.push(replace(item, due=max(item.due, not_before)))

    def pop(self, now: Time) -> Item | None:
        """The next item that is due by `now`."""
        due = self.deadline()
        return heapq.heappop(self._heap)[2] if due is not None and due <= now else None

    def deadline(self) -> Time | None:
        """The due time of the next item; None if nothing will ever be due by itself."""
        while self._heap and self._heap[0][2].flow.gone:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap and self._heap[0][0] < NEVER else None

    def free(self, stage: Stage, now: Time) -> None:
        """Make due now what a stage held, in the order in which it was held."""
        for _, _, item in self._heap:
            if item.held_by is stage and item.due > now:
                item.due = now
        self._heap = [(item.due, order, item) for _, order, item in self._heap]
        heapq.heapify(self._heap)
