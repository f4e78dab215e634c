"""Fault files: rules as people write them, and every mistake in one file told at once, each with its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.errors import FaultError
from simulator.core.events import Direction
from simulator.core.rule import Condition, Selector, Trigger
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.close import CloseFault
from simulator.faults.drop import DropFault
from simulator.faults.latency import LatencyFault
from simulator.faults.status import StatusFault
from simulator.files.faultfiles import LoadedFault, fault_of, load_fault, read_fault
from simulator.files.locate import fault_names
from simulator.files.rulemodels import rule_of

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Puts a fault file somewhere and gives its path."""

    def put(text: str, name: str = "mine.yaml") -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return put


def mistakes(path: str, **overrides: str) -> list[str]:
    """What is wrong with a file, without the folder it is in."""
    fault, found = read_fault(path, overrides)
    assert (fault is None) == bool(found)
    told = [str(error).replace(f"{Path(path).parent}{os.sep}", "") for error in found]
    assert not any("\n" in line for line in told)
    return told


def one(path: str, **overrides: str) -> LoadedFault:
    return load_fault(path, overrides)


# --- what a rule says ------------------------------------------------------------------------------------------


def test_a_rule_says_what_goes_wrong_and_when(write: Write) -> None:
    path = write(
        """
        title: The pipeline crashes two seconds after start_agent
        rules:
          - fault: close
            code: 1011
            reason: Internal error
            select: {direction: upstream, json: {$.type: start_agent}}
            when: {after: 2s}
            probability: 0.5
            swallow: true
        """
    )
    fault = one(path)
    assert (fault.name, fault.path, fault.file.title) == (
        "mine",
        Path(path),
        "The pipeline crashes two seconds after start_agent",
    )
    (rule,) = fault.rules
    assert rule.name == "mine"
    assert rule.fault == CloseFault(code=1011, reason="Internal error")
    assert rule.select == Selector(
        direction=Direction.UPSTREAM, json=(Condition(path=("type",), values=("start_agent",)),)
    )
    assert rule.when == Trigger(after=2 * SECOND)
    assert (rule.probability, rule.swallow) == (0.5, True)


def test_every_selector_and_trigger_can_be_written(write: Write) -> None:
    path = write(
        """
        title: all
        rules:
          - fault: drop
            name: everything
            select:
              {direction: downstream, event: message, service: backend, path: /ws*, method: get, text: a.c,
               opcode: text, status: 200, code: 1000, client: client *,
               json: {$.a: null, "$.b[0].c": [1, x, true], $.d: {matches: "x+"}, $.e: {exists: false},
                      "$.f[*]": 2}}
            when: {on: match, nth: 1, every: 2, after_n: 0, times: 3, after: 250ms, for: 1.5, first_connections: 4,
                   per: client}
        """
    )
    (rule,) = one(path).rules
    assert rule.name == "everything"
    assert rule.select.json == (
        Condition(path=("a",), values=(None,)),
        Condition(path=("b", 0, "c"), values=(1, "x", True)),
        Condition(path=("d",), pattern="x+"),
        Condition(path=("e",), exists=False),
        Condition(path=("f", "*"), values=(2,)),
    )
    assert (rule.select.path, rule.select.status, rule.select.opcode) == ("/ws*", 200, "text")
    assert rule.when == Trigger(
        nth=1,
        every=2,
        after_n=0,
        times=3,
        after=250 * MILLISECOND,
        lasts=1500 * MILLISECOND,
        first_connections=4,
        per="client",
    )


def test_an_unquoted_on_is_a_word_and_no_truth_value(write: Write) -> None:
    (rule,) = one(write("title: x\nrules:\n  - {fault: close, when: {on: connect}}\n")).rules
    assert rule.when.on == "connect"


def test_rules_are_named_after_their_file_and_place(write: Write) -> None:
    fault = one(write("title: x\nrules: [{fault: drop}, {fault: drop, name: b}, {fault: drop}]\n", "three.yml"))
    assert [rule.name for rule in fault.rules] == ["three[0]", "b", "three[2]"]


# --- parameters ------------------------------------------------------------------------------------------------

PARAMETERS = """
title: x
params: {after: 2s, code: 1011, why: maintenance}
rules:
  - fault: close
    code: ${code}
    reason: "closed for ${why}, ${why}"
    when: {after: "${after}"}
"""


def test_parameters_stand_in_rules_whole_or_as_a_part(write: Write) -> None:
    (rule,) = one(write(PARAMETERS)).rules
    assert rule.fault == CloseFault(code=1011, reason="closed for maintenance, maintenance")
    assert rule.when.after == 2 * SECOND


def test_parameters_are_overridden_and_read_as_yaml(write: Write) -> None:
    (rule,) = one(write(PARAMETERS), code="4000", after="500ms", why="'no: reason'").rules
    assert rule.fault == CloseFault(code=4000, reason="closed for no: reason, no: reason")
    assert rule.when.after == 500 * MILLISECOND
    (rule,) = one(write(PARAMETERS), code="null").rules
    assert rule.fault == CloseFault(code=None, reason="closed for maintenance, maintenance")


def test_an_override_of_the_wrong_kind_is_told_where_it_is_used(write: Write) -> None:
    (told,) = mistakes(write(PARAMETERS), after="soon")
    assert told == "mine.yaml: rules[0].when.after: expected a duration such as '250ms' or '2m', got 'soon'"


def test_an_override_of_nothing_is_told(write: Write) -> None:
    assert mistakes(write(PARAMETERS), delay="1s") == [
        "mine.yaml: params: no parameter is named 'delay' (there are after, code, why)"
    ]
    assert mistakes(write("title: x\nrules: [{fault: drop}]\n"), delay="1s") == [
        "mine.yaml: params: no parameter is named 'delay' (there are none)"
    ]


def test_an_override_that_is_no_yaml_is_told(write: Write) -> None:
    with pytest.raises(FaultError, match=r"^code:1: not YAML: "):
        read_fault(write(PARAMETERS), {"code": "["})


def test_a_parameter_that_is_spelled_wrongly_is_told_even_inside_a_text(write: Write) -> None:
    assert mistakes(write(PARAMETERS.replace("${why}, ${why}", "${wy}"))) == [
        "mine.yaml: rules[0]: no parameter is named 'wy' (there are after, code, why)"
    ]


def test_a_file_without_parameters_may_say_dollar_and_mean_it(write: Write) -> None:
    (rule,) = one(write("title: x\nrules: [{fault: status, body: 'costs ${price}'}]\n")).rules
    assert rule.fault == StatusFault(body="costs ${price}")


# --- mistakes --------------------------------------------------------------------------------------------------


def test_ten_mistakes_in_one_file_are_ten_lines_each_with_its_place(write: Write) -> None:
    path = write(
        """
        title: Ten mistakes
        params: {after: 2s}
        rules:
          - fault: clsoe
          - {fault: close, code: much}
          - {fault: close, coed: 1011}
          - {fault: latency, delay: soon}
          - {fault: drop, select: {direction: sideways}}
          - {fault: drop, select: {json: {type: start}}}
          - {fault: drop, select: {text: "("}}
          - {fault: drop, when: {nth: 0}}
          - {fault: drop, probability: 2}
          - just words
        """
    )
    told = mistakes(path)
    places = [line.removeprefix("mine.yaml: ").partition(": ")[0] for line in told]
    assert places == [
        "rules[0].fault",
        "rules[1].code",
        "rules[2].coed",
        "rules[3].delay",
        "rules[4].select.direction",
        "rules[5].select.json.type",
        "rules[6].select.text",
        "rules[7].when.nth",
        "rules[8].probability",
        "rules[9]",
    ]
    assert "no fault is named 'clsoe' (there are " in told[0]
    assert told[2].endswith("not known here (close has code, reason; rules have select, when…)")
    assert told[3].endswith("expected a duration such as '250ms' or '2m', got 'soon'")
    assert told[9].endswith("expected a rule such as 'fault: close'")
    with pytest.raises(
        FaultError, match=r"rules\[0\]\.fault: .* \(and 9 more; `stagesim check .*mine.yaml` lists"
    ):
        load_fault(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "title: x\n",
            "says nothing that goes wrong (give it rules, all-of, a sequence, missing, none or degraded)",
        ),
        ("rules: [{fault: drop}]\n", "title: missing"),
        ("title: x\nrules: drop\n", "rules: input should be a valid list, got 'drop'"),
        ("title: x\nrulez: []\n", "rulez: not known here"),
        (
            "title: x\nparams: {a: [1]}\n",
            "params.a: input should be a valid boolean, integer, number or string, got [1]",
        ),
        ("title: x\nrules: [{}]\n", "rules[0].fault: missing"),
        ("title: x\nrules: [{fault: 7}]\n", "rules[0].fault: input should be a valid string, got 7"),
        ("title: x\nrules: [{fault: drop, 2: 3}]\n", "rules[0][2]: keys should be strings, got 2"),
        (
            "title: x\nrules: [{fault: drop, select: {json: {$.x: []}}}]\n",
            "rules[0].select.json.$.x: list should have at least 1 item",
        ),
        (
            "title: x\nrules: [{fault: drop, select: {json: {$.x: {match: y}}}}]\n",
            "rules[0].select.json.$.x.match: not known here",
        ),
        (
            "title: x\nrules: [{fault: drop, select: {event: mesage}}]\n",
            "rules[0].select.event: expected one of request, response, ",
        ),
        (
            "title: x\nrules: [{fault: drop, name: a}, {fault: drop, name: a}]\n",
            "rules[1].name: another rule is named 'a'",
        ),
        ("title: x\nmissing: nobody\n", "missing: no component is named 'nobody' ("),
        ("title: x\nrules: [{fault: drop, probability: .nan}]\n", "rules[0].probability: input should be "),
        ("title: x\nrules: [{fault: drop, when: {after: .inf}}]\n", "rules[0].when.after: expected a duration"),
        ("title: x\nrules: [{fault: drop, when: {after: true}}]\n", "rules[0].when.after: expected a duration"),
    ],
)
def test_one_mistake_is_one_line(write: Write, text: str, told: str) -> None:
    (line,) = mistakes(write(text))
    assert line.startswith(f"mine.yaml: {told}")


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(FaultError, match=r"nowhere.yaml: no such file, and nothing in faults/ has this name"):
        read_fault(str(tmp_path / "nowhere.yaml"))


# --- components in one line ------------------------------------------------------------------------------------


def test_a_missing_component_may_be_named_inline(tmp_path: Path) -> None:
    fault = one("missing:database")
    assert (fault.name, fault.path, fault.file.title) == ("missing:database", None, "database is missing")
    assert all(rule.name.startswith("database is missing/") for rule in fault.rules)
    assert {rule.fault.name for rule in fault.rules} == {"status", "drop"}


def test_several_components_may_be_named_inline() -> None:
    both = {rule.select.path for rule in one("none:database,tool_dispatcher").rules}
    assert both >= {rule.select.path for rule in one("none:database").rules}
    (told,) = mistakes("none:orchestrator,orchestra")
    assert told.startswith("none:orchestrator,orchestra: none: no component is named 'orchestra' (")


def test_a_file_may_say_missing_beside_its_rules(write: Write) -> None:
    fault = one(write("title: x\nmissing: [agent_supervisor]\nrules: [{fault: latency, delay: 1s}]\n"))
    assert [rule.name for rule in fault.rules] == ["mine", "mine/agent_supervisor[0]"]
    assert isinstance(fault.rules[0].fault, LatencyFault)
    assert isinstance(fault.rules[1].fault, DropFault)


def test_a_file_looks_for_its_components_beside_itself_first(write: Write) -> None:
    write("components: {pump: {}}\neffects: [{without: [pump], rules: [{fault: drop}]}]\n", "components.yaml")
    fault = one(write("title: x\nnone: pump\n"))
    assert [rule.name for rule in fault.rules] == ["mine/pump[0]"]
    (told,) = mistakes(write("title: x\nnone: orchestrator\n", "other.yaml"))
    assert told == "other.yaml: none: no component is named 'orchestrator' (components.yaml has pump)"


# --- the shipped ones, and anything at all ---------------------------------------------------------------------


@pytest.mark.parametrize("name", fault_names())
def test_every_shipped_fault_has_no_mistake(name: str) -> None:
    fault, found = read_fault(name)
    assert not found
    assert fault is not None
    assert fault.rules


def test_a_fault_may_be_given_as_data() -> None:
    (rule,) = fault_of({"title": "x", "rules": [{"fault": "drop"}]}).rules
    assert (rule.name, rule.fault) == ("x", DropFault())
    with pytest.raises(FaultError, match=r"rules\[0\]\.fault: missing \(and 1 more\)"):
        fault_of({"title": "x", "rules": [{}, {}]})
    with pytest.raises(FaultError):
        fault_of("title")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
keys = st.sampled_from(
    "fault name select when probability swallow code reason delay json $.type direction nth after for text".split()
)
anything = st.recursive(
    scalars | st.sampled_from(["drop", "close", "latency", "upstream", "2s"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(keys, anything, max_size=5) | anything)
def test_anything_is_a_rule_or_has_mistakes(data: object) -> None:
    rule, found = rule_of(data, "rule")
    assert (rule is None) == bool(found)
    assert all(error.problem for error in found)
