"""Places: every value of an event, where it stands, and another one in its place."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Event, Fragment, Message, Ping, Request, Response
from simulator.core.jsontext import MISSING, Json
from simulator.core.values.places import (
    Slot,
    filled,
    json_of,
    place,
    query_items,
    query_values,
    route,
    segments,
    slots,
    value_at,
    with_body,
    with_text,
)
from tests.conversations import DOWN, UP
from tests.core.playing import answer, down, get, post, up

UUID = "0b8f3c52-7d0e-4c55-9a55-5d3b8d0e6a11"


def raw(data: str | bytes) -> Message:
    return Message(flow="1", at=0, direction=DOWN, data=data)


def named(event: Event) -> dict[str, Json]:
    return {str(slot): value for slot, value in slots(event)}


# --- slots -----------------------------------------------------------------------------------------------------


def test_every_value_of_a_request_has_a_slot() -> None:
    request = post("1", 0, "/a%20b/7?x=1&y=&x=2%2B", (("X-Id", "h"), ("Host", "hop"), ("x-id", "i")), name="n")
    assert [(str(slot), value) for slot, value in slots(request)] == [
        ("path[0]", "a b"),
        ("path[1]", "7"),
        ("query.x", "1"),
        ("query.y", ""),
        ("query.x", "2+"),
        ("header.x-id", "h"),
        ("header.x-id", "i"),
        ("$.name", "n"),
    ]


def test_every_value_of_a_response_and_a_message_has_a_slot() -> None:
    response = answer("1", 0, 200, (("Set-Cookie", "a=b"), ("Date", "today")), items=[{"id": 1}, {"id": None}])
    assert named(response) == {"cookie.a": "b", "$.items[0].id": 1, "$.items[1].id": None}
    assert named(down(0, type="x", a={"b c": [True]})) == {"$.type": "x", '$.a["b c"][0]': True}


@pytest.mark.parametrize(
    "event",
    [
        raw("just text"),
        raw("7"),
        raw(b'{"a": 1}'),
        Ping(flow="1", at=0, direction=UP, data=b'{"a": 1}'),
        Response(flow="1", at=0, status=200, headers=(("Content-Encoding", "gzip"),), body=b'{"a": 1}'),
        Response(flow="1", at=0, status=200, body=b'{"a": "\xe9"}'),
    ],
)
def test_what_is_not_read_as_json_has_no_json_slots(event: Event) -> None:
    assert json_of(event) is MISSING
    assert not any(slot.part == "json" for slot, _ in slots(event))


def test_a_value_is_found_at_its_slot() -> None:
    request = post("1", 0, "/a?x=1&x=2", name="n")
    assert value_at(request, Slot("query", ("x", 1))) == "2"
    assert value_at(request, Slot("json", ("name",))) == "n"
    for nowhere in (Slot("query", ("x", 2)), Slot("path", (1,)), Slot("json", ("no",)), Slot("header", ("no", 0))):
        assert value_at(request, nowhere) is MISSING


def test_a_query_is_read_as_forms_are() -> None:
    assert query_items("a=1&b&=c&&d=x+y%2B") == [("a", "1"), ("b", ""), ("", "c"), ("d", "x y+")]
    assert query_values("a=1&b=2&a=3") == {("a", 0): "1", ("b", 0): "2", ("a", 1): "3"}
    assert segments(get("1", 0, "/a//b%2Fc/?x")) == ["a", "", "b/c", ""]


# --- filling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "slot", "value", "after"),
    [
        ("/a/b", Slot("path", (1,)), "c", "/a/c"),
        ("/a%2fb/%7Ec/d?x=%20", Slot("path", (2,)), "e", "/a%2fb/%7Ec/e?x=%20"),
        ("/a/b", Slot("path", (0,)), "x/y?z#ü é", "/x%2Fy%3Fz%23%C3%BC%20%C3%A9/b"),
        ("/a/user@host:1", Slot("path", (0,)), "me@host:2", "/me@host:2/user@host:1"),
        ("/a//b", Slot("path", (1,)), "x", "/a/x/b"),
        ("/a?q=a%20b&flag&&id=7&x=%2B", Slot("query", ("id", 0)), "8 &=9", "/a?q=a%20b&flag&&id=8+%26%3D9&x=%2B"),
        ("/a?x=1&x=2", Slot("query", ("x", 1)), "3", "/a?x=1&x=3"),
        ("/a?flag", Slot("query", ("flag", 0)), "1", "/a?flag=1"),
        ("/a?x%5B%5D=1", Slot("query", ("x[]", 0)), "2", "/a?x%5B%5D=2"),
        ("*", Slot("path", (0,)), "x", "x"),
    ],
)
def test_a_target_changes_in_one_place_only(target: str, slot: Slot, value: str, after: str) -> None:
    request = get("1", 0, target)
    assert filled(request, {slot: value}) == replace(request, target=after)
    assert value_at(filled(request, {slot: value}), slot) == value


def test_a_header_field_keeps_its_case_and_its_order() -> None:
    response = answer("1", 0, 200, (("X-Id", "a"), ("Other", "o"), ("x-ID", "b")))
    after = filled(response, {Slot("header", ("x-id", 1)): "c"})
    assert after == replace(response, headers=(("X-Id", "a"), ("Other", "o"), ("x-ID", "c")))


def test_a_body_takes_its_length_with_it() -> None:
    response = answer("1", 0, 200, (("content-length", "11"), ("X", "y")), name="a")
    after = filled(response, {Slot("json", ("name",)): "éé"})
    assert isinstance(after, Response)
    assert after.body == b'{"name": "\\u00e9\\u00e9"}'
    assert after.headers == (("content-length", str(len(after.body))), ("X", "y"))
    assert with_body(response, response.body) is response


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('{"id": "x", "b": "x"}', '{"id": "né", "b": "x"}'),
        ('{"id":"x","b":"ü"}', '{"id":"né","b":"ü"}'),
        ('{\n  "id" : "x",\n  "b" : "x"\n}\n', '{\n  "id" : "n\\u00e9",\n  "b" : "x"\n}\n'),
        ('{"b":"\\u003cx\\u003e","id":"x"}\n', '{"b":"\\u003cx\\u003e","id":"n\\u00e9"}\n'),
        ('{"id": 1, "x": 11, "id": 10}', '{"id": 1, "x": 11, "id": "n\\u00e9"}'),
        ('{"a": 10, "id":  1, "b": 1.0, "c": 1e0}', '{"a": 10, "id":  "n\\u00e9", "b": 1.0, "c": 1e0}'),
    ],
)
def test_json_keeps_its_layout(text: str, after: str) -> None:
    found = filled(raw(text), {Slot("json", ("id",)): "né"})
    assert isinstance(found, Message)
    assert json.loads(str(found.data)) == json.loads(after)
    if "é" not in after:
        assert found.data == after


def test_a_number_inside_of_others_is_not_touched() -> None:
    pretty = json.dumps({"id": 10000, "n": 100000, "s": "10000", "f": 0.10000, "id2": 10000}, indent=2)
    found = filled(raw(pretty), {Slot("json", ("id",)): 7})
    assert isinstance(found, Message)
    assert found.data == pretty.replace('"id": 10000', '"id": 7')


def test_half_a_surrogate_pair_from_a_client_leaves_as_an_escape() -> None:
    for text in ('{"id":"x","ü":1}', '{ "id": "x", "ü": 1}', '{"id": "x"}'):
        response = Response(flow="1", at=0, status=200, body=text.encode())
        after = filled(response, {Slot("json", ("id",)): "\ud800"})
        assert isinstance(after, Response)
        assert b'"\\ud800"' in after.body


def test_the_same_values_and_unknown_slots_change_nothing() -> None:
    pretty = replace(raw('{ "id": 1 }'), compressed=True)
    assert filled(pretty, {Slot("json", ("id",)): 1, Slot("json", ("no",)): 2, Slot("path", (0,)): "x"}) is pretty
    request = get("1", 0, "/%61?x=%61")
    same = {Slot("path", (0,)): "a", Slot("query", ("x", 0)): "a", Slot("query", ("y", 0)): "b"}
    assert filled(request, same) == request
    assert filled(raw("text"), {Slot("json", ("a",)): 1}) == raw("text")
    assert filled(raw(b"\x00"), {Slot("json", ("a",)): 1}) == raw(b"\x00")


# --- places ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "slot", "text"),
    [
        (up(0), Slot("json", ("a", 3, "b")), "backend /ws > $.a[*].b"),
        (down(0), Slot("json", (0,)), "backend /ws < $[*]"),
        (down(0), Slot("json", ("a.b", "c")), 'backend /ws < $["a.b"].c'),
        (up(0), Slot("path", (2,)), "backend /ws > path[2]"),
        (up(0), Slot("query", ("q", 1)), "backend /ws > query.q"),
        (down(0), Slot("cookie", ("sid", 0)), "backend /ws < cookie.sid"),
    ],
)
def test_a_place_is_general_and_readable(event: Event, slot: Slot, text: str) -> None:
    assert place("backend /ws", event, slot) == text


def test_a_route_has_holes_where_ids_were() -> None:
    assert route(get("1", 0, f"/api/kernels/{UUID}/channels?x={UUID}")) == "backend /api/kernels/{}/channels"
    assert route(get("1", 0, "/")) == "backend /"
    assert route(None) == "?"


# --- laws ------------------------------------------------------------------------------------------------------

words = st.text(max_size=8)
encoded = st.one_of(
    words.map(quote), words.map(lambda text: quote(text, safe="").lower()), st.sampled_from("~+*:@")
)
targets = st.builds(
    lambda path, query: f"/{'/'.join(path)}" + (f"?{'&'.join(query)}" if query else ""),
    st.lists(encoded, min_size=1, max_size=4),
    st.lists(
        st.builds(lambda name, eq, value: name + (f"={value}" if eq else ""), encoded, st.booleans(), encoded)
    ),
)
bodies = st.dictionaries(words, st.integers() | words | st.lists(words, max_size=2), max_size=4).flatmap(
    lambda value: st.sampled_from(
        [
            json.dumps(value),
            json.dumps(value, indent=2),
            json.dumps(value, separators=(",", ":"), ensure_ascii=False),
            json.dumps(value, ensure_ascii=False) + "\n",
        ]
    )
)
requests = st.builds(
    lambda target, headers, body: Request(
        flow="1", at=0, service="b", method="POST", target=target, headers=tuple(headers), body=body.encode()
    ),
    targets,
    st.lists(
        st.tuples(st.sampled_from(["X-A", "x-a", "Cookie", "Host"]), st.text("abc =;", max_size=5)), max_size=3
    ),
    bodies,
)


@given(requests)
def test_filling_in_what_is_there_already_changes_no_byte(request_: Request) -> None:
    assert filled(request_, dict(slots(request_))) == request_


@given(requests, words, st.data())
def test_filling_one_slot_changes_no_other(request_: Request, new: str, data: st.DataObject) -> None:
    before = list(slots(request_))
    slot, old = data.draw(st.sampled_from(before))
    if slot.part == "cookie" and new != old:
        new = quote(new, safe="")
    if slot.part == "header":
        new = new.replace("\r", " ").replace("\n", " ").replace("\0", " ")
    after = dict(slots(filled(request_, {slot: new})))
    assert after[slot] == new
    assert {other: value for other, value in after.items() if other != slot} == {
        other: value for other, value in dict(before).items() if other != slot
    }


@given(st.text(max_size=20), st.text(max_size=20), st.lists(st.integers(0, 9), min_size=2, max_size=4))
def test_a_message_with_another_text_comes_in_as_many_frames(old: str, new: str, sizes: list[int]) -> None:
    parts = tuple(Fragment(size=size, after=number) for number, size in enumerate(sizes))
    message = Message(flow="1", at=0, direction=DOWN, data=old, fragments=parts)
    changed = with_text(message, new)
    assert changed.data == new
    assert [part.after for part in changed.fragments] == [part.after for part in parts]
    assert new == old or sum(part.size for part in changed.fragments) == len(changed.payload)
    assert with_text(replace(message, fragments=()), new).fragments == ()
