"""When rules with a time of their own on the run's clock are armed and disarmed; everybody else's are at once.

The clock of a schedule begins with the first request of the run: before it there is nobody to fail. A rule that is
armed later than that has its times counted from then.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import replace
from typing import NamedTuple

from simulator.core.pipeline import Stage
from simulator.core.rule import Rule
from simulator.core.units import NEVER, Time


def limited(rule: Rule, begin: Time, end: Time) -> Rule:
    """A rule kept to a time of the run; its own `during` counts from the beginning of that. NEVER is no end."""
    if begin == 0 and end >= NEVER:
        return rule
    first, last = rule.when.during or (0, end - begin)
    during = (min(begin + first, end), min(begin + last, end))
    return replace(rule, when=replace(rule.when, during=during))


class Turn(NamedTuple):
    """A stage is to be armed or disarmed; of what falls on one moment, what ends comes first, then in order."""

    at: Time
    begins: bool
    order: int
    stage: Stage


class Schedule:
    """The turns to come. `speed` divides the times of rules as it does those of the recording.

    At infinite speed nothing would be left of them, so there they stay what they are.
    """

    def __init__(self, speed: float) -> None:
        self._speed = 1.0 if math.isinf(speed) else speed
        self._first: Time | None = None
        self._early: list[Stage] = []
        self._turns: list[Turn] = []
        self._count = 0

    def add(self, stage: Stage, now: Time) -> None:
        """Plan the turns of a stage that is armed now; a rule without times has none."""
        if stage.rule.when.during is None:
            return
        if self._first is None:
            self._early.append(stage)
        else:
            self._plan(stage, max(now, self._first))

    def begin(self, now: Time) -> None:
        """A request has come; the first one begins the clock."""
        if self._first is None:
            self._first = now
            for stage in self._early:
                self._plan(stage, now)
            self._early.clear()

    def _plan(self, stage: Stage, begun: Time) -> None:
        for offset, begins in zip(stage.rule.when.during or (), (True, False), strict=False):
            self._count += 1
            at = begun + round(offset / self._speed)
            heapq.heappush(self._turns, Turn(at, begins, self._count, stage))

    def deadline(self) -> Time | None:
        """When the next turn is; None if there is none, or nobody has come yet."""
        while self._turns and not self._turns[0].stage.in_play:
            heapq.heappop(self._turns)
        return self._turns[0].at if self._turns else None

    def pop(self) -> Turn:
        """The next turn. Raises IndexError where there is none."""
        return heapq.heappop(self._turns)
