"""latency: everything arrives later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from simulator.core.events import Event
from simulator.core.fault import ANY, Context, Fault, Kinds, delayed
from simulator.core.units import MILLISECOND, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyFault(Fault):
    """What the server sends comes `delay` later, give or take `jitter`; nothing overtakes."""

    name: ClassVar[str] = "latency"
    acts_on: ClassVar[Kinds] = ANY
    delay: Duration = 500 * MILLISECOND
    jitter: Duration = 0

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        by = self.delay + (context.rng.randint(-self.jitter, self.jitter) if self.jitter else 0)
        return [delayed(event, max(0, by))]
