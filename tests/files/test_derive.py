"""Derived faults: one for each point of a recorded success, each of them a fault file that fires there."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.core.events import Message
from simulator.core.reach import unreachable
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.files.derive import derive, write_derived
from simulator.files.faultfiles import load_fault
from tests.conversations import CREATED, agent_run


def test_every_point_has_its_faults(tmp_path: Path) -> None:
    names = {fault.name for fault in derive(agent_run())}
    assert {f"ws-agent_completed-{way}" for way in ("lost", "late", "doubled", "cut", "closed", "reset")} <= names
    assert {"POST-login-is-503", "POST-login-late", "GET-ws-refused"} <= names
    assert not {name for name in names if "ping" in name}, "heartbeats are nobody's success"


def test_every_derived_fault_fires_where_it_says(tmp_path: Path) -> None:
    recording = agent_run()
    for path in write_derived(derive(recording), tmp_path):
        rules = load_fault(str(path)).rules
        assert not list(unreachable(recording, rules)), path.name
        journal = simulate(recording, rules, Settings(wall=CREATED))
        assert journal.notes("fired"), path.name


def test_a_lost_event_is_lost_and_nothing_else(tmp_path: Path) -> None:
    recording = agent_run()
    write_derived(derive(recording), tmp_path)
    rules = load_fault(str(tmp_path / "ws-agent_thinking-lost.yaml")).rules
    journal = simulate(recording, rules, Settings(wall=CREATED, fresh=False))
    said = [event.data for event in journal.events if isinstance(event, Message)]
    everything = [event.data for event in recording.events if isinstance(event, Message)]
    lost = [data for data in everything if data not in said]
    assert lost == [data for data in everything if "agent_thinking" in str(data)]


@pytest.mark.parametrize(
    ("select", "hint"),
    [
        ("json: {$.type: start_agentt}", "$.type is 'start_agent'"),
        ("path: /wss", "without 'path' it would match"),
        ("path: /wss, method: PUT", "nothing that this fault can act on"),
    ],
)
def test_a_rule_that_could_never_fire_is_told_with_the_nearest(select: str, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    fields = f"direction: upstream, {select}" if "json" in select else select
    path.write_text(f"title: wrong\nrules: [{{fault: close, select: {{{fields}}}}}]\n")
    ((rule, found),) = unreachable(agent_run(), load_fault(str(path)).rules)
    assert rule.name == "wrong"
    assert hint in found
