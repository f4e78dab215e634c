"""latency: everything arrives later."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from simulator.core.events import Event
from simulator.core.fault import ANY, Context, Fault, Kinds, delayed
from simulator.core.units import MILLISECOND, Duration, Time

_PARETO_SHAPE: Final = 3.0
"""A tail in which one of a thousand waits nine times `jitter` longer than the quickest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyFault(Fault):
    """What the server sends comes `delay` later, give or take `jitter`, as `distribution` says; nothing overtakes.

    `fixed` has no jitter; `uniform` lies within it on either side; of `normal` it is the standard deviation; and
    `pareto` is never quicker than `delay`, with a long tail whose scale is `jitter`.
    """

    name: ClassVar[str] = "latency"
    acts_on: ClassVar[Kinds] = ANY
    delay: Duration = 500 * MILLISECOND
    jitter: Duration = 0
    distribution: Literal["fixed", "uniform", "normal", "pareto"] = "uniform"

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        by = self.delay + (self._luck(context.rng) if self.jitter else 0)
        return [delayed(event, max(0, by))]

    def _luck(self, rng: random.Random) -> Time:
        match self.distribution:
            case "uniform":
                return rng.randint(-self.jitter, self.jitter)
            case "normal":
                return round(rng.normalvariate(0, self.jitter))
            case "pareto":
                return round((rng.paretovariate(_PARETO_SHAPE) - 1) * self.jitter)
        return 0
