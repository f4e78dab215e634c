"""Shrinking, end to end: of many derived faults at once, the two that it takes, in a file that does it again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from simulator.cli import cli
from simulator.core.errors import StagesimError
from simulator.files.faultfiles import load_fault
from tests.cli.commands import stagesim

CLIENT = """
import os, sys, urllib.error, urllib.request

def works(path):
    try:
        return urllib.request.urlopen(os.environ["STAGESIM_URL"] + path).status == 200
    except OSError:
        return False

seen = [works("/health"), works("/health/database"), works("/auth/health")]
sys.exit("nothing works" if not any(seen[:2]) else 0)
"""
"""It needs one of two answers; a third is nothing to it."""
FAULTS = ["--faults", "derived:GET-auth-health-is*", "--faults", "derived:GET-health*-is-503"]


@pytest.fixture
def client(tmp_path: Path) -> list[str]:
    (tmp_path / "client.py").write_text(CLIENT)
    return ["--", sys.executable, "client.py"]


def drill(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    settings = ["--seed", "3", "--speed", "max", "--auth", "off"]
    return stagesim("drill", "golden-path", "--shrink", *settings, *words, cwd=cwd)


def test_the_smallest_set_is_written_and_does_it_again(client: list[str], tmp_path: Path) -> None:
    done = drill(*FAULTS, "--verdict", "noticed", "--out", "incident.yaml", *client, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "is noticed under GET-health-is-503, GET-health-database-is-503\n2 of 5 rules" in done.stderr
    incident = load_fault(str(tmp_path / "incident.yaml"))
    assert [rule.name for rule in incident.rules] == ["GET-health-is-503", "GET-health-database-is-503"]
    assert (incident.file.recording, incident.file.seed) == ("golden-path", 3)
    assert incident.file.command == client[1:]
    assert "noticed, failed in time" in incident.file.reported
    first = (tmp_path / "incident.yaml").read_text().splitlines()[0]
    assert first.startswith("# stagesim run golden-path --fault incident.yaml --seed 3 --speed max --auth off -- ")
    again = stagesim("run", "golden-path", "--fault", "incident.yaml", "--speed", "max", *client, cwd=tmp_path)
    assert again.returncode == 1
    assert "nothing works" in again.stderr


def test_combinations_are_drawn_by_the_seed_until_one_does_it(client: list[str], tmp_path: Path) -> None:
    words = [*FAULTS, "--together", "3", "--verdict", "noticed", *client]
    done = drill(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 of 3 rules" in done.stderr
    assert "GET-health-database-is-503" in done.stdout, "without --out, the incident is what is printed"


def test_a_verdict_that_nothing_gives_is_said(client: list[str], tmp_path: Path) -> None:
    none = drill("--faults", "derived:GET-auth-health-is-401", "--verdict", "hung", *client, cwd=tmp_path)
    assert (none.returncode, none.stdout) == (1, "")
    assert "no combination made a test hung" in none.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--faults", "status", "--out", "there.yaml"], "there.yaml: exists already"),
        (["--faults", "status", "--json", "x.json"], "--json: --shrink writes an incident and no report"),
        (["--faults", "derived:nothing"], "derived:nothing: nothing that is derived from this recording"),
        (["--faults", "status", "--test", "nobody"], "--test nobody: no test of this name passes the control run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_said(
    words: list[str], said: str, client: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.yaml").write_text("mine")
    with pytest.raises(StagesimError) as caught:
        cli.main(["drill", "golden-path", "--shrink", *words, *client], standalone_mode=False)
    assert str(caught.value).startswith(said)
    assert (tmp_path / "there.yaml").read_text() == "mine"
