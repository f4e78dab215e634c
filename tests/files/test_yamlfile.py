"""YAML from strangers: safe types, nothing that is small to write and large to read, errors of one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.errors import FaultError
from simulator.files.yamlfile import MAX_SIZE, load_yaml, parse_yaml


def problem(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(FaultError) as error:
        parse_yaml(data, "f.yaml")
    line = str(error.value)
    assert "\n" not in line
    assert len(line) < 300
    return line


def test_values_have_the_types_of_yaml_1_2() -> None:
    text = b"a: 1\nb: 1.5\nc: on\nd: no\ne: true\nf: ~\ng: '1'\nh: 0o17\ni: 0x1F\nj: 1:30\nk: 2s\nl: [1, {m: n}]\n"
    assert parse_yaml(text, "f.yaml") == {
        "a": 1,
        "b": 1.5,
        "c": "on",
        "d": "no",
        "e": True,
        "f": None,
        "g": "1",
        "h": 15,
        "i": 31,
        "j": "1:30",
        "k": "2s",
        "l": [1, {"m": "n"}],
    }


@pytest.mark.parametrize("key", ["on", "off", "yes", "no", "y", "n"])
def test_words_stay_words_also_as_keys(key: str) -> None:
    assert parse_yaml(f"{key}: {key}".encode(), "f.yaml") == {key: key}


def test_an_anchor_that_nobody_uses_does_no_harm() -> None:
    assert parse_yaml(b"a: &x 1", "f.yaml") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x 1\nb: *x\n", "f.yaml: aliases (*name) are not read here; write the value out"),
        ("a: &x {b: *x}\n", "f.yaml: aliases (*name) are not read here"),
        ("a: 1\nb: 2\na: 3\n", 'f.yaml:3: not YAML: found duplicate key "a"'),
        ("a:\n  b: 1\n  b: 2\n", 'f.yaml:3: not YAML: found duplicate key "b"'),
        ("a: [1\nb: 2\n", "f.yaml:2: not YAML: "),
        ("a: b: c\n", "f.yaml:1: not YAML: mapping values are not allowed here"),
        ("a: 1\n\tb: 2\n", "f.yaml:2: not YAML: "),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: not YAML: "),
        ("a: 'x\n", "f.yaml:"),
        ("", "f.yaml: expected a mapping with names as keys"),
        ("# nothing\n", "f.yaml: expected a mapping with names as keys"),
        ("- a\n", "f.yaml: expected a mapping with names as keys"),
        ("just words\n", "f.yaml: expected a mapping with names as keys"),
        ("1: a\n", "f.yaml: expected a mapping with names as keys"),
        ("null: a\n", "f.yaml: expected a mapping with names as keys"),
        ("? [a, b]\n: c\n", "f.yaml"),
        ("? {a: b}\n: c\n", "f.yaml:1: not YAML: "),
        ("a: !!python/object/apply:os.system [ls]\n", "f.yaml:1: not YAML: could not determine a constructor"),
        ("a: !mine x\n", "f.yaml:1: not YAML: could not determine a constructor"),
        ("a: !!bool perhaps\n", "f.yaml: not YAML: "),
        ("a: !!int x\n", "f.yaml: not YAML: "),
        ("a: !!timestamp x\n", "f.yaml:1: not YAML: "),
        ("a: 2025-99-99\n", "f.yaml: not YAML: "),
        ("a: " + "9" * 9000 + "\n", "f.yaml: not YAML: "),
        ("%YAML 3.0\n---\na: 1\n", "f.yaml:1: not YAML: "),
        ('a: "\\ud800"\n', "f.yaml:1: half of a surrogate pair is no text"),
        (b"a: \xff\n", "f.yaml: not YAML: "),
        (b"a: \x00\n", "f.yaml: not YAML: "),
        (b"\x7fELF\x02\x01\x01", "f.yaml: not YAML: "),
    ],
)
def test_what_is_no_good_is_told_in_one_line(text: str | bytes, said: str) -> None:
    assert problem(text).startswith(said)


@pytest.mark.parametrize(
    "bomb", ["a: " + "[" * 50_000, "{" * 50_000, "{a: " * 50_000, "- " * 50_000, "? " * 50_000]
)
def test_nesting_bombs_do_not_go_off(bomb: str) -> None:
    assert problem(bomb) == "f.yaml:1: nests deeper than 100 levels"


def test_a_hundred_levels_are_enough_for_anybody() -> None:
    assert parse_yaml(b"a: " + b"[" * 99 + b"]" * 99, "f.yaml")["a"] is not None
    assert "nests deeper" in problem("a: " + "[" * 100 + "]" * 100)
    wide = parse_yaml(b"a: [" + b"[], " * 300 + b"]", "f.yaml")["a"]
    assert wide == [[]] * 300, "what stands beside each other is not deep"


def test_a_billion_laughs_stop_at_the_first() -> None:
    lines = ["a0: &a0 [lol]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
    assert problem("\n".join(lines)) == "f.yaml: aliases (*name) are not read here; write the value out"


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"a: 1\n#" + b"x" * MAX_SIZE)
    with pytest.raises(FaultError, match=r"f\.yaml: is larger than 1048576 bytes"):
        load_yaml(path)
    path.write_bytes((b"a: 1\n#" + b"x" * MAX_SIZE)[:MAX_SIZE])
    assert load_yaml(path) == {"a": 1}


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(FaultError, match=r"f\.yaml: cannot be read: No such file or directory"):
        load_yaml(tmp_path / "f.yaml")
    with pytest.raises(FaultError, match="cannot be read: Is a directory"):
        load_yaml(tmp_path)


@given(st.text(st.sampled_from("ab:-?[]{}#&*!|>'\"%@ \n\t,0."), max_size=40) | st.binary(max_size=30))
def test_anything_is_a_mapping_or_an_error_of_one_line(text: str | bytes) -> None:
    data = text.encode() if isinstance(text, str) else text
    try:
        found = parse_yaml(data, "f.yaml")
    except FaultError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(key, str) for key in found)
