"""Law 1: a recording played to its own client without faults yields the recording."""

from __future__ import annotations

from hypothesis import given

from simulator.core.recording import Recording
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from tests.conversations import CREATED, agent_run, recordings

SAME = Settings(wall=CREATED, fresh=False)


def replayed(recording: Recording) -> list[object]:
    """What was on the wire, by time; what happened at one and the same time has no order of its own."""
    return sorted(simulate(recording, settings=SAME).events, key=_order)


def _order(event: object) -> tuple[int, str]:
    return (event.at, event.flow)  # type: ignore[attr-defined]


def test_an_agent_run_is_replayed_to_the_letter() -> None:
    recording = agent_run()
    assert replayed(recording) == list(recording.events)


@given(recordings())
def test_every_recording_is_replayed_to_the_letter(recording: Recording) -> None:
    assert replayed(recording) == sorted(recording.events, key=_order)
