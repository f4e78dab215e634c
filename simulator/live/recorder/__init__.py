"""The recorder: a proxy between a client and its servers that turns what passes into events."""

from simulator.live.recorder.recorder import Recorder
from simulator.live.recorder.tape import Summary
from simulator.live.recorder.upstreams import Upstream

__all__ = ["Recorder", "Summary", "Upstream"]
