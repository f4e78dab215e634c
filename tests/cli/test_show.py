"""`stagesim show` draws what was asked for, of files of any size."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks.size import write
from simulator.cli.show import PAGE, show_command
from simulator.core.units import MILLISECOND
from simulator.files.reader import open_recording
from simulator.files.writer import save
from tests.cli.commands import ENVIRONMENT
from tests.conversations import agent_run


@pytest.fixture
def conversation(tmp_path: Path) -> str:
    path = tmp_path / "run.jsonl"
    save(agent_run(), path)
    return str(path)


def show(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(show_command, words, catch_exceptions=False)


def times(*words: str) -> list[int]:
    """When what was shown was said, in ms."""
    lines = [json.loads(line) for line in show(*words, "--json").stdout.splitlines()]
    assert lines[0]["stagesim"] == 1
    return [round(line["at"] * 1000) for line in lines[1:]]


def test_a_part_is_shown_from_a_time_to_a_time(conversation: str) -> None:
    every = [event.at // MILLISECOND for event in agent_run()]
    assert times(conversation) == every
    assert times(conversation, "--from", "700ms") == [at for at in every if at >= 700]
    assert times(conversation, "--to", "1s") == [at for at in every if at <= 1000]
    assert times(conversation, "--from", "0.7s", "--to", "1s", "--flow", "2") == [700, 800, 810, 1000]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("^POST /login", [0]), ("e2e-user-00[0-9]", [300]), ("^101", [700]), ("agent_(st|th)", [1100, 1300])],
)
def test_grep_finds_what_was_said(conversation: str, pattern: str, found: list[int]) -> None:
    assert times(conversation, "--grep", pattern) == found
    assert len(show(conversation, "--grep", pattern).stdout.splitlines()) == 2 + len(found)


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--grep", "("), "expected a regular expression, got '('"), (("--to", "soon"), "expected a duration")],
)
def test_what_is_no_time_and_no_pattern_is_told(conversation: str, words: tuple[str, str], said: str) -> None:
    shown = show(conversation, *words)
    assert shown.exit_code == 2
    assert said in shown.stderr


def test_nothing_is_read_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    write(path, messages=300, per_flow=300)
    with path.open("a") as file:
        file.write("this is no line of a recording\n")
    assert len(times(str(path), "--to", "200ms")) == 202
    with pytest.raises(Exception, match="not JSON"):
        times(str(path))


def test_pages_are_one_table(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    write(path, messages=2 * PAGE, per_flow=2 * PAGE)
    lines = show(str(path)).stdout.splitlines()
    assert len(lines) == 2 + 2 + 2 * PAGE
    assert sum("server" in line for line in lines) == 1
    assert len({line.index("←") for line in lines if "←" in line}) == 1


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    peaks = []
    for messages in (1000, 10_000):
        path = tmp_path / f"{messages}.jsonl"
        write(path, messages=messages, per_flow=messages)
        with open_recording(path, lambda warning: None) as opened:
            next(opened.entries)
            tracemalloc.start()
            assert sum(1 for _ in opened.entries) == messages + 1
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


def test_a_reader_that_leaves_is_no_mistake() -> None:
    line = f"{sys.executable} -m simulator show golden-path --json | head -1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
    assert '"stagesim": 1' in done.stdout
    assert done.stderr == ""
