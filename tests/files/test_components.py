"""Components: what a staging is made of, what needs what, and what follows when a part is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.errors import FaultError
from simulator.files.components import Components, check_components, find_components, load_components
from simulator.files.locate import shipped

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
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(text: str) -> Path:
        path = tmp_path / "components.yaml"
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
        ("components: {}\n", "effects: missing"),
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
