"""What a comparison of two recordings finds, as data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from simulator.core.units import Time


class Kind(StrEnum):
    """What sort of thing differs."""

    FLOW = "flow"
    """A whole request or WebSocket is only in one of them."""
    EVENT = "event"
    """A message, response, close or reset is only in one of them."""
    FIELD = "field"
    """A field of JSON, or a header field, has appeared or vanished."""
    TYPE = "type"
    """A JSON value has another type."""
    LENGTH = "length"
    """A list has more or fewer items."""
    VALUE = "value"
    """A value that is no other in every run is another."""
    STATUS = "status"
    CODE = "close code"
    CORRELATION = "correlation"
    """A value that travels comes back as something else."""
    ORDER = "order"
    TIMING = "timing"
    """A delay differs by more than is tolerated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that differs. `event` and `field` say where in its flow; both are '' for the flow as a whole.

    `before` is what the first recording has, `after` the second; None is nothing at all.
    """

    kind: Kind
    event: str = ""
    field: str = ""
    before: str | None
    after: str | None

    def mirrored(self) -> Difference:
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long an event came after what was last heard from the other side, in both recordings."""

    event: str
    sent: bool
    """Whether the client sent it."""
    before: Time
    after: Time

    @property
    def error(self) -> Time:
        return abs(self.after - self.before)

    def mirrored(self) -> Timing:
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDrift:
    """A flow of both recordings, or of one: its label, and the name it has in each."""

    label: str
    before: str | None
    after: str | None
    differences: tuple[Difference, ...] = ()
    timings: tuple[Timing, ...] = ()

    def mirrored(self) -> FlowDrift:
        return replace(
            self,
            before=self.after,
            after=self.before,
            differences=tuple(item.mirrored() for item in self.differences),
            timings=tuple(item.mirrored() for item in self.timings),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Every flow of two recordings, those of the first one first."""

    flows: tuple[FlowDrift, ...]

    @property
    def differences(self) -> tuple[Difference, ...]:
        return tuple(item for flow in self.flows for item in flow.differences)

    @property
    def timings(self) -> tuple[Timing, ...]:
        return tuple(item for flow in self.flows for item in flow.timings)

    def mirrored(self) -> Drift:
        """What comparing the second recording with the first one finds."""
        return Drift(flows=in_order(flow.mirrored() for flow in self.flows))


def in_order(flows: Iterable[FlowDrift]) -> tuple[FlowDrift, ...]:
    """Flows by their names in the first recording, then those that only the second has."""
    return tuple(sorted(flows, key=lambda flow: (flow.before is None, _natural(flow.before or flow.after or ""))))


def _natural(name: str) -> tuple[int, str]:
    return (int(name) if name.isascii() and name.isdecimal() and len(name) < 10 else -1, name)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of the values does not exceed (nearest rank); 0 for none."""
    if not values:
        return 0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
