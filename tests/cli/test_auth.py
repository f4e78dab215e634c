"""`--auth` as people meet it: real commands, and what they are told on stderr."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from simulator.files.writer import save
from tests.cli.commands import here, serving, stagesim
from tests.conversations import agent_run

WARNING = (
    "stagesim: warning: --auth verify: nothing that the recording lets in carries a token, so nobody is refused"
)
COMMAND = ("--", sys.executable, "-c", "pass")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a recording in which nothing carries a token."""
    save(agent_run(), tmp_path / "open.jsonl")
    return tmp_path


def warnings(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if "warning" in line]


def test_verifying_what_nobody_shows_is_told_in_one_line(folder: Path) -> None:
    verify = ("open.jsonl", "--auth", "verify")
    for words in ("run", *verify, *COMMAND), ("drill", *verify, "--faults", "reset", *COMMAND):
        done = stagesim(*words, cwd=folder)
        assert warnings(done.stderr) == [WARNING], done.stderr
    with serving("replay", *verify, cwd=folder) as (process, _):
        process.terminate()
        process.wait(timeout=30)
    assert warnings((folder / "stderr.txt").read_text()) == [WARNING]


@pytest.mark.parametrize(
    "words", [("open.jsonl",), ("open.jsonl", "--auth", "off"), ("golden-path", "--auth", "verify")]
)
def test_otherwise_nothing_is_told(words: tuple[str, ...], folder: Path) -> None:
    done = stagesim("run", *words, *COMMAND, cwd=folder)
    assert (done.returncode, warnings(done.stderr)) == (0, [])


def test_a_mistake_in_how_tokens_are_refused_is_one_line(folder: Path) -> None:
    (folder / "faults").mkdir()
    text = "components: {}\neffects: []\nrefusals: [{http: {status: no}}]\n"
    (folder / "faults" / "components.yaml").write_text(text)
    done = here("run", "golden-path", "--auth", "verify", *COMMAND, cwd=folder)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "faults/components.yaml: refusals[0].http.status: input should be a valid integer" in line
    assert here("check", "faults/components.yaml", cwd=folder).returncode == 2
