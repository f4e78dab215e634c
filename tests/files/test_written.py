"""Rules as files write them: what is written reads as what it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Direction
from simulator.core.rule import Condition, Rule, Selector, Trigger
from simulator.core.units import SECOND, duration
from simulator.faults.close import CloseFault
from simulator.faults.latency import LatencyFault
from simulator.faults.stall import StallFault
from simulator.faults.status import StatusFault
from simulator.files.faultfiles import load_fault
from simulator.files.locate import fault_names
from simulator.files.rulemodels import rule_of
from simulator.files.written import duration_text, written

RULES = [
    Rule(name="plain", fault=CloseFault()),
    Rule(name="close", fault=CloseFault(code=None, reason="é"), probability=0.25, swallow=True),
    Rule(
        name="times",
        fault=LatencyFault(delay=1_500_000, jitter=1),
        when=Trigger(after=250_000, lasts=120 * SECOND),
    ),
    Rule(name="window", fault=StallFault(only="data"), when=Trigger(window=(SECOND, 15 * SECOND), ramp=7)),
    Rule(name="during", fault=StallFault(), when=Trigger(during=(0, 10 * SECOND))),
    Rule(
        name="counts",
        fault=StallFault(),
        when=Trigger(on="connect", nth=2, times=1, first_connections=3, per="run"),
    ),
    Rule(name="json", fault=StatusFault(json={"a": [1, None, {"b": "c"}]}, headers={"X-A": "b"})),
    Rule(
        name="select",
        fault=CloseFault(),
        select=Selector(
            direction=Direction.UPSTREAM,
            event="message",
            service="backend",
            path="/ws*",
            method="GET",
            text="a.*b",
            opcode="text",
            client="client *",
            json=(
                Condition(path=("type",), values=("a",)),
                Condition(path=("data", 0, "odd key"), values=(1, None, True)),
                Condition(path=("items", "*"), pattern="x+"),
                Condition(path=("gone",), exists=False),
                Condition(path=("there",)),
            ),
        ),
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_is_written_reads_as_the_same_rule(rule: Rule) -> None:
    line = json.loads(json.dumps(written(rule)))
    assert rule_of(line, "") == (rule, [])


@pytest.mark.parametrize("name", fault_names())
def test_every_shipped_rule_can_be_written(name: str) -> None:
    for rule in load_fault(name).rules:
        assert rule_of(json.loads(json.dumps(written(rule))), "") == (rule, [])


def test_what_goes_without_saying_is_not_said() -> None:
    assert written(RULES[0]) == {"name": "plain", "fault": "close"}
    assert written(RULES[2])["when"] == {"after": "250ms", "for": "120s"}


@given(st.integers(0, 10**15))
def test_durations_are_exact(time: int) -> None:
    assert duration(duration_text(time)) == time
