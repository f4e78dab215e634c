"""Drift: what differs between two recordings of the same scenario, and is more than another run's luck."""

from simulator.core.drift.compare import drift
from simulator.core.drift.differences import Difference, Drift, FlowDrift, Kind, Timing, percentile

__all__ = ["Difference", "Drift", "FlowDrift", "Kind", "Timing", "drift", "percentile"]
