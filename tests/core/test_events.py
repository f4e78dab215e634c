"""Events: what they say of themselves."""

from __future__ import annotations

import dataclasses

import pytest

from simulator.core.events import (
    EVENT_CLASSES,
    Bytes,
    Chunk,
    Close,
    Direction,
    End,
    Event,
    Message,
    Ping,
    Pong,
    Request,
    Reset,
    Response,
    ends_link,
    header,
    is_upgrade,
)
from simulator.core.recording import Header, Recording
from tests.conversations import DOWN, UP, agent_run
from tests.core.playing import get


def test_every_way_has_its_opposite() -> None:
    assert Direction.UPSTREAM.opposite is Direction.DOWNSTREAM
    assert Direction.DOWNSTREAM.opposite is Direction.UPSTREAM


def test_every_kind_has_a_name_of_its_own() -> None:
    kinds = [event.kind for event in EVENT_CLASSES]
    assert len(set(kinds)) == len(kinds)
    assert all(issubclass(event, Event) for event in EVENT_CLASSES)


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        get("1", 0, "/").at = 7  # type: ignore[misc]
    assert hash(get("1", 0, "/")) == hash(get("1", 0, "/"))


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [("/a?b=c?d", "/a", "b=c?d"), ("/a", "/a", ""), ("/a?", "/a", ""), ("?x", "", "x"), ("*", "*", "")],
)
def test_a_target_is_a_path_and_a_query(target: str, path: str, query: str) -> None:
    request = get("1", 0, target)
    assert (request.path, request.query) == (path, query)


def test_a_message_has_bytes_whatever_it_is() -> None:
    assert Message(flow="1", at=0, direction=UP, data="é").payload == b"\xc3\xa9"
    assert Message(flow="1", at=0, direction=UP, data=b"\xff").payload == b"\xff"
    assert Message(flow="1", at=0, direction=UP, data="\ud800").payload == b"\xed\xa0\x80"


@pytest.mark.parametrize(
    ("event", "ends"),
    [
        (Request(flow="1", at=0, service="b", method="GET", target="/"), False),
        (Response(flow="1", at=0, status=200), True),
        (Response(flow="1", at=0, status=101), False),
        (Response(flow="1", at=0, status=200, streaming=True), False),
        (Chunk(flow="1", at=0, data=b""), False),
        (End(flow="1", at=0), True),
        (Message(flow="1", at=0, direction=DOWN, data=""), False),
        (Ping(flow="1", at=0, direction=DOWN), False),
        (Pong(flow="1", at=0, direction=DOWN), False),
        (Close(flow="1", at=0, direction=DOWN), True),
        (Reset(flow="1", at=0, direction=DOWN), True),
        (Bytes(flow="1", at=0, direction=DOWN, data=b""), False),
    ],
    ids=lambda item: item.kind if isinstance(item, Event) else str(item),
)
def test_nothing_follows_an_end(event: Event, ends: bool) -> None:
    assert ends_link(event) is ends
    assert is_upgrade(event) is (isinstance(event, Response) and event.status == 101)


def test_a_header_field_is_found_whatever_its_case_and_the_first_one_counts() -> None:
    fields = (("Set-Cookie", "a"), ("SET-COOKIE", "b"))
    assert header(fields, "set-cookie") == "a"
    assert header(fields, "cookie") is None


def test_a_recording_knows_its_flows_and_its_length() -> None:
    run = agent_run()
    assert list(run) == list(run.events)
    assert list(run.flows()) == ["1", "2"]
    assert sum(map(len, run.flows().values())) == len(run.events)
    assert run.length == run.events[-1].at
    assert Recording(header=Header(), events=()).length == 0
