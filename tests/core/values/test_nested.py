"""Values inside of texts that are JSON, and behind what Socket.IO puts before its JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Event, Message
from simulator.core.jsontext import dump
from simulator.core.units import MILLISECOND
from simulator.core.values.correlation import propose
from simulator.core.values.places import filled, place, slots
from tests.conversations import DOWN, UP
from tests.core.playing import Staging, down, socket, up

UUID, MINE = "0b8f3c52-7d0e-4c55-9a55-5d3b8d0e6a11", "77777777-7d0e-4c55-9a55-5d3b8d0e6a22"


def raw(at: int, way: str, text: str) -> Message:
    return Message(flow="1", at=at * MILLISECOND, direction=UP if way == ">" else DOWN, data=text)


def said(staging: Staging, until: int = 9000) -> list[str]:
    return [str(event.data) for event in staging.says(until) if isinstance(event, Message)]


def test_a_value_in_a_text_has_a_place() -> None:
    event = down(0, payload=json.dumps({"items": [{"id": 7}], "more": '{"deep": "x"}'}))
    found = {place("backend /ws", event, slot): value for slot, value in slots(event)}
    assert found["backend /ws < $.payload|$.items[*].id"] == 7
    assert found["backend /ws < $.payload|$.more|$.deep"] == "x"


def test_an_id_travels_between_texts_and_keeps_their_layout() -> None:
    asked = json.dumps({"id": 1, "order": UUID}, indent=1)
    played = socket(
        up(200, body=asked), raw(300, "<", json.dumps({"body": f'{{"id":1,  "order": "{UUID}", "n": 1}}'}))
    )
    assert {(item.kind, item.source.partition("> ")[2]) for item in propose(played)} == {
        ("echoed", "$.body|$.order"),
    }
    staging = Staging(played)
    staging.opens()
    staging.says(150)
    staging.hears(up(400, body=json.dumps({"id": 1, "order": MINE})))
    assert said(staging) == [json.dumps({"body": f'{{"id":1,  "order": "{MINE}", "n": 1}}'})]


def test_what_the_server_makes_is_made_in_texts_too() -> None:
    inner = json.dumps({"session_id": UUID})
    played = socket(up(200, type="a"), down(300, type="b", data=inner), down(400, type="c", session_id=UUID))
    staging = Staging(played)
    staging.opens()
    staging.says(150)
    staging.hears(up(200, type="a"))
    first, second = map(json.loads, said(staging))
    made = json.loads(first["data"])["session_id"]
    assert made == second["session_id"] != UUID


def test_a_text_that_comes_back_whole_does_so_whatever_it_holds() -> None:
    arguments = json.dumps({"city": "Paris", "days": 3})
    played = socket(up(200, arguments=arguments), down(300, called_with=arguments))
    staging = Staging(played)
    staging.opens()
    staging.says(150)
    staging.hears(up(200, arguments='{"city": "Rome", "days": 5}'))
    assert json.loads(said(staging)[0]) == {"called_with": '{"city": "Rome", "days": 5}'}


@pytest.mark.parametrize("prefix", ["42", "42/admin,", "4217", "42/admin,3"])
def test_socket_io_is_read_behind_its_prefix(prefix: str) -> None:
    played = socket(
        raw(200, ">", f'{prefix}["join",{{"order":"{UUID}"}}]'),
        raw(300, "<", f'42["joined",{{"order":"{UUID}","n":1}}]'),
    )
    staging = Staging(played)
    staging.opens()
    staging.says(150)
    staging.hears(raw(400, ">", f'{prefix}["join",{{"order":"{MINE}"}}]'))
    assert said(staging) == [f'42["joined",{{"order":"{MINE}","n":1}}]']


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(values, st.sampled_from(["", "42", "42/x,1"]))
def test_filling_in_what_is_there_changes_nothing(value: object, prefix: str) -> None:
    text = prefix + dump({"a": json.dumps(value), "b": value}, "compact")  # type: ignore[dict-item]
    event: Event = raw(0, "<", text)
    assert filled(event, dict(slots(event))) == event


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=5), min_size=1, max_size=3), st.text(max_size=5))
def test_every_value_in_a_text_can_be_another(inner: dict[str, str], new: str) -> None:
    event: Event = down(0, a=json.dumps(inner))
    key = next(iter(inner))
    slot = next(slot for slot, _ in slots(event) if len(slot.at) == 3 and slot.at[-1] == key)
    assert dict(slots(filled(event, {slot: new})))[slot] == new
