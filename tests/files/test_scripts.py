"""Large recordings: by their index they are what they are without, and an index is never believed blindly."""

from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from benchmarks.size import write
from simulator.core.errors import RecordingError
from simulator.core.recording import Recording
from simulator.core.script import Script, compile_script, exchanges
from simulator.files import scripts
from simulator.files.reader import load
from simulator.files.scripts import cache_folder, load_script
from simulator.files.writer import save
from tests.conversations import agent_run, recordings

ROOT = Path(__file__).parents[2]
RECORDED = sorted([*(ROOT / "recordings").glob("*.jsonl"), *(ROOT / "tests/core/real").glob("*.jsonl")])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stagesim"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Which recordings were indexed."""
    found: list[Path] = []
    real = scripts.index_of
    monkeypatch.setattr(scripts, "index_of", lambda path, *told: found.append(path) or real(path, *told))
    return found


def indexed(path: Path) -> Script:
    return load_script(path, lambda warning: None, large=0)


def same(script: Script, other: Script) -> None:
    """Everything in two scripts is equal."""
    assert script.recording.header == other.recording.header
    assert list(script.recording.events) == list(other.recording.events)
    assert [plainly(flow) for flow in script.flows] == [plainly(flow) for flow in other.flows]
    assert exchanges(script) == exchanges(other)
    assert script.plan.correlations == other.plan.correlations
    assert list(script.plan.variables) == list(other.plan.variables)
    assert dict(script.plan.uses) == dict(other.plan.uses)
    numbers = range(len(other.plan.variables) + 2)
    assert [number in script.plan.lone for number in numbers] == [number in other.plan.lone for number in numbers]


def plainly(flow: object) -> object:
    def listed(item):  # type: ignore[no-untyped-def]
        return replace(item, reactions=tuple(item.reactions))

    return replace(  # type: ignore[type-var]
        flow, opening=listed(flow.opening), expectations=tuple(map(listed, flow.expectations))
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(recordings())
def test_a_script_by_its_index_is_the_script(tmp_path: Path, recording: Recording) -> None:
    path = tmp_path / "any.jsonl"
    save(recording, path)
    same(indexed(path), compile_script(load(path).recording))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_real_recording_by_its_index_is_itself(path: Path, tmp_path: Path) -> None:
    """As it is, and where it has to be found out what correlates."""
    recording = load(path).recording
    same(indexed(path), compile_script(recording))
    bare = replace(recording, header=replace(recording.header, correlate=None))
    save(bare, tmp_path / "bare.jsonl")
    same(indexed(tmp_path / "bare.jsonl"), compile_script(bare))


def test_it_is_made_once(tmp_path: Path, counted: list[Path], cache: Path) -> None:
    path = tmp_path / "run.jsonl"
    save(agent_run(), path)
    indexed(path)
    indexed(path)
    assert counted == [path]
    (index,) = cache.iterdir()
    assert index.stat().st_mode & 0o777 == 0o600


def test_it_is_made_anew_for_another_file_and_when_it_is_damaged(
    tmp_path: Path, counted: list[Path], cache: Path
) -> None:
    path = tmp_path / "run.jsonl"
    save(agent_run(), path)
    indexed(path)
    os.utime(path, ns=(1, 1))
    indexed(path)
    assert len(counted) == 2
    (index,) = cache.iterdir()
    good = index.read_bytes()
    bad = [b"", b"GIF89a", good[:-9], good[:50], good[: len(good) // 2] + b"!" + good[len(good) // 2 + 1 :]]
    for number, data in enumerate(bad):
        index.write_bytes(data)
        same(indexed(path), compile_script(agent_run()))
        assert len(counted) == 3 + number


def test_it_says_how_far_it_is(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    write(path, messages=2500, per_flow=100)
    told: list[tuple[str, float | None]] = []
    load_script(path, lambda warning: None, lambda what, share: told.append((what, share)), large=0)
    shares: dict[str, list[float | None]] = {}
    for what, share in told:
        shares.setdefault(what, []).append(share)
    *passes, last = shares.items()
    assert [what for what, _ in passes] == [
        "reading",
        "looking for what correlates",
        "finding every value that does",
    ]
    assert all(len(found) == 3 and found == sorted(map(float, found)) for _, found in passes)
    assert last == ("laying it out", [None])


def test_what_is_wrong_with_a_recording_is_told_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    save(agent_run(), path)
    with path.open("a") as file:
        file.write('{"at": 0, "flow": "9", "kind": "end"}\n')
    with pytest.raises(RecordingError) as small:
        compile_script(load(path).recording)
    with pytest.raises(RecordingError) as large:
        indexed(path)
    assert str(small.value) == str(large.value)


def test_without_a_cache_it_is_made_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: list[Path]
) -> None:
    path = tmp_path / "run.jsonl"
    save(agent_run(), path)
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    assert cache_folder() == tmp_path / "taken" / "stagesim"
    told: list[str] = []
    for _ in range(2):
        same(load_script(path, told.append, large=0), compile_script(agent_run()))
    assert counted == [path, path]
    assert len(told) == 2 and "its index cannot be kept in" in told[0]


def test_an_index_that_has_no_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "run.jsonl"
    save(agent_run(), path)
    monkeypatch.setattr(scripts, "write_sections", full)
    with pytest.raises(RecordingError, match="its index cannot be written"):
        indexed(path)


def test_opening_costs_no_memory_for_each_message(tmp_path: Path) -> None:
    peaks = []
    for messages in (500, 5000):
        path = tmp_path / f"{messages}.jsonl"
        write(path, messages=messages, per_flow=messages)
        indexed(path)
        tracemalloc.start()
        script = indexed(path)
        assert len(script.recording.events) == messages + 2
        assert script.flows[0].expectations[-1].reactions[-1].index == messages + 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
