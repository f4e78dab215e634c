"""The recorder: a proxy between a client and its servers that turns what passes into events."""

from simulator.files.upstreams import Upstream
from simulator.live.recorder.recorder import Recorder
from simulator.live.recorder.tape import Summary

__all__ = ["Recorder", "Summary", "Upstream"]
