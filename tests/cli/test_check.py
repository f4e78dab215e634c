"""stagesim check --explain and --learn: the evidence, and what two recordings of one scenario teach."""

from __future__ import annotations

import shutil
from pathlib import Path

from click.testing import CliRunner, Result

from simulator.cli.check import check_command
from simulator.files.reader import load

REAL = Path(__file__).parent.parent / "core" / "real"
INSPECTOR = [str(REAL / f"inspector-{which}.jsonl") for which in "ab"]


def check(*words: str) -> Result:
    return CliRunner().invoke(check_command, words)


def test_each_correlation_is_explained() -> None:
    result = check(INSPECTOR[0], "--explain")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    begin = lines.index("  id (made by the client)  inspector /{} > $.id")
    assert lines[begin + 1 : begin + 3] == [
        "    →  inspector /{} < $.id",
        "    1, 2, 3; seen 16 times; echoed 8 of 8 on its flow",
    ]
    assert "holds a UUID; named as an id" in result.output


def test_what_two_recordings_teach_is_said_and_written(tmp_path: Path) -> None:
    first, second = (shutil.copy(file, tmp_path) for file in INSPECTOR)
    before = Path(second).read_bytes()
    result = check(first, second, "--learn")
    assert result.exit_code == 0, result.output
    assert "echoed 16 of 16 on its flow; differs in 8 of 8 between the recordings" in result.output
    assert load(Path(first)).recording.header.correlate is None
    assert check(first, second, "--learn", "--write", "--quiet").output == f"{first}: header written\n"
    header = load(Path(first)).recording.header
    assert {item.name: item.kind for item in header.correlate or ()}["id"] == "paired"
    assert load(Path(first)).recording.events == load(Path(INSPECTOR[0])).recording.events
    assert Path(second).read_bytes() == before
    assert "correlated, as the header says:" in check(first).output


def test_what_goes_with_nothing_is_refused() -> None:
    for words, said in (
        ([INSPECTOR[0], "--write"], "--write goes with --learn"),
        ([INSPECTOR[0], "--learn"], "--learn takes two or more recordings of one scenario"),
        ([INSPECTOR[0], "stall", "--learn"], "--learn takes two or more recordings of one scenario"),
    ):
        result = check(*words)
        assert (result.exit_code, said in result.output) == (2, True), result.output


def test_a_recording_is_known_by_what_it_says_and_not_by_its_name_alone(tmp_path: Path) -> None:
    shutil.copy(INSPECTOR[0], tmp_path / "tonight.journal")
    result = check(str(tmp_path / "tonight.journal"))
    assert result.exit_code == 0
    assert "events" in result.output
