"""Components: what a staging is made of, what needs what, and what follows when a part is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.errors import FaultError
from simulator.core.events import Request, Response
from simulator.core.script import compile_script
from simulator.core.session import Session
from simulator.core.units import SECOND
from simulator.files.components import Components, check_components, find_components, load_components
from simulator.files.faultfiles import load_fault
from simulator.files.locate import find_recording, shipped
from simulator.files.reader import load

PLANT = """
title: A water works
components:
  source: {}
  pump: {title: Lifts, needs: [source]}
  tower: {needs: [pump]}
  meter: {}
effects:
  - title: Dry
    without: [tower]
    how: missing
    rules: [{fault: silence}]
  - without: [pump, meter]
    how: none
    rules: [{fault: close}, {fault: drop}]
  - without: [meter]
    rules: [{fault: latency}]
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(text: str, name: str = "components.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return put


def follows(components: Components, missing: str = "", none: str = "") -> list[tuple[str, str]]:
    """The rules that follow, by name and fault."""
    rules, found = components.rules(missing=missing.split(), none=none.split(), stem="x")
    assert not found
    return [(rule.name, rule.fault.name) for rule in rules]


def test_what_needs_the_missing_is_missing_too_however_indirectly(write: Write) -> None:
    plant = load_components(write(PLANT))
    assert plant.unavailable(["source"]) == {"source", "pump", "tower"}
    assert plant.unavailable(["tower"]) == {"tower"}
    assert plant.unavailable([]) == frozenset()
    assert follows(plant, missing="source") == [("x/tower[0]", "silence")]


def test_what_is_none_is_missed_by_nobody_but_its_users(write: Write) -> None:
    plant = load_components(write(PLANT))
    assert follows(plant, none="pump") == [("x/pump[0]", "close"), ("x/pump[1]", "drop")]
    assert follows(plant, none="meter") == [
        ("x/pump[0]", "close"),
        ("x/pump[1]", "drop"),
        ("x/meter[2]", "latency"),
    ]
    assert follows(plant, missing="meter") == [("x/meter[0]", "latency")]


def test_one_may_be_missing_and_another_none(write: Write) -> None:
    plant = load_components(write(PLANT))
    names = [name for name, _ in follows(plant, missing="source", none="meter")]
    assert names == ["x/tower[0]", "x/pump[1]", "x/pump[2]", "x/meter[3]"]
    assert len(set(names)) == len(names)


def test_what_changes_nothing_is_a_mistake(write: Write) -> None:
    plant = load_components(write(PLANT))
    rules, (found,) = plant.rules(missing=[], none=["source"], stem="x")
    assert rules == []
    assert found.problem == "no effect in the component file follows from this"


def test_unknown_names_are_told_all_of_them(write: Write) -> None:
    _, found = load_components(write(PLANT)).rules(missing=["pmp", "pump"], none=["towr"], stem="x")
    assert [(error.place, error.problem) for error in found] == [
        ("missing", "no component is named 'pmp'"),
        ("none", "no component is named 'towr'"),
    ]
    assert found[0].hint.endswith("components.yaml has source, pump, tower, meter")


def test_a_cycle_of_needs_comes_to_an_end(write: Write) -> None:
    plant = load_components(
        write("components: {a: {needs: [b]}, b: {needs: [c]}, c: {needs: [a, c]}, d: {}}\neffects: []\n")
    )
    for name in "abc":
        assert plant.unavailable([name]) == {"a", "b", "c"}
    assert plant.unavailable(["d"]) == {"d"}


def test_every_mistake_in_a_component_file_is_told(write: Write) -> None:
    path = write(
        """
        components:
          a: {needs: [nobody]}
        effects:
          - {without: [nothing], rules: [{fault: clsoe}, {fault: close, code: x}]}
        """
    )
    found = check_components(path)
    assert isinstance(found, list)
    assert [str(error).removeprefix(f"{path}: ").partition(" (")[0] for error in found] == [
        "components.a.needs: no component is named 'nobody'",
        "effects[0].without: no component is named 'nothing'",
        "effects[0].rules[0].fault: no fault is named 'clsoe'",
        "effects[0].rules[1].code: input should be a valid integer, unable to parse string as an integer, got 'x'",
    ]
    with pytest.raises(FaultError, match=r"and 3 more; `stagesim check .*components.yaml` lists all"):
        load_components(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("effects: 7\n", "effects: input should be "),
        ("components: [a]\neffects: []\n", "components: input should be "),
        ("components: {a: {need: []}}\neffects: []\n", "components.a.need: not known here"),
        (
            "components: {}\neffects: [{without: [], rules: []}]\n",
            "effects[0].without: list should have at least 1",
        ),
        (
            "components: {a: {}}\neffects: [{without: [a], how: gone, rules: []}]\n",
            "effects[0].how: input should be 'missing', 'none' or 'either', got 'gone'",
        ),
        (
            "components: {a: {recovers after: soon}}\neffects: []\n",
            "components.a.recovers after: expected a duration such as '250ms' or '2m', got 'soon'",
        ),
        (
            "components: {a: {degraded: {slow: {rules: [{fault: latency, delay: x}]}}}}\neffects: []\n",
            "components.a.degraded.slow.rules[0].delay: expected a duration such as",
        ),
        (
            "components: {a: {degraded: {slow: {rules: []}}}}\neffects: []\n",
            "components.a.degraded.slow.rules: list should have at least 1 item",
        ),
    ],
)
def test_one_mistake_is_one_line(write: Write, text: str, said: str) -> None:
    path = write(text)
    found = check_components(path)
    assert isinstance(found, list)
    assert [str(error).startswith(f"{path}: {said}") for error in found] == [True]


def test_the_nearest_file_is_found(write: Write, tmp_path: Path) -> None:
    path = write(PLANT)
    deep = tmp_path / "incidents" / "2025"
    deep.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "incidents", deep):
        assert find_components(folder).path.samefile(path)
    assert find_components(deep / "too" / "deep").path == shipped() / "faults" / "components.yaml"


# --- recovery --------------------------------------------------------------------------------------------------

RECOVERING = """
components:
  source: {recovers after: 10s}
  pump: {needs: [source]}
  tower: {needs: [pump], recovers after: 5s}
  meter: {}
effects:
  - {without: [source], rules: [{fault: drop}]}
  - {without: [pump], rules: [{fault: close}]}
  - {without: [tower, meter], rules: [{fault: silence}, {fault: latency, when: {during: [1s, 60s]}}]}
"""


def spells(components: Components, recovers_after: int | None = None, **asked: object) -> dict[str, object]:
    """The times of the run in which the rules that follow are in force, in seconds; None is always."""
    rules, found = components.rules(stem="x", recovers_after=recovers_after, **asked)  # type: ignore[arg-type]
    assert not found
    return {
        rule.name.removeprefix("x/"): rule.when.during and tuple(time // SECOND for time in rule.when.during)
        for rule in rules
    }


def test_what_is_gone_comes_back_and_with_it_what_needs_it_each_in_its_time(write: Write) -> None:
    plant = load_components(write(RECOVERING))
    assert spells(plant, missing=["source"]) == {
        "source[0]": (0, 10),
        "pump[1]": (0, 10),
        "tower[2]": (0, 15),
        "tower[3]": (1, 15),
    }
    assert spells(plant, none=["tower"]) == {"tower[0]": (0, 5), "tower[1]": (1, 5)}


def test_what_says_no_time_never_comes_back_and_nothing_before_what_it_needs(write: Write) -> None:
    plant = load_components(write(RECOVERING))
    assert spells(plant, missing=["pump"]) == {"pump[0]": None, "tower[1]": None, "tower[2]": (1, 60)}
    assert spells(plant, missing=["source", "tower"])["tower[2]"] == (0, 10)
    assert spells(plant, none=["tower", "meter"])["tower[0]"] is None, "the meter never does"


def test_a_fault_may_say_itself_when_all_is_well_again(write: Write) -> None:
    plant = load_components(write(RECOVERING))
    assert spells(plant, 2 * SECOND, missing=["source"])["source[0]"] == (0, 2)
    assert spells(plant, 2 * SECOND, missing=["pump"]) == {
        "pump[0]": (0, 2),
        "tower[1]": (0, 7),
        "tower[2]": (1, 7),
    }
    write("title: x\nnone: [meter]\nparams: {back: 3s}\nrecovers after: ${back}\n", "fault.yaml")
    (rule, _) = load_fault(str(plant.path.parent / "fault.yaml"), {"back": "4s"}).rules
    assert rule.when.during == (0, 4 * SECOND)


def test_recovery_comes_to_an_end_where_needs_go_round_in_a_circle(write: Write) -> None:
    circle = load_components(
        write(
            "components: {a: {needs: [b]}, b: {needs: [a], recovers after: 1s}}\n"
            "effects: [{without: [a], rules: [{fault: drop}]}]\n"
        )
    )
    assert spells(circle, SECOND, missing=["a"])["a[0]"] is not None
    assert spells(circle, missing=["a"]) == {"a[0]": None}


def test_health_is_fine_and_traffic_flows_after_recovery() -> None:
    """Over the golden path: 503 and 500 at first; after recovery what the recording has."""
    fault = load_fault("database-comes-back", {"after": "5s"})
    session = Session(compile_script(load(find_recording("golden-path")).recording), fault.rules)

    def status(at: int, path: str) -> int:
        request = Request(flow=f"{path} {at}", at=at * SECOND, service="backend", method="GET", target=path)
        session.receive(request)
        (answer,) = session.due(at * SECOND + SECOND)
        assert isinstance(answer, Response)
        return answer.status

    paths = ("/health", "/health/database", "/api/threads")
    assert [status(at, path) for at, path in enumerate(paths, 60)] == [503, 503, 500]
    assert [status(65, path) for path in paths] == [200, 200, 200]


# --- degraded modes --------------------------------------------------------------------------------------------

MODES = """
components:
  source: {}
  pump:
    needs: [source]
    recovers after: 10s
    degraded:
      slow: {title: Drips, rules: [{fault: latency}, {fault: throttle}]}
      noisy: {rules: [{fault: inject, text: brrr}]}
effects:
  - {without: [pump], rules: [{fault: close}]}
"""


def test_a_degraded_component_is_there_and_its_mode_says_what_the_wire_shows(write: Write) -> None:
    plant = load_components(write(MODES))
    assert spells(plant, degraded={"pump": "slow"}) == {"pump=slow[0]": (0, 10), "pump=slow[1]": (0, 10)}
    assert spells(plant, SECOND, degraded={"pump": "noisy"}) == {"pump=noisy[0]": (0, 1)}


def test_degraded_is_said_in_a_file_or_inline(write: Write) -> None:
    fault = load_fault("degraded:llm_manager=slow,agent_supervisor=starting")
    assert fault.file.title == "llm_manager is slow, agent_supervisor is starting"
    assert [rule.fault.name for rule in fault.rules] == ["latency"] * 3 + ["inject", "drop"]
    write(MODES)
    path = write("title: x\nsequence: [{healthy: 5s}, {for: 60s, degraded: {pump: noisy}}]\n", "mine.yaml")
    (rule,) = load_fault(str(path)).rules
    assert (rule.name, rule.when.during) == ("mine[1]/pump=noisy[0]", (5 * SECOND, 15 * SECOND))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"degraded": {"pmp": "slow"}}, "degraded: no component is named 'pmp' ("),
        ({"degraded": {"pump": "slwo"}}, "degraded.pump: no mode of it is named 'slwo' (there are slow, noisy)"),
        ({"degraded": {"source": "slow"}}, "degraded.source: no mode of it is named 'slow' (there are none)"),
        ({"degraded": {"pump": "slow"}, "missing": ["source"]}, "degraded.pump: is not there, so it cannot be "),
        ({"degraded": {"pump": "slow"}, "none": ["pump"]}, "degraded.pump: is not there, so it cannot be "),
    ],
)
def test_what_cannot_be_degraded_is_told(write: Write, asked: dict[str, object], told: str) -> None:
    _, (found,) = load_components(write(MODES)).rules(stem="x", **asked)  # type: ignore[arg-type]
    assert str(found).startswith(told)


def test_the_shipped_file_has_no_mistake() -> None:
    found = check_components(shipped() / "faults" / "components.yaml")
    assert isinstance(found, Components)
    for name in found.needs:
        assert follows(found, missing=name)
        assert follows(found, none=name)


names = st.sampled_from("abcdefgh")


@given(st.dictionaries(names, st.lists(names, max_size=3).map(tuple)), st.lists(names), st.lists(names))
def test_what_is_unavailable_is_closed_and_grows(
    needs: dict[str, tuple[str, ...]], missing: list[str], more: list[str]
) -> None:
    components = Components(path=Path("x"), needs=needs, effects=())
    gone = components.unavailable(missing)
    assert gone >= set(missing)
    assert components.unavailable(gone) == gone
    assert components.unavailable([*missing, *more]) >= gone
    assert all(not set(wanted) & gone for name, wanted in needs.items() if name not in gone)
