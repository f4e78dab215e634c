"""What is under way in a session: the live flows, and the queue of what will happen to them."""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from simulator.core.events import Bytes, Close, Direction, Event, Message, continuations
from simulator.core.matching.clients import Client
from simulator.core.matching.takes import Takes
from simulator.core.pipeline import FlowView, Stage
from simulator.core.script import FlowScript
from simulator.core.units import MILLISECOND, NEVER, Time
from simulator.core.values.bindings import Bindings

HASTE = 250 * MILLISECOND
"""By so much a client may be faster than the recorded one without being answered out of order.

What the server had said before, but not as an answer to this, then comes that much sooner than it was recorded.
"""

PAST_ALL_STAGES = 1 << 30
"""Where no rule is asked any more."""


class FlowError(Exception):
    """What was due on a flow at a time could not be done, or with flow '' what a rule does by itself.

    `sent` is what was to be sent before it; that is in the journal, so whoever asked must send it all the same.
    """

    def __init__(self, flow: str, at: Time, sent: list[Event]) -> None:
        self.flow, self.at, self.sent = flow, at, sent
        super().__init__(f"flow {flow} cannot go on" if flow else "a rule cannot go on")


@dataclass(slots=True, kw_only=True, eq=False)
class LiveFlow:
    """A flow of this run. `waiting` is what was due before its 101 had gone.

    `pending` is what is under way on it and keeps the recorded order, in that order. `unsaid` counts the frames
    that are missing of a message that has begun, and `behind` is what comes when it is complete (RFC 6455 §5.4).
    """

    view: FlowView
    client: Client
    bindings: Bindings
    takes: Takes | None = None
    open: bool = False
    gone: bool = False
    ended: set[Direction] = field(default_factory=set)
    waiting: list[Item] = field(default_factory=list)
    pending: list[Item] = field(default_factory=list)
    unsaid: int = 0
    behind: list[Event] = field(default_factory=list)

    def holds_back(self, event: Event) -> bool:
        """Whether an event waits for the end of a message that has begun, as control frames need not."""
        held = self.unsaid > 0 and isinstance(event, Message | Close | Bytes)
        self.behind += [event] if held else []
        return held

    def begin(self, message: Message) -> Iterator[Item]:
        """What is under way once the first frame of a message is out: those that have times of their own."""
        pieces = continuations(message)
        self.unsaid = len(pieces)
        yield from (Item(due=piece.at, flow=self, event=piece, stage=PAST_ALL_STAGES) for piece in pieces)

    def went_on(self) -> list[Event]:
        """One more frame is out; behind the last one comes what waited for it."""
        self.unsaid -= 1
        waited, self.behind = ([], self.behind) if self.unsaid else (self.behind, [])
        return waited

    @property
    def script(self) -> FlowScript | None:
        """The recorded flow that it follows."""
        return self.takes.followed.script if self.takes is not None else None


@dataclass(slots=True, kw_only=True, eq=False)
class Item:
    """Something under way: an event before a stage, a recorded event (by index) to be made live, or a strike.

    `held_by` is the stage that delayed it. What is `ordered` keeps the recorded order of its flow, and `spent` is
    what went before its time for that.
    """

    due: Time
    flow: LiveFlow
    event: Event
    stage: int = 0
    recorded: int | None = None
    ordered: bool = False
    spent: bool = False
    strike: Stage | None = None
    held_by: Stage | None = None


def _place(item: Item) -> int:
    return -1 if item.recorded is None else item.recorded


def _recorded_before(item: Item) -> Iterator[Item]:
    """What is under way on the same flow and was recorded before an item."""
    if item.ordered:
        yield from itertools.takewhile(lambda other: other is not item, item.flow.pending)


class Queue:
    """Items by due time; equals in the order in which they were pushed. Items of flows that are gone vanish."""

    def __init__(self) -> None:
        self._heap: list[tuple[Time, int, Item]] = []
        self._pushed = 0

    def push(self, item: Item) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (item.due, self._pushed, item))
        if item.ordered:
            bisect.insort(item.flow.pending, item, key=_place)

    def push_all(self, items: Iterable[Item], not_before: Time) -> None:
        for item in items:
            self.push(replace(item, due=max(item.due, not_before)))

    def pop(self, now: Time) -> Item | None:
        """The next item that is due by `now`, or what was recorded before it and would be overtaken."""
        due = self.deadline()
        if due is None or due > now:
            return None
        item = self._heap[0][2]
        before = next((other for other in _recorded_before(item) if other.due <= due + HASTE), None)
        if before is not None:
            before.flow.pending.remove(before)
            before.spent = True
            return replace(before, due=due, spent=False)
        if item.ordered:
            item.flow.pending.remove(item)
        return heapq.heappop(self._heap)[2]

    def deadline(self) -> Time | None:
        """The due time of the next item; None if nothing will ever be due by itself."""
        while self._heap and (self._heap[0][2].flow.gone or self._heap[0][2].spent):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap and self._heap[0][0] < NEVER else None

    def take_back(self, flow: LiveFlow) -> set[int]:
        """Take out what of a recording was still to be said on a flow; gives the indices.

        What is `spent` has been said or taken back already, though it lies here until its time comes.
        """
        queued = (item for _, _, item in self._heap if item.flow is flow and not item.spent)
        mine = [item for item in queued if item.recorded is not None]
        mine += flow.waiting
        for item in mine:
            item.spent = True
        flow.pending.clear()
        flow.waiting.clear()
        return {item.recorded for item in mine if item.recorded is not None}

    def recall(self, stage: Stage, flow: str, way: Direction) -> list[Event]:
        """Take out what a stage holds of one direction of a flow, in order."""
        mine = [
            entry
            for entry in self._heap
            if entry[2].held_by is stage and entry[2].flow.view.id == flow and entry[2].event.direction is way
        ]
        if mine:
            taken = {order for _, order, _ in mine}
            self._heap = [entry for entry in self._heap if entry[1] not in taken]
            heapq.heapify(self._heap)
        return [item.event for _, _, item in sorted(mine, key=lambda entry: entry[:2])]

    def free(self, stage: Stage, now: Time) -> None:
        """Make due now what a stage held, in the order in which it was held."""
        for _, _, item in self._heap:
            if item.held_by is stage and item.due > now:
                item.due = now
        self._heap = [(item.due, order, item) for _, order, item in self._heap]
        heapq.heapify(self._heap)
