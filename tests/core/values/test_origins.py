"""Origins: recorded traffic names where it came from; a replay names itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Chunk, Event, Fragment, Message, Ping, Response
from simulator.core.recording import Service
from simulator.core.values.origins import Origins
from tests.conversations import DOWN
from tests.core.playing import get

STAGING = (
    Service(name="backend", origins=("https://api.staging", "http://localhost")),
    Service(name="auth", origins=("https://auth.staging:8443",)),
)
LIVE = {"backend": "http://127.0.0.1:4001", "auth": "http://127.0.0.1:4002"}
ORIGINS = Origins.of(STAGING, LIVE)


def said(text: str, origins: Origins = ORIGINS) -> str:
    event = origins.rebased(Message(flow="1", at=0, direction=DOWN, data=text))
    assert isinstance(event, Message)
    return str(event.data)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("https://api.staging/me", "http://127.0.0.1:4001/me"),
        ("wss://api.staging/ws?x=1", "ws://127.0.0.1:4001/ws?x=1"),
        ("https:\\/\\/api.staging\\/me", "http:\\/\\/127.0.0.1:4001\\/me"),
        ("https://auth.staging:8443", "http://127.0.0.1:4002"),
        ("See https://api.staging.", "See http://127.0.0.1:4001."),
        ('"https://api.staging","http://localhost"', '"http://127.0.0.1:4001","http://127.0.0.1:4001"'),
        ("ws://localhost/ws", "ws://127.0.0.1:4001/ws"),
        ("http://api.staging/me", "http://api.staging/me"),
        ("api.staging", "api.staging"),
    ],
)
def test_every_form_of_an_origin_is_replaced(text: str, after: str) -> None:
    assert said(text) == after


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:3000",
        "https://api.staging:9000/x",
        "https://api.staging.example.com",
        "https://api.staging-eu",
        "https://api.stagings",
        "https://auth.staging",
        "https://auth.staging:84430",
    ],
)
def test_another_host_that_begins_the_same_is_left_alone(text: str) -> None:
    assert said(text) == text


def test_ports_may_swap_places() -> None:
    services = (Service(name="a", origins=("http://h:1",)), Service(name="b", origins=("http://h:2",)))
    swapped = Origins.of(services, {"a": "http://h:2", "b": "http://h:1"})
    assert said("http://h:1 http://h:2", swapped) == "http://h:2 http://h:1"


def test_a_secure_replay_is_named_securely() -> None:
    secure = Origins.of((Service(name="a", origins=("http://h/",)),), {"a": "https://live"})
    assert said("http://h/x ws://h/y", secure) == "https://live/x wss://live/y"


def test_a_service_that_is_not_served_keeps_its_name() -> None:
    assert (
        said("https://auth.staging:8443", Origins.of(STAGING, {"backend": "http://b"}))
        == "https://auth.staging:8443"
    )
    nothing = Message(flow="1", at=0, direction=DOWN, data="https://api.staging")
    assert Origins.of(STAGING, {}).rebased(nothing) is nothing


def test_a_response_is_rebased_in_its_fields_and_its_body_and_its_length() -> None:
    body = b'{"url": "https://api.staging/x", "bytes": "\xc3\xa9"}'
    headers = (("Location", "https://api.staging/login"), ("Content-Length", str(len(body))))
    event = ORIGINS.rebased(Response(flow="1", at=0, status=302, headers=headers, body=body))
    assert isinstance(event, Response)
    assert event.body == b'{"url": "http://127.0.0.1:4001/x", "bytes": "\xc3\xa9"}'
    assert event.headers == (("Location", "http://127.0.0.1:4001/login"), ("Content-Length", str(len(event.body))))


def test_pieces_are_rebased_and_what_has_no_text_is_not() -> None:
    chunk = ORIGINS.rebased(Chunk(flow="1", at=0, data=b"\xffhttps://api.staging\xe2\x80\xa6"))
    assert chunk == Chunk(flow="1", at=0, data=b"\xffhttp://127.0.0.1:4001\xe2\x80\xa6")
    for event in (
        Message(flow="1", at=0, direction=DOWN, data=b"https://api.staging"),
        Ping(flow="1", at=0, direction=DOWN, data=b"https://api.staging"),
        get("1", 0, "/x?u=https://api.staging"),
    ):
        assert ORIGINS.rebased(event) is event


def test_a_message_stays_in_as_many_frames() -> None:
    parts = (Fragment(size=1), Fragment(size=3))
    kept = Message(flow="1", at=0, direction=DOWN, data="abcd", fragments=parts)
    assert ORIGINS.rebased(kept) == kept
    changed = ORIGINS.rebased(Message(flow="1", at=0, direction=DOWN, data="http://localhost", fragments=parts))
    assert isinstance(changed, Message)
    assert [part.size for part in changed.fragments] == [parts[0].size, len(changed.payload) - parts[0].size]


@given(st.text(max_size=40), st.binary(max_size=40))
def test_what_names_no_origin_stays_byte_for_byte(text: str, data: bytes) -> None:
    if "://" in text or b"//" in data:
        return
    events: list[Event] = [
        Message(flow="1", at=0, direction=DOWN, data=text),
        Chunk(flow="1", at=0, data=data),
        Response(flow="1", at=0, status=200, headers=(("A", text),), body=data),
    ]
    assert [ORIGINS.rebased(event) for event in events] == events
