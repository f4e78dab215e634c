"""What names mean, to the command line and to tests alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard

from simulator.core.errors import FaultError, StagesimError
from simulator.files.faultfiles import load_fault
from simulator.files.named import faults_of, rules_of, script_of
from simulator.files.writer import save
from tests.conversations import agent_run


def torn(path: Path) -> str:
    """A recording whose recorder was killed."""
    save(agent_run(), path)
    path.write_bytes(path.read_bytes() + b'{"at": 1')
    return str(path)


def test_several_recordings_go_by_their_names_without_endings(tmp_path: Path) -> None:
    save(agent_run(), tmp_path / "a.jsonl")
    compressed = zstandard.ZstdCompressor().compress((tmp_path / "a.jsonl").read_bytes())
    (tmp_path / "a.jsonl.zst").write_bytes(compressed)
    told: list[str] = []
    script = script_of([str(tmp_path / "a.jsonl.zst"), torn(tmp_path / "b.jsonl")], told.append)
    assert {event.flow.partition("/")[0] for event in script.recording.events} == {"a", "b"}
    assert len(told) == 1 and "the last line is torn" in told[0]


def test_derived_faults_have_names_too() -> None:
    found = faults_of(["stall", "derived:ws-agent_thinking-*"], agent_run(), [("stall", "only", "data")])
    assert [fault.name for fault in found][:2] == ["stall", "ws-agent_thinking-lost"]
    assert found[0].rules == load_fault("stall", {"only": "data"}).rules
    with pytest.raises(FaultError, match="such as ws-agent_thinking-lost"):
        faults_of(["derived:ws-agent_thinking-lots"], agent_run())


def test_two_rules_of_one_name_are_told_in_a_line() -> None:
    stall = load_fault("stall")
    assert rules_of(fault for fault in [stall]) == list(stall.rules)
    with pytest.raises(StagesimError, match="two rules are named 'stall'") as told:
        rules_of([stall, stall], "faults")
    assert told.value.place == "faults"
