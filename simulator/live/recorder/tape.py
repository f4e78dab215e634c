"""What all flows of a recording share: its time, its order, the names of its flows, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simulator.core.events import Event, Message, Request, is_upgrade
from simulator.core.recording import Service
from simulator.core.units import Time, seconds
from simulator.live.recorder.ordering import Place, TimeOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a recording came to. `problems` counts all of them, also those that were reported only once."""

    requests: int = 0
    sockets: int = 0
    messages: int = 0
    events: int = 0
    problems: int = 0
    services: tuple[Service, ...] = ()


class Timer(Protocol):
    """Something that will be done later, unless it is cancelled."""

    def cancel(self) -> None: ...


class Tape:
    """Passes events to the sink in the order of their times, and counts them; after `close`, it takes no more.

    `clock` is in µs, and time 0 is when the tape was made. `later` calls something after so many µs, in the thread
    that records. A sink that raises gets nothing more: a recording with a hole in it would say what never was.
    """

    def __init__(
        self,
        sink: Callable[[Event], None],
        *,
        on_problem: Callable[[str], None],
        clock: Callable[[], Time],
        later: Callable[[Time, Callable[[], None]], Timer],
    ) -> None:
        self.later = later
        self._sink: Callable[[Event], None] | None = sink
        self._on_problem, self._clock, self._zero = on_problem, clock, clock()
        self._order = TimeOrder(self._emit, late=self._late)
        self._flows = self._problems = self._sockets = 0
        self._counts: Counter[type[Event]] = Counter()
        self._reported: set[str] = set()
        self._closed = False

    def now(self) -> Time:
        return self._clock() - self._zero

    def open_flow(self) -> str:
        """The name of the next flow."""
        self._flows += 1
        return str(self._flows)

    def hold(self, at: Time) -> Place:
        """See `TimeOrder.hold`."""
        return self._order.hold(at)

    def put(self, event: Event, place: Place | None = None) -> None:
        """See `TimeOrder.put`."""
        self._order.put(event, place)

    def release(self, place: Place) -> None:
        """See `TimeOrder.release`."""
        self._order.release(place)

    def close(self) -> None:
        """Pass on what is still waiting."""
        self._order.close()
        self._closed, self._sink = True, None

    def problem(self, line: str) -> None:
        """Count a problem, and report it unless this very line has been reported before."""
        if self._closed:
            return
        self._problems += 1
        if line not in self._reported:
            self._reported.add(line)
            self._on_problem(line)

    def summary(self, services: tuple[Service, ...] = ()) -> Summary:
        return Summary(
            requests=self._counts[Request],
            sockets=self._sockets,
            messages=self._counts[Message],
            events=self._counts.total(),
            problems=self._problems,
            services=services,
        )

    def _emit(self, event: Event) -> None:
        if self._sink is None:
            return
        try:
            self._sink(event)
        except Exception as error:
            self._sink = None
            self.problem(f"the recording ends at {seconds(event.at)}: {type(error).__name__}: {error}")
            return
        self._counts[type(event)] += 1
        self._sockets += is_upgrade(event)

    def _late(self, event: Event, by: Time) -> None:
        self.problem(
            f"flow {event.flow}: a {event.kind} was complete too late, and is written {seconds(by)} too late"
        )
