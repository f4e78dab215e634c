"""JSON as it stands on the wire."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.jsontext import (
    MAX_DEPTH,
    MISSING,
    STYLES,
    Json,
    at_path,
    dump,
    leaves,
    parse,
    parse_object,
    parse_path,
    path_text,
    replaced,
    spans,
    spliced,
    style_of,
    values_at,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
containers = st.lists(documents, max_size=4) | st.dictionaries(st.text(max_size=6), documents, max_size=4)
layouts = st.sampled_from(
    [
        {},
        {"indent": 2},
        {"indent": 2, "ensure_ascii": False},
        {"separators": (",", ":")},
        {"separators": (" , ", " : "), "ensure_ascii": False},
        {"sort_keys": True, "indent": "\t"},
    ]
)

# --- parsing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["{}", "[]", "0", '"a"', "true", "null", " {} ", "\r\n\t[1]\n", "-1.5e-7", b'{"a": 1}']
)
def test_json_is_read(text: str | bytes) -> None:
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "hello",
        "{",
        "{'a': 1}",
        '{"a": 1,}',
        "[1] [2]",
        "NaN",
        "-Infinity",
        '{"a": NaN}',
        "[Infinity]",
        "1e999",
        '{"a": -1e999}',
        "01",
        "+1",
        "\ufeff{}",
        "\x0b{}",
        '"\x01"',
        "[" * 100_000,
        "[" * 5000 + "]" * 5000,
        '{"a": ' * 500 + "1" + "}" * 500,
        "9" * 5000,
        '{"n": ' + "9" * 5000 + "}",
        b"\xff\xfe",
        b'{"a": "\xe9"}',
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_json_or_too_much_of_it_is_missing(text: str | bytes) -> None:
    assert parse(text) is MISSING


def test_depth_is_bounded_and_width_is_not() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not MISSING
    assert parse("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)) is MISSING
    assert parse(json.dumps([[1]] * 10_000)) == [[1]] * 10_000


def test_only_objects_and_arrays_are_documents() -> None:
    assert parse_object("7") is MISSING
    assert parse_object('"{}"') is MISSING
    assert parse_object("[7]") == [7]


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    assert parse('{"a": 1, "a": 2}') == {"a": 2}
    assert style_of('{"a": 1, "a": 2}', {"a": 2}) is None


@given(st.text() | st.binary())
def test_anything_is_json_or_missing(text: str | bytes) -> None:
    found = parse(text)
    assert found is MISSING or dump(found) is not None


# --- writing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("spaced", '{"a": [1, "\\u00e9"]}'),
        ("compact", '{"a":[1,"é"]}'),
        ("compact-ascii", '{"a":[1,"\\u00e9"]}'),
        ("spaced-unicode", '{"a": [1, "é"]}'),
    ],
)
def test_each_style_is_known_again(style: str, text: str) -> None:
    assert dump({"a": [1, "é"]}, style) == text
    assert style_of(text, {"a": [1, "é"]}) == style


def test_half_a_surrogate_pair_is_always_escaped() -> None:
    for style in STYLES:
        text = dump({"a": "é\ud800", "\udfff": 1}, style)
        text.encode()
        assert parse(text) == {"a": "é\ud800", "\udfff": 1}


@given(containers, st.sampled_from(list(STYLES)))
def test_what_was_written_in_a_style_is_found_to_be_in_one_that_writes_the_same(value: Json, style: str) -> None:
    text = dump(value, style)
    found = style_of(text, value)
    assert found is not None
    assert dump(value, found) == text
    assert parse(text) == value


# --- paths -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "$"),
        (("a",), "$.a"),
        (("a", 0, "b_c", "d-e"), "$.a[0].b_c.d-e"),
        (("a.b",), '$["a.b"]'),
        (("",), '$[""]'),
        (("a b", "]"), '$["a b"]["]"]'),
        (("é",), "$.é"),
        (("0",), "$.0"),
        ((0,), "$[0]"),
        (('"',), '$["\\""]'),
        ((-1,), "$[-1]"),
        (("*",), '$["*"]'),
    ],
)
def test_a_path_is_written_and_read(path: tuple[str | int, ...], text: str) -> None:
    assert path_text(path) == text
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    ["", "a", ".a", "$a", "$.", "$..a", "$.a.", "$[", "$[]", "$[a]", "$[--1]", "$[1", '$["a"', '$["a', "$[1]a"],
)
def test_what_is_no_path_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_path(text)


@given(st.lists(st.text(max_size=8) | st.integers(-5, 99)).map(tuple))
def test_every_path_is_read_back(path: tuple[str | int, ...]) -> None:
    assert parse_path(path_text(path)) == path


@given(st.text('$.[]"*a0-é \\', max_size=12).map(lambda text: f"${text}"))
def test_anything_is_a_path_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_path(text)


def test_a_star_is_any_position_of_a_list() -> None:
    value: Json = {"items": [{"id": 1}, {"id": 2}, {}, 3], "*": {"id": 4}}
    assert values_at(value, parse_path("$.items[*].id")) == [1, 2]
    assert values_at(value, ("items", -1)) == [3]
    assert values_at(value, ("*", "id")) == [4]
    assert values_at(value, ("items", "*", "*")) == []
    assert values_at(MISSING, ()) == []
    assert values_at([[1, 2], [3]], ("*", "*")) == [1, 2, 3]


@pytest.mark.parametrize("path", [("b",), ("a", "b"), ("a", 3), ("a", -4), (0,), ("a", 0, "x"), ("a", "0")])
def test_a_path_that_leads_nowhere_gives_nothing(path: tuple[str | int, ...]) -> None:
    assert at_path({"a": [1, 2, 3]}, path) is MISSING
    assert at_path(MISSING, path) is MISSING


@given(documents)
def test_every_leaf_is_at_its_path(value: Json) -> None:
    for path, leaf in leaves(value):
        assert at_path(value, path) is leaf
        assert values_at(value, path)[-1] is leaf or "*" in path


@given(containers, scalars, st.data())
def test_what_is_replaced_is_one_value_and_the_original_stays(value: Json, new: Json, data: st.DataObject) -> None:
    before, paths = dump(value), list(leaves(value))
    if not paths:
        return
    path, _ = data.draw(st.sampled_from(paths))
    after = replaced(value, path, new)
    assert at_path(after, path) == new
    assert [leaf for other, leaf in leaves(after) if other != path] == [
        leaf for other, leaf in paths if other != path
    ]
    assert dump(value) == before


# --- layout ----------------------------------------------------------------------------------------------------


@given(containers, layouts)
def test_every_scalar_is_found_where_it_stands(value: Json, layout: dict[str, object]) -> None:
    text = json.dumps(value, **layout)  # type: ignore[arg-type]
    where = spans(text)
    found = {path: json.loads(text[begin:end]) for path, (begin, end) in where.items()}
    assert found == dict(leaves(value))


@given(containers, layouts, scalars, st.data())
def test_splicing_changes_one_value_and_no_other_byte(
    value: Json, layout: dict[str, object], new: Json, data: st.DataObject
) -> None:
    text = json.dumps(value, **layout)  # type: ignore[arg-type]
    paths = list(spans(text))
    if not paths:
        return
    path = data.draw(st.sampled_from(paths))
    after = spliced(text, {path: new})
    begin, end = spans(text)[path]
    assert after.startswith(text[:begin])
    assert after.endswith(text[end:])
    assert at_path(parse(after), path) == new


def test_several_values_are_spliced_at_once() -> None:
    text = '{ "a" : 1,\n  "b": [ "x", 1, "x" ], "a b": "\\u003c" }\n'
    values: dict[tuple[str | int, ...], Json] = {("a",): 22, ("b", 2): "é", ("a b",): None}
    assert spliced(text, values) == '{ "a" : 22,\n  "b": [ "x", 1, "\\u00e9" ], "a b": null }\n'


def test_of_a_key_that_comes_twice_the_last_one_is_spliced() -> None:
    assert spliced('{"a":  1, "a": {"b": 1}, "a":  2}', {("a",): 3}) == '{"a":  1, "a": {"b": 1}, "a":  3}'
