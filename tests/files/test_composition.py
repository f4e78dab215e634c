"""Stacks and sequences in fault files: other files by name, and steps one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.core.errors import FaultError
from simulator.core.rule import Rule
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.latency import LatencyFault
from simulator.files.composition import MAX_RULES, MAX_STEPS
from simulator.files.faultfiles import MAX_DEPTH, MAX_FILES, fault_of, load_fault, read_fault

Write = Callable[..., str]
NEEDED = "rules, all-of, a sequence, missing, none or degraded"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Puts a fault file somewhere, its title added, and gives its path."""

    def put(text: str, name: str = "mine") -> str:
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"title: {name}\n{text}\n")
        return str(path)

    return put


def mistakes(path: str) -> list[str]:
    fault, found = read_fault(path)
    assert (fault is None) == bool(found)
    return [str(error).replace(f"{Path(path).parent}/", "") for error in found]


def spells(path: str, **overrides: str) -> list[tuple[str, float, float]]:
    """Every rule with its time of the run in seconds."""
    return [(rule.name, *spell(rule)) for rule in load_fault(path, overrides).rules]


def spell(rule: Rule) -> tuple[float, float]:
    assert rule.when.during is not None
    begin, end = rule.when.during
    return begin / SECOND, end / SECOND


# --- stacks ----------------------------------------------------------------------------------------------------


def test_a_stack_is_other_files_by_name_some_with_parameters(write: Write) -> None:
    path = write(
        "all-of: [none-orchestrator, {latency: {delay: 2s, jitter: 0}}, {drop: }]\nrules: [{fault: hang}]"
    )
    rules = load_fault(path).rules
    assert [rule.name for rule in rules] == ["mine", "mine/none-orchestrator", "mine/latency", "mine/drop"]
    assert isinstance(rules[2].fault, LatencyFault)
    assert (rules[2].fault.delay, rules[2].fault.jitter) == (2 * SECOND, 0)
    assert all(rule.when.during is None for rule in rules)


def test_a_file_finds_others_beside_itself_and_they_find_their_own(write: Write, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write("all-of: [other]", "sub/inner")
    write("rules: [{fault: reset}]", "sub/other")
    write("rules: [{fault: close}]", "other")
    rules = load_fault(write("all-of: [other, sub/inner, 'missing:database']")).rules
    assert [(rule.name, rule.fault.name) for rule in rules][:2] == [
        ("mine/other", "close"),
        ("mine/inner/other", "reset"),
    ]
    assert rules[2].name == "mine/database is missing/database[0]"


def test_parameters_reach_into_what_is_included(write: Write) -> None:
    path = write("params: {slow: 3s, how: drop}\nall-of: [{latency: {delay: '${slow}'}}, '${how}']")
    first, second = load_fault(path, {"slow": "1s"}).rules
    assert isinstance(first.fault, LatencyFault)
    assert (first.fault.delay, second.fault.name) == (SECOND, "drop")


# --- sequences -------------------------------------------------------------------------------------------------


def test_steps_come_one_after_the_other(write: Write) -> None:
    path = write(
        """
params: {outage: 5s}
sequence:
  - healthy: 10s
  - for: ${outage}
    all-of: [none-orchestrator, latency]
    rules: [{fault: drop}]
  - healthy: 1s
  - {for: 2s, none: orchestrator}
"""
    )
    assert spells(path) == [
        ("mine[1]", 10, 15),
        ("mine[1]/none-orchestrator", 10, 15),
        ("mine[1]/latency", 10, 15),
        ("mine[3]/orchestrator[0]", 16, 18),
    ]
    assert spells(path, outage="500ms")[-1] == ("mine[3]/orchestrator[0]", 11.5, 13.5)


def test_a_sequence_is_repeated_with_rules_of_its_own_each_time(write: Write) -> None:
    path = write("sequence: [{healthy: 1s}, {for: 2s, all-of: [drop]}]\nrepeat: 3")
    assert spells(path) == [("mine[1]/drop#1", 1, 3), ("mine[1]/drop#2", 4, 6), ("mine[1]/drop#3", 7, 9)]


def test_a_sequence_may_be_a_step_of_another_and_ends_with_it(write: Write) -> None:
    write("sequence: [{healthy: 1s}, {for: 2s, all-of: [drop]}]\nrepeat: 2", "inner")
    path = write("sequence: [{healthy: 10s}, {for: 5s, all-of: [inner]}]")
    assert spells(path) == [("mine[1]/inner[1]/drop#1", 11, 13), ("mine[1]/inner[1]/drop#2", 14, 15)]
    stacked = write("all-of: [inner, latency]", "stacked")
    assert [rule.when.during is None for rule in load_fault(stacked).rules] == [False, False, True]


def test_a_rule_says_its_own_time_and_in_a_step_within_that(write: Write) -> None:
    alone = write("rules: [{fault: drop, when: {during: [1s, 2s]}}]")
    assert spells(alone) == [("mine", 1, 2)]
    inside = write("sequence: [{healthy: 5s}, {for: 3s, rules: [{fault: drop, when: {during: [1s, 9s]}}]}]")
    assert spells(inside) == [("mine[1]", 6, 8)]


def test_a_sequence_may_be_given_as_data_but_not_paths_in_it(write: Write) -> None:
    (rule,) = fault_of({"title": "x", "sequence": [{"for": 0.5, "all-of": ["drop"]}]}).rules
    assert (rule.name, rule.when.during) == ("x[0]/drop", (0, 500 * MILLISECOND))
    with pytest.raises(
        FaultError, match=r"^all-of\[0\]: no fault is named '.*mine.yaml' \(there are abnormal-end,"
    ):
        fault_of({"title": "x", "all-of": [write("rules: [{fault: drop}]")]})


# --- mistakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "sequence: [{healthy: two}]",
            "sequence[0].healthy: expected a duration such as '250ms' or '2m', got 'two'",
        ),
        ("sequence: [{healthy: 1s}, {for: x, all-of: [drop]}]", "sequence[1].for: expected a duration such as"),
        ("sequence: [{for: 0s, all-of: [drop]}]", "sequence[0].for: input should be greater than 0, got '0s'"),
        ("sequence: [{healthy: 1s}, {all-of: [drop]}]", "sequence[1].for: missing (such as 5s; a step without"),
        ("sequence: [{for: 1s}]", "sequence[0]: says nothing that goes wrong (a step without faults is healthy: "),
        ("sequence: [{healthy: 1s, for: 2s}]", "sequence[0].for: does not go with 'healthy'"),
        ("sequence: [{healthy: 1s, all-of: [drop]}]", "sequence[0].all-of: does not go with 'healthy'"),
        ("sequence: [{healthy: 1s}]", "says nothing that goes wrong (give it rules, "),
        ("sequence: [5s]", "sequence[0]: input should be a valid dictionary or instance of Step, got '5s'"),
        ("sequence: [{for: 1s, rules: [{fault: dorp}]}]", "sequence[0].rules[0].fault: no fault is named 'dorp'"),
        ("sequence: [{for: 1s, all-off: [drop]}]", "sequence[0].all-off: not known here"),
        ("sequence: [{for: 1s, all-of: [dorp]}]", "sequence[0].all-of[0]: dorp: no such file, and nothing in "),
        (
            "sequence: [{for: 1s, all-of: [{latency: {delay: soon}}]}]",
            "sequence[0].all-of[0]: /faults/latency.yaml: rules[0].delay: expected a duration such as ",
        ),
        ("sequence: [{for: 1s, none: nobody}]", "sequence[0].none: no component is named 'nobody'"),
        ("sequence: [{for: 1s, all-of: [drop]}]\nrepeat: 0", "repeat: input should be greater than or equal to 1"),
        ("sequence: [{for: 1s, all-of: [drop]}]\nrules: [{fault: drop}]", "rules: does not go with a sequence ("),
        ("rules: [{fault: drop}]\nrepeat: 2", "repeat: there is no sequence to repeat"),
        ("sequence: [{for: 1s, all-of: [drop]}]\nrepeat: 1001", f"repeat: comes to more than {MAX_RULES} rules"),
        (
            "sequence: [{for: 1s, rules: [{fault: drop, when: {during: [2s, 3s]}}]}]",
            "sequence[0]: mine[0] begins after 2s, when the step is over (it takes 1s)",
        ),
        (
            "rules: [{fault: drop, when: {during: [2s, 2s]}}]",
            "rules[0].when.during: expected a window that begins",
        ),
        ("params: {a: 1}\nsequence: [{for: '${b}', all-of: [drop]}]", "sequence[0]: no parameter is named 'b'"),
        (
            "params: {a: 1}\nsequence: [{for: 1s, all-of: [drop]}]\nrepeat: ${b}",
            "repeat: no parameter is named 'b'",
        ),
        ("all-of: [drop, drop]", "all-of[1]: another rule is named 'mine/drop'"),
        (
            "all-of: [{drop: {}, latency: {}}]",
            "all-of[0]: expected one fault with its parameters, got 2 (such as ",
        ),
        (
            "all-of: [{latency: {dealy: 1s}}]",
            "all-of[0]: /faults/latency.yaml: params: no parameter is named 'dealy'",
        ),
        ("all-of: drop", "all-of: input should be a valid list, got 'drop'"),
        ("all-of: [[drop]]", "all-of[0]: input should be a valid string or dictionary, got ['drop']"),
        (
            "recovers after: 1s\nrules: [{fault: drop}]",
            "recovers after: nothing here is missing, None or degraded",
        ),
    ],
)
def test_one_mistake_is_one_line_with_its_place(write: Write, text: str, told: str) -> None:
    (line,) = mistakes(write(text))
    root = str(Path(__file__).parents[2])
    assert line.replace(root, "").startswith(f"mine.yaml: {told}")


def test_good_times_are_not_counted_through_however_often_they_are_repeated(write: Write) -> None:
    path = write("sequence: [{healthy: 1s}]\nrepeat: 1000000000000")
    assert mistakes(path) == [f"{Path(path).name}: says nothing that goes wrong (give it {NEEDED})"]


def test_a_sequence_of_too_many_steps_is_told(write: Write) -> None:
    steps = ", ".join(["{healthy: 1s}"] * (MAX_STEPS + 1))
    (told,) = mistakes(write(f"sequence: [{steps}]"))
    assert "sequence: " in told
    assert str(MAX_STEPS) in told


def test_every_mistake_of_every_step_is_told(write: Write) -> None:
    path = write("sequence: [{for: 1s, rules: [{fault: a}, {fault: b}]}, {for: 1s, all-of: [c]}, {for: 1s}]")
    places = [line.removeprefix("mine.yaml: ").partition(": ")[0] for line in mistakes(path)]
    assert places == [
        "sequence[0].rules[0].fault",
        "sequence[0].rules[1].fault",
        "sequence[1].all-of[0]",
        "sequence[2]",
    ]


def test_a_circle_is_one_line_that_shows_it(write: Write) -> None:
    write("all-of: [c]", "b")
    write("sequence: [{for: 1s, all-of: [a]}]", "c")
    assert mistakes(write("all-of: [b]", "a")) == [
        "a.yaml: all-of[0]: b.yaml: all-of[0]: c.yaml: sequence[0].all-of[0]: "
        "a fault cannot include itself: a → b → c → a"
    ]
    (told,) = mistakes(write("all-of: [mine]"))
    assert told.endswith("a fault cannot include itself: mine → mine")


@pytest.mark.parametrize(("width", "depth"), [(1, 30), (11, 2), (2, 9)])
def test_a_file_that_includes_too_many_is_told_and_soon(write: Write, width: int, depth: int) -> None:
    for number in range(depth):
        write(f"all-of: {[f'f{number + 1}'] * width}", f"f{number}")
    write("rules: [{fault: drop}]", f"f{depth}")
    assert any(
        line.endswith(f"includes too many files: at most {MAX_FILES}, and {MAX_DEPTH} inside each other")
        for line in mistakes(write("all-of: [f0]"))
    )
