"""The figures of the README: every benchmark has its rows, and only what ran is written anew."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import __main__ as collector

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_every_benchmark_has_its_figures_in_the_readme() -> None:
    assert {*collector.rows(README)} == {name for name, _ in collector.found()}


def test_the_rows_are_written_as_they_are_read() -> None:
    table = collector.rows(README)
    assert collector.written(README, table) == README


def test_a_benchmark_s_figures_become_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    module = ModuleType("made")
    module.figures = lambda: [("a|b", "1 ms"), ("peak\nmemory", "2 MB")]  # type: ignore[attr-defined]
    made = collector.measure("made", module)
    assert made == ["| `made` | a\\|b | 1 ms |", "| `made` | peak memory | 2 MB |"]
    assert capsys.readouterr().out.startswith("made: a|b: 1 ms\n")
    text = "before\n<!-- measured -->\n<!-- end -->\nafter\n"
    assert collector.rows(collector.written(text, {"made": made})) == {"made": made}


def test_an_unknown_benchmark_is_named_with_those_there_are() -> None:
    with pytest.raises(SystemExit, match="no benchmark nix; there are"):
        collector.main(["nix"])
