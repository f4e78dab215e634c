"""Finding files by name: a path as it is, else beside you, else among those that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.core.errors import FaultError, RecordingError, StagesimError
from simulator.files.locate import fault_names, find_fault, find_recording, recording_names, shipped


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def problem(name: str) -> str:
    with pytest.raises(StagesimError) as error:
        find_recording(name)
    assert isinstance(error.value, RecordingError)
    return str(error.value)


def test_a_path_is_taken_as_it_is(here: Path) -> None:
    path = put(here / "some" / "where.txt")
    assert find_recording("some/where.txt") == Path("some/where.txt")
    assert find_recording(str(path)) == path
    assert find_fault(str(path)) == path


@pytest.mark.parametrize("ending", ["", ".jsonl", ".jsonl.zst"])
def test_a_recording_is_found_by_its_name(here: Path, ending: str) -> None:
    path = put(here / "recordings" / f"mine{ending}")
    assert find_recording("mine") == path


@pytest.mark.parametrize("ending", [".yaml", ".yml"])
def test_a_fault_is_found_by_its_name_deep_or_not(here: Path, ending: str) -> None:
    path = put(here / "faults" / "incidents" / f"mine{ending}")
    assert find_fault("incidents/mine") == path
    assert find_fault("mine") == path
    assert find_fault(f"incidents/mine{ending}") == path


def test_a_name_that_lies_in_two_folders_is_not_guessed(here: Path) -> None:
    put(here / "faults" / "a" / "mine.yaml")
    put(here / "faults" / "b" / "mine.yaml")
    with pytest.raises(FaultError, match=r"did you mean .*(a|b)/mine or .*(a|b)/mine"):
        find_fault("mine")


def test_what_is_shipped_is_found_and_what_is_here_comes_first(here: Path) -> None:
    assert find_recording("golden-path") == shipped() / "recordings" / "golden-path.jsonl"
    mine = put(here / "recordings" / "golden-path.jsonl")
    assert find_recording("golden-path") == mine
    assert "golden-path" in recording_names()
    assert recording_names().count("golden-path") == 1


def test_component_files_are_no_faults(here: Path) -> None:
    put(here / "faults" / "components.yaml")
    put(here / "faults" / "deep" / "components.yaml")
    put(here / "faults" / "mine.yaml")
    assert "mine" in fault_names()
    assert not any("components" in name for name in fault_names())


def test_a_name_that_is_nearly_right_gets_a_suggestion(here: Path) -> None:
    assert problem("golden-pth") == (
        "golden-pth: no such file, and nothing in recordings/ has this name (did you mean golden-path?)"
    )


def test_a_name_that_is_nothing_like_any_gets_a_list(here: Path) -> None:
    put(here / "recordings" / "mine.jsonl")
    listed = problem("zzz").partition("(there are ")[2].rstrip(")").split(", ")
    assert {"golden-path", "mine"} <= set(listed)
    assert listed == sorted(listed)


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a\0b", "x" * 5000, "recordings", "*", "~", "../" * 50])
def test_names_that_no_file_has_are_just_not_found(here: Path, name: str) -> None:
    (here / "recordings").mkdir()
    assert "no such file, and nothing in recordings/ has this name" in problem(name)
