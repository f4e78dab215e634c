"""Pairs: a client's counter comes back as its own, and no number is taken for one that only looks alike."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.core.events import Event, Message, Response
from simulator.core.jsontext import Json
from simulator.core.recording import Recording
from simulator.core.units import MILLISECOND
from simulator.core.values.correlation import propose
from tests.conversations import DOWN, UP, recording
from tests.core.playing import Staging, answer, post, socket, upgrade

Said = tuple[str, object]
"""'>' is sent by the client, '<' by the server; and what."""


def line(at: int, way: str, body: object, flow: str = "1") -> Message:
    """'>' is sent by the client."""
    direction = UP if way == ">" else DOWN
    return Message(flow=flow, at=at * MILLISECOND, direction=direction, data=json.dumps(body))


def talk(*said: Said) -> Recording:
    """A WebSocket on which this was said, a tenth of a second after another."""
    return socket(*(line(200 + 100 * nth, way, body) for nth, (way, body) in enumerate(said)))


def paired(played: Recording) -> list[tuple[str, tuple[str, ...]]]:
    return [(item.source, item.targets) for item in propose(played) if item.kind == "paired"]


def heard(played: Recording, *said: object) -> list[Json]:
    """What a client hears that says this, each when the answers to the one before have come."""
    staging = Staging(played, speed=float("inf"))
    staging.opens()
    answers = staging.says(1000)
    for nth, body in enumerate(said):
        staging.hears(line(2000 + 1000 * nth, ">", body))
        answers += staging.says(2900 + 1000 * nth)
    return [json.loads(event.data) for event in answers if isinstance(event, Message)]


RPC = talk(
    (">", {"jsonrpc": "2.0", "id": 1, "method": "add", "params": [1, 2]}),
    ("<", {"jsonrpc": "2.0", "id": 1, "result": 3}),
    (">", {"jsonrpc": "2.0", "id": 2, "method": "div", "params": [1, 0]}),
    ("<", {"jsonrpc": "2.0", "id": None, "error": {"code": -32700}}),
    ("<", {"jsonrpc": "2.0", "id": 2, "error": {"code": 1}}),
)

HOME = talk(
    ("<", {"type": "auth_required", "ha_version": "2025.9.1"}),
    (">", {"type": "auth", "access_token": "secret"}),
    ("<", {"type": "auth_ok"}),
    (">", {"id": 1, "type": "get_states"}),
    ("<", {"id": 1, "type": "result", "success": True, "result": [{"id": 1}, {"id": 2}, {"id": 3}]}),
    (">", {"id": 2, "type": "subscribe_events", "event_type": "state_changed"}),
    ("<", {"id": 2, "type": "result", "success": True, "result": None}),
    (">", {"id": 3, "type": "call_service", "service": "turn_on"}),
    ("<", {"id": 2, "type": "event", "event": {"data": {"new": 1}}}),
    ("<", {"id": 3, "type": "result", "success": True, "result": {"context": {"user_id": 1}}}),
    ("<", {"id": 2, "type": "event", "event": {"data": {"new": 2}}}),
)

PHOENIX = talk(
    (">", ["1", "1", "room:lobby", "phx_join", {}]),
    ("<", ["1", "1", "room:lobby", "phx_reply", {"status": "ok", "response": {}}]),
    (">", ["1", "2", "room:lobby", "shout", {"body": "hello"}]),
    ("<", ["1", "2", "room:lobby", "phx_reply", {"status": "ok", "response": {}}]),
    ("<", ["1", None, "room:lobby", "shout", {"body": "hello"}]),
    (">", [None, "3", "phoenix", "heartbeat", {}]),
    ("<", [None, "3", "phoenix", "phx_reply", {"status": "ok", "response": {}}]),
)

GRAPHQL = talk(
    (">", {"type": "connection_init"}),
    ("<", {"type": "connection_ack"}),
    (">", {"id": "1", "type": "subscribe", "payload": {"query": "subscription { ticks }"}}),
    (">", {"id": "2", "type": "subscribe", "payload": {"query": "subscription { tocks }"}}),
    ("<", {"id": "1", "type": "next", "payload": {"data": {"ticks": 1}}}),
    ("<", {"id": "2", "type": "next", "payload": {"data": {"tocks": 1}}}),
    (">", {"id": "2", "type": "complete"}),
    ("<", {"id": "1", "type": "next", "payload": {"data": {"ticks": 2}}}),
    (">", {"id": "1", "type": "complete"}),
)


# --- what is found -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("played", "expected"),
    [
        (RPC, [("backend /ws > $.id", ("backend /ws < $.id",))]),
        (HOME, [("backend /ws > $.id", ("backend /ws < $.id",))]),
        (GRAPHQL, [("backend /ws > $.id", ("backend /ws < $.id",))]),
        (
            PHOENIX,
            [(f"backend /ws > $[{nth}]", (f"backend /ws < $[{nth}]",)) for nth in (0, 1, 2)],
        ),
    ],
    ids=["json-rpc", "home-assistant", "graphql-ws", "phoenix"],
)
def test_the_counters_of_known_protocols_are_found(
    played: Recording, expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert paired(played) == expected


@pytest.mark.parametrize("name", ["ref", "seq", "requestId", "msg_id", "request_ref", "sid"])
def test_a_single_exchange_tells_where_both_are_called_the_same(name: str) -> None:
    played = talk((">", {"type": "a", name: 1}), ("<", {"type": "b", name: 1}))
    assert paired(played) == [(f"backend /ws > $.{name}", (f"backend /ws < $.{name}",))]


def test_an_answer_may_call_it_otherwise_if_it_is_so_again_and_again() -> None:
    said = [(">", {"seq": nth}) if way == ">" else ("<", {"ack": nth}) for nth in range(1, 5) for way in "><"]
    assert paired(talk(*said)) == [("backend /ws > $.seq", ("backend /ws < $.ack",))]
    assert paired(talk(*said[:2])) == []


def test_a_batch_is_answered_item_by_item() -> None:
    batch = [{"id": nth, "method": "m"} for nth in (1, 2)]
    played = talk((">", batch), ("<", [{"id": 2, "result": 1}, {"id": 1, "result": 2}]))
    assert paired(played) == [("backend /ws > $[*].id", ("backend /ws < $[*].id",))]
    live = [{"id": nth, "method": "m"} for nth in (71, 72)]
    assert heard(played, live) == [[{"id": 72, "result": 1}, {"id": 71, "result": 2}]]


# --- what is not -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        [(">", {"page": 1}), ("<", {"total": 1, "ok": 1})],
        [(">", {"id": 5, "type": "list"}), ("<", {"items": [{"id": 1}, {"id": 5}]})],
        [(">", {"id": 1, "type": "a"}), ("<", {"user": {"id": 1}, "type": "b"})],
        [("<", {"seq": 1}), (">", {"seq": 1}), ("<", {"seq": 2}), ("<", {"seq": 3}), (">", {"seq": 2})],
        [(">", {"seq": nth}) for nth in range(1, 9)] + [("<", {"seq": 1}), ("<", {"seq": 2})],
        [(">", {"id": True}), ("<", {"id": True})],
        [(">", {"id": 1}), ("<", {"id": "1"})],
        [(">", [1, 2, 3]), ("<", [1, 2, 3])],
    ],
    ids=["counts", "items", "another", "own counters", "few come back", "truth", "types", "data"],
)
def test_what_only_looks_alike_is_no_pair(said: Sequence[Said]) -> None:
    assert paired(talk(*said)) == []


def test_an_ignored_place_is_no_pair() -> None:
    header = replace(RPC.header, ignore=("backend /ws < $.id",))
    assert paired(replace(RPC, header=header)) == []


# --- what a client gets ------------------------------------------------------------------------------------------


def test_a_client_that_counts_otherwise_gets_its_own_ids_and_nothing_else_changes() -> None:
    live = {"jsonrpc": "2.0", "method": "add", "params": [1, 2]}
    assert heard(RPC, {**live, "id": 7}, {**live, "method": "div", "id": "seven"}) == [
        {"jsonrpc": "2.0", "id": 7, "result": 3},
        {"jsonrpc": "2.0", "id": None, "error": {"code": -32700}},
        {"jsonrpc": "2.0", "id": "seven", "error": {"code": 1}},
    ]


def test_later_events_carry_the_id_of_what_asked_for_them() -> None:
    said = heard(
        HOME,
        {"type": "auth", "access_token": "mine"},
        {"id": 40, "type": "get_states"},
        {"id": 41, "type": "subscribe_events", "event_type": "state_changed"},
        {"id": 42, "type": "call_service", "service": "turn_on"},
    )
    ids = [message.get("id") for message in said if isinstance(message, dict)]
    assert ids == [None, None, 40, 41, 41, 42, 41]
    assert isinstance(said[2], dict) and said[2]["result"] == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert isinstance(said[5], dict) and said[5]["result"] == {"context": {"user_id": 1}}


def test_a_client_that_begins_one_later_is_answered_in_its_order() -> None:
    """Its first id is that of the recording's second message, and says nothing."""
    played = talk(
        *(
            (way, {"id": nth, **({"type": "next"} if way == ">" else {"value": f"value {nth}"})})
            for nth in (1, 2, 3)
            for way in "><"
        )
    )
    said = heard(played, *({"id": nth, "type": "next"} for nth in (2, 3, 1)))
    assert said == [{"id": 2, "value": "value 1"}, {"id": 3, "value": "value 2"}, {"id": 1, "value": "value 3"}]


def test_an_id_that_was_said_before_tells_which_is_meant() -> None:
    """The first to be completed is the second of the recording."""
    init = {"type": "connection_init"}
    queries = ({"query": f"subscription {{ {name} }}"} for name in ("ticks", "tocks"))
    ticks, tocks = ({"type": "subscribe", "payload": query} for query in queries)
    staging = Staging(GRAPHQL, speed=float("inf"))
    staging.opens()
    asked = [init, {"id": "b", **ticks}, {"id": "a", **tocks}, {"id": "a", "type": "complete"}]
    staging.hears(*(line(1000 + nth, ">", body) for nth, body in enumerate(asked)))
    said = [json.loads(event.data) for event in staging.says(5000) if isinstance(event, Message)]
    assert [(one["id"], one["payload"]["data"]) for one in said if one["type"] == "next"] == [
        ("b", {"ticks": 1}),
        ("a", {"tocks": 1}),
        ("b", {"ticks": 2}),
    ]


def test_phoenix_has_its_own_refs_in_their_positions() -> None:
    assert heard(
        PHOENIX,
        ["31", "31", "room:lobby", "phx_join", {}],
        ["31", "32", "room:lobby", "shout", {"body": "hello"}],
    ) == [
        ["31", "31", "room:lobby", "phx_reply", {"status": "ok", "response": {}}],
        ["31", "32", "room:lobby", "phx_reply", {"status": "ok", "response": {}}],
        ["31", None, "room:lobby", "shout", {"body": "hello"}],
    ]


def test_json_rpc_over_http_is_the_same() -> None:
    calls: list[Event] = []
    for nth in (1, 2):
        calls.append(post(f"{nth}", nth * 100, "/rpc", method="next", id=nth))
        calls.append(answer(f"{nth}", nth * 100 + 10, id=nth, result=f"result {nth}"))
    played = recording(*calls)
    assert paired(played) == [("backend /rpc > $.id", ("backend /rpc < $.id",))]
    staging = Staging(played)
    found = []
    for nth, own in enumerate((2, 1, "x")):
        staging.hears(post(f"live {nth}", nth * 100, "/rpc", method="next", id=own))
        found += [json.loads(event.body) for event in staging.says(nth * 100 + 90) if isinstance(event, Response)]
    assert found == [
        {"id": 2, "result": "result 1"},
        {"id": 1, "result": "result 2"},
        {"id": "x", "result": "result 2"},
    ]


def test_two_connections_of_one_client_have_each_their_own() -> None:
    said = [line(200, ">", {"id": 1, "type": "a"}), line(300, "<", {"id": 1, "type": "b"})]
    again = [line(1200, ">", {"id": 1, "type": "a"}, "2"), line(1300, "<", {"id": 1, "type": "b"}, "2")]
    staging = Staging(recording(*upgrade("1", 0), *said, *upgrade("2", 1000), *again))
    for flow in ("x", "y"):
        staging.opens(flow)
    staging.says(500)
    staging.hears(line(600, ">", {"id": 8, "type": "a"}, "x"), line(610, ">", {"id": 9, "type": "a"}, "y"))
    found = {event.flow: json.loads(event.data) for event in staging.says(3000) if isinstance(event, Message)}
    assert found == {"x": {"id": 8, "type": "b"}, "y": {"id": 9, "type": "b"}}


# --- laws --------------------------------------------------------------------------------------------------------

methods = st.lists(st.sampled_from(["get", "set", "list"]), min_size=2, max_size=6)
own_ids = st.one_of(st.integers(-9, 99_999), st.text("abc123", min_size=1, max_size=5))
fields = st.dictionaries(st.sampled_from(["id", "seq", "n"]), st.integers(0, 3))
results = st.lists(st.one_of(st.integers(0, 9), st.text(max_size=5), st.none()), min_size=6, max_size=6)


def conversation(asked: Sequence[str], ids: Iterable[object], results: Sequence[object]) -> list[Said]:
    """Calls and their answers; what is told of each holds small numbers as well."""
    said: list[Said] = []
    for nth, (method, own) in enumerate(zip(asked, ids, strict=False)):
        said.append((">", {"id": own, "method": f"{method}-{nth}", "params": {"n": nth}}))
        said.append(("<", {"id": own, "result": results[nth], "count": nth, "items": [{"id": 1}, {"id": nth}]}))
    return said


@given(methods, st.lists(own_ids, min_size=6, max_size=6, unique_by=repr), results)
def test_a_client_gets_exactly_its_own_ids_back_and_all_else_as_it_was(
    asked: list[str], ids: list[object], told: list[object]
) -> None:
    assume(len(asked) > 1)
    played = talk(*conversation(asked, range(1, 9), told))
    live = conversation(asked, ids, told)
    assert heard(played, *(body for way, body in live if way == ">")) == [body for way, body in live if way == "<"]


@given(st.lists(st.tuples(st.sampled_from("><"), fields), max_size=8))
def test_whoever_says_what_was_recorded_hears_what_was_recorded(said: list[Said]) -> None:
    """Whatever is taken for a pair."""
    played = talk(*said)
    staging = Staging(played)
    staging.opens()
    answers: list[Event] = []
    for event in played.events[2:]:
        answers += staging.says(event.at // MILLISECOND - 1)
        if event.direction is UP:
            staging.hears(event)
    answers += staging.says(9000)
    found = [json.loads(event.data) for event in answers if isinstance(event, Message)]
    assert found == [body for way, body in said if way == "<"]
