"""Clocks: the only place that knows what time it is."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from simulator.core.units import SECOND, Time


class Clock(Protocol):
    """Gives the time on a run's timeline, and the wall time at which that timeline began (µs since the epoch)."""

    wall: Time

    def now(self) -> Time: ...


class RealClock:
    """Time as it passes, counted from when the clock was made."""

    def __init__(self) -> None:
        self.wall: Time = time.time_ns() // 1000
        self._origin = time.monotonic_ns()

    def now(self) -> Time:
        return (time.monotonic_ns() - self._origin) // 1000


class LoopClock:
    """Time as an event loop counts it: as it passes, unless the loop takes part in virtual time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.wall: Time = time.time_ns() // 1000
        self._loop, self._origin = loop, loop.time()

    def now(self) -> Time:
        return round((self._loop.time() - self._origin) * SECOND)


class ManualClock:
    """Time that stands still until somebody advances it; it never goes back."""

    def __init__(self, wall: Time | None = None) -> None:
        self.wall: Time = time.time_ns() // 1000 if wall is None else wall
        self._now: Time = 0

    def now(self) -> Time:
        return self._now

    def advance_to(self, when: Time) -> None:
        """Move on; raises ValueError for a time that is past."""
        if when < self._now:
            raise ValueError(f"time does not go back: {when} is before {self._now}")
        self._now = when
