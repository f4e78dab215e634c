"""diff and drive on the command line: drift as a table, as JSON, as an exit code."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simulator.cli import cli
from simulator.core.errors import StagesimError
from simulator.core.events import Close
from simulator.core.recording import Recording
from simulator.files.reader import load
from simulator.files.writer import save
from tests.conversations import agent_run


def run(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli, words)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A recording, and one in which staging closes otherwise and says so in colour."""
    closed = [
        replace(event, code=1011, reason="\x1b[31mno") if isinstance(event, Close) else event
        for event in agent_run().events
    ]
    return written(agent_run(), tmp_path / "a.jsonl"), written(
        replace(agent_run(), events=tuple(closed)), tmp_path / "b.jsonl"
    )


def written(recording: Recording, path: Path) -> str:
    save(recording, path)
    return str(path)


def test_the_same_exits_0_and_drift_1(files: tuple[str, str]) -> None:
    same = run("diff", files[0], files[0])
    assert (same.exit_code, same.stdout.splitlines()[0]) == (0, "no difference; 2 of 2 flows are in both")
    other = run("diff", *files)
    assert other.exit_code == 1
    assert "4 differences" in other.stdout
    assert "close code" in other.stdout and "\x1b" not in other.stdout


def test_differences_are_data(files: tuple[str, str]) -> None:
    found = json.loads(run("diff", *files, "--json").stdout)
    assert not found["same"] and found["timing"]["delays"] == 10
    assert found["differences"][0] == {
        "kind": "close code",
        "flow": {"label": "backend GET /ws (WebSocket)", "before": "2", "after": "2"},
        "event": "> close",
        "field": "code",
        "before": "1000",
        "after": "1011",
    }


def test_a_delay_is_drift_if_somebody_says_so(tmp_path: Path, files: tuple[str, str]) -> None:
    last = agent_run().events[-1]
    slow = written(
        replace(agent_run(), events=(*agent_run().events[:-1], replace(last, at=last.at + 10**6))),
        tmp_path / "slow.jsonl",
    )
    assert run("diff", files[0], slow).exit_code == 0
    late = run("diff", files[0], slow, "--timing", "500ms")
    assert late.exit_code == 1 and "1.001 s" in late.stdout


@pytest.mark.parametrize("words", [("nix", "golden-path"), ("golden-path", "golden-path", "--timing", "two")])
def test_bad_input_is_an_error_for_people(words: tuple[str, ...]) -> None:
    assert isinstance(run("diff", *words).exception, StagesimError)


@pytest.mark.parametrize(
    ("against", "said"),
    [
        ((), "where is backend?"),
        (("elsewhere=http://127.0.0.1:1",), "no service 'elsewhere'"),
        (("backend=ftp://127.0.0.1",), "expected a URL"),
    ],
)
def test_a_driver_must_be_told_where(against: tuple[str, ...], said: str, files: tuple[str, str]) -> None:
    words = [word for url in against for word in ("--against", url)]
    assert said in str(run("drive", files[0], *words).exception)


def test_a_server_that_is_not_there_is_a_problem_and_no_traceback(files: tuple[str, str]) -> None:
    done = run("drive", files[0], "--against", "http://127.0.0.1:1", "--patience", "0.1", "--speed", "100")
    assert done.exit_code == 1
    assert "POST /login: no connection" in done.stderr
    assert "0 of 8 recorded server events came" in done.stderr


def test_a_journal_says_where_the_replay_was_and_has_not_drifted(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    speed = ("--speed", "50")
    driven = ("--", sys.executable, "-m", "simulator", "drive", "golden-path", *speed)
    assert run("run", "golden-path", *speed, "--journal", str(journal), *driven).exit_code == 0
    services = load(journal).recording.header.services
    assert [service.name for service in services] == ["backend", "auth", "frontend"]
    assert all(origin.startswith("http://127.0.0.1:") for service in services for origin in service.origins)
    compared = run("diff", "golden-path", str(journal))
    assert compared.exit_code == 0, compared.stdout
