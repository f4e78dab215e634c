"""Matching: which live event stands for a recorded one, and the reason where none does."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Bytes, Close, Event, Message, Ping, Pong, Request, Reset, Response
from simulator.core.matching.compare import (
    Mismatch,
    NearMiss,
    compare,
    could_match,
    discriminator,
    is_heartbeat,
    is_upgrade_request,
    is_volatile,
    label,
    shown,
)
from simulator.core.recording import Recording
from tests.conversations import DOWN, UP, UPGRADE, agent_run, recordings
from tests.core.playing import get, post, up

UUIDS = "0b8f3c52-7d0e-4c55-9a55-5d3b8d0e6a11", "c0ffee00-1111-4222-8333-444455556666"


def reasons(recorded: Event, live: Event) -> list[str]:
    return [str(mismatch) for mismatch in compare(recorded, live).mismatches]


def said(**fields: object) -> Message:
    return up(0, **fields)


def raw(data: str | bytes) -> Message:
    return Message(flow="1", at=0, direction=UP, data=data)


# --- requests --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "live", "reason"),
    [
        (get("1", 0, "/a"), get("1", 0, "/b"), "path: expected /a, got /b"),
        (get("1", 0, "/a/b"), get("1", 0, "/a"), "path: expected /a/b, got /a"),
        (get("1", 0, "/a"), get("1", 0, "/a/"), "path: expected /a, got /a/"),
        (get("1", 0, "/a"), post("1", 0, "/a"), "method: expected GET, got POST"),
        (get("1", 0, "/a"), get("1", 0, "/a", service="auth"), "service: expected backend, got auth"),
        (get("1", 0, "/a?p=1"), get("1", 0, "/a?p=2"), "query.p: expected '1', got '2'"),
        (get("1", 0, "/a?p=1"), get("1", 0, "/a"), "query.p: expected '1', got nothing"),
        (get("1", 0, "/a"), get("1", 0, "/a?p="), "query.p: expected nothing, got ''"),
        (get("1", 0, "/a?p=1&p=2"), get("1", 0, "/a?p=3&p=2"), "query.p: expected '1', got '3'"),
        (get("1", 0, "/a?p=1&p=2"), get("1", 0, "/a?p=1"), "query.p: expected '2', got nothing"),
        (get("1", 0, "/ws", UPGRADE), get("1", 0, "/ws"), "kind: expected a WebSocket upgrade, got plain HTTP"),
        (get("1", 0, "/ws"), get("1", 0, "/ws", UPGRADE), "kind: expected plain HTTP, got a WebSocket upgrade"),
        (post("1", 0, "/a", name="x"), post("1", 0, "/a"), "$.name: expected 'x', got nothing"),
        (post("1", 0, "/a", name="x"), get("1", 0, "/a"), "body: expected JSON, got something else"),
        (post("1", 0, "/a", name=None), post("1", 0, "/a"), "$.name: expected null, got nothing"),
        (post("1", 0, "/a", n=1), post("1", 0, "/a", n="1"), "$.n: expected number, got text"),
        (post("1", 0, "/a", n=True), post("1", 0, "/a", n=1), "$.n: expected boolean, got number"),
        (post("1", 0, "/a", n={"a": 1}), post("1", 0, "/a", n=[1]), "$.n: expected object, got list"),
    ],
    ids=str,
)
def test_a_request_that_differs_is_told_how(recorded: Request, live: Request, reason: str) -> None:
    assert reason in reasons(recorded, live)


def test_all_differences_are_told_at_once() -> None:
    found = reasons(post("1", 0, "/a?x=1", name="x", n=1), get("1", 0, "/b"))
    assert [reason.partition(":")[0] for reason in found] == ["method", "path", "query.x", "body"]


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        (get("1", 0, f"/users/{UUIDS[0]}"), get("1", 0, f"/users/{UUIDS[1]}")),
        (get("1", 0, "/runs/run_1_ab12cd34"), get("1", 0, "/runs/run_22_ff00ee11")),
        (get("1", 0, "/a?since=1757400000"), get("1", 0, "/a?since=1790000000")),
        (get("1", 0, "/a?at=2025-09-09T06:40:00Z"), get("1", 0, "/a?at=2026-01-02T03:04:05Z")),
        (get("1", 0, "/a?token=hunter2"), get("1", 0, "/a?token=letmein")),
        (get("1", 0, "/a?b=1&c=2"), get("1", 0, "/a?c=2&b=1")),
        (get("1", 0, "/a%20b?q=x+y"), get("1", 0, "/a b?q=x%20y")),
        (get("1", 0, "/a", (("X-A", "1"),)), get("1", 0, "/a", (("X-B", "2"),))),
        (post("1", 0, "/a", name="x"), post("1", 0, "/a", name="y", more=1)),
        (post("1", 0, "/a", name=None), post("1", 0, "/a", name="y")),
        (post("1", 0, "/a", items=[1, 2]), post("1", 0, "/a", items=[])),
        (get("1", 0, "/a"), get("1", 0, "/a", service="")),
    ],
    ids=lambda request: request.target,
)
def test_what_is_another_in_every_run_may_differ(recorded: Request, live: Request) -> None:
    assert reasons(recorded, live) == []


def test_an_id_does_not_stand_for_a_word() -> None:
    assert reasons(get("1", 0, "/users/me"), get("1", 0, f"/users/{UUIDS[0]}")) != []
    assert reasons(get("1", 0, f"/users/{UUIDS[0]}"), get("1", 0, "/users/me")) != []


def test_a_value_that_is_translated_back_matches() -> None:
    recorded, live = get("1", 0, "/rooms/blue?room=blue"), get("1", 0, "/rooms/red?room=red")
    assert reasons(recorded, live) != []
    assert compare(recorded, live, lambda ours, theirs: (ours, theirs) == ("blue", "red")).matches


def test_an_upgrade_is_known_by_its_header_whatever_its_case() -> None:
    assert is_upgrade_request(get("1", 0, "/ws", (("UPGRADE", "WebSocket"),)))
    assert not is_upgrade_request(get("1", 0, "/ws", (("Upgrade", "h2c"),)))


# --- messages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "live", "reason"),
    [
        (said(type="a"), said(type="b"), "$.type: expected 'a', got 'b'"),
        (said(type="a", data={"op": "x"}), said(type="a", data={"op": "y"}), "$.data.op: expected 'x', got 'y'"),
        (said(type="a"), said(kind="a"), "$.type: expected 'a', got nothing"),
        (said(type="a"), raw("[1]"), "$: expected object, got list"),
        (said(type="a"), raw("hello"), "body: expected JSON, got something else"),
        (said(type="a"), raw(b"\x00"), "opcode: expected text, got binary"),
        (raw(b"\x00"), raw("a"), "opcode: expected binary, got text"),
        (said(type="a"), Ping(flow="1", at=0, direction=UP), "kind: expected message, got ping"),
    ],
    ids=str,
)
def test_a_message_that_differs_is_told_how(recorded: Message, live: Event, reason: str) -> None:
    assert reasons(recorded, live) == [reason]


def test_free_text_may_differ_and_a_name_may_not() -> None:
    recorded = said(type="start", action="plan", text="Cut the costs")
    assert reasons(recorded, said(type="start", action="plan", text="Raise them")) == []
    assert reasons(recorded, said(type="start", action="stop", text="Cut the costs")) != []
    assert reasons(said(action="Cut the costs"), said(action="Raise the costs")) == []


def test_a_discriminator_counts_at_the_top_and_one_level_below() -> None:
    def deep(name: str) -> Message:
        return said(type="a", b={"c": {"type": name}})

    assert reasons(deep("x"), deep("y")) == []


def test_the_more_values_agree_the_higher_the_score() -> None:
    recorded = said(type="a", thread="t1", n=1)
    scores = [compare(recorded, said(type="a", thread=thread, n=n)).score for thread, n in (("x", 2), ("t1", 2))]
    assert scores == sorted(scores)
    assert compare(recorded, recorded).score == 3


def test_closes_match_whatever_their_code_and_better_with_the_same() -> None:
    def close(code: int) -> Close:
        return Close(flow="1", at=0, direction=UP, code=code)

    assert compare(close(1000), close(1001)).matches
    assert compare(close(1000), close(1000)).score > compare(close(1000), close(1001)).score


# --- names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"type": "a", "data": {"op": "b"}}, "a"),
        ({"data": {"op": "b"}, "type": "a"}, "a"),
        ({"data": {"msg_type": "execute_request"}}, "execute_request"),
        ({"type": "two words"}, None),
        ({"type": 7}, None),
        ({"type": ""}, None),
        ({"name": "a"}, None),
        ({"a": {"b": {"type": "deep"}}}, None),
        ([1, 2], None),
        ([{"type": "a"}], "a"),
    ],
)
def test_the_discriminator_says_what_a_message_is(document: object, name: str | None) -> None:
    assert discriminator(raw(json.dumps(document))) == name


@pytest.mark.parametrize("word", ["ping", "PONG", "heartbeat", "keep_alive", "ka"])
def test_a_json_ping_is_a_heartbeat(word: str) -> None:
    assert is_heartbeat(said(type=word))


def test_control_frames_are_heartbeats_and_a_ping_in_a_text_is_not() -> None:
    assert is_heartbeat(Ping(flow="1", at=0, direction=UP)) and is_heartbeat(Pong(flow="1", at=0, direction=UP))
    assert not is_heartbeat(said(type="ping_pong_started"))
    assert not is_heartbeat(said(type="start", text="ping"))
    assert not is_heartbeat(post("1", 0, "/a", type="ping"))


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (get("1", 0, "/a?b=1"), "GET /a?b=1"),
        (said(type="start_agent"), "start_agent"),
        (raw("hello"), "text message"),
        (raw(b"\x00"), "binary message"),
        (Close(flow="1", at=0, direction=UP, code=1011), "close 1011"),
        (Close(flow="1", at=0, direction=UP), "close without a code"),
        (Response(flow="1", at=0, status=503), "response 503"),
        (Reset(flow="1", at=0, direction=UP), "reset"),
        (Bytes(flow="1", at=0, direction=UP, data=b""), "bytes"),
    ],
)
def test_events_have_short_names(event: Event, name: str) -> None:
    assert label(event) == name


def test_a_near_miss_tells_its_reasons_or_that_it_was_used() -> None:
    reason = Mismatch(place="$.type", expected="'a'", found="'b'")
    assert str(NearMiss(label="a", mismatches=(reason, reason))) == "a: " + "; ".join([str(reason)] * 2)
    assert str(NearMiss(label="a", mismatches=(), used=True)) == "a: already used"


def test_long_values_are_cut() -> None:
    assert shown("x" * 100) == "'" + "x" * 58 + "…"


# --- laws ------------------------------------------------------------------------------------------------------


@given(st.uuids().map(str) | st.sampled_from([word.upper() for word in UUIDS]))
def test_every_uuid_is_volatile(value: str) -> None:
    assert is_volatile(value)


@given(
    st.from_regex(r"[a-z_-]{1,40}", fullmatch=True).filter(lambda word: not set(word) <= set("0123456789abcdef"))
)
def test_no_word_is_volatile(word: str) -> None:
    assert not is_volatile(word)


@given(recordings())
def test_every_event_matches_itself_best(played: Recording) -> None:
    for event in played:
        outcome = compare(event, event)
        assert outcome.matches
        assert all(compare(event, other).score <= outcome.score for other in played)


@given(st.text(max_size=60))
def test_every_text_is_volatile_or_not_and_never_an_error(text: str) -> None:
    assert is_volatile(text) in (True, False)


def test_an_agent_run_of_another_client_matches_the_recorded_one() -> None:
    for event in agent_run().events:
        if isinstance(event, Message) and event.direction is DOWN:
            continue
        assert compare(event, event).matches
    mine = said(type="start_agent", thread_id=uuid.UUID(int=7).hex, payload={"user_request": "Hello"})
    assert compare(agent_run().events[6], mine).matches


@given(
    st.sampled_from(["GET", "POST"]), st.sampled_from(["/", "/a", "/a/", "/a/b", "//", "/a%2Fb", "*", "/a?b=/c"])
)
def test_what_matches_is_not_told_apart_at_first_sight(method: str, target: str) -> None:
    one, other = (replace(get("1", 0, where), method=how) for how, where in (("GET", "/a/b"), (method, target)))
    for recorded, live in ((one, other), (other, one), (other, other)):
        assert could_match(recorded, live) or not compare(recorded, live).matches
