"""Fixtures: a staging, and a recorder in front of it, both once for a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from staging import Recorded, Staging

from simulator.live.recorder import Recorder, Upstream


@pytest.fixture(scope="module")
def staging() -> Iterator[Staging]:
    servers = Staging()
    yield servers
    servers.close()


@pytest.fixture(scope="module")
def raw_port(staging: Staging) -> int:
    return staging.listen()


@pytest.fixture(scope="module")
def upstreams(raw_port: int) -> list[Upstream]:
    """What is recorded; a module may say otherwise."""
    return [Upstream("raw", f"http://127.0.0.1:{raw_port}")]


@pytest.fixture(scope="module")
def recorder_and_notes(upstreams: list[Upstream]) -> Iterator[tuple[Recorder, Recorded]]:
    notes = Recorded()
    with Recorder(notes.sink, upstreams=upstreams, on_problem=notes.problem) as recorder:
        yield recorder, notes


@pytest.fixture
def recorder(recorder_and_notes: tuple[Recorder, Recorded]) -> Recorder:
    return recorder_and_notes[0]


@pytest.fixture
def recorded(recorder_and_notes: tuple[Recorder, Recorded]) -> Recorded:
    """What is recorded from now on."""
    notes = recorder_and_notes[1]
    notes.events.clear()
    notes.problems.clear()
    return notes


@pytest.fixture
def raw(recorder: Recorder) -> str:
    """The recorder's address of the raw server."""
    return recorder.addresses["raw"]
