"""Lines and events, both ways and without loss."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from simulator.core.events import (
    Chunk,
    Close,
    Direction,
    End,
    Event,
    Fragment,
    Message,
    Ping,
    Request,
    Reset,
    Response,
)
from simulator.core.journal import Entry, Note
from simulator.core.recording import Correlation, Header, Service
from simulator.files import lines, models
from simulator.files.writer import line_bytes
from tests.conversations import CREATED, DOWN, UP

EVENT: TypeAdapter[models.EventLine] = TypeAdapter(models.EventLine)
HEADER: TypeAdapter[models.HeaderLine] = TypeAdapter(models.HeaderLine)


def read_back(entry: Entry) -> Entry:
    return lines.entry_of(EVENT.validate_json(line_bytes(lines.entry_line(entry))))


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (End(flow="1", at=1_500_000), {"at": 1.5, "flow": "1", "kind": "end"}),
        (
            Message(flow="1", at=1, direction=UP, data='{"a": 1}'),
            {"at": 1e-06, "flow": "1", "kind": "message", "from": "client", "json": {"a": 1}},
        ),
        (
            Message(flow="1", at=0, direction=DOWN, data='{"a":"é"}', compressed=True),
            {
                "at": 0.0,
                "flow": "1",
                "kind": "message",
                "from": "server",
                "json": {"a": "é"},
                "style": "compact",
                "compressed": True,
            },
        ),
        (
            Message(
                flow="1", at=0, direction=UP, data="abc", fragments=(Fragment(size=1), Fragment(size=2, after=5))
            ),
            {
                "at": 0.0,
                "flow": "1",
                "kind": "message",
                "from": "client",
                "text": "abc",
                "fragments": [[1, 0.0], [2, 5e-06]],
            },
        ),
        (
            Response(flow="1", at=0, status=204, headers=(("A", "b"), ("A", "c")), id="x", cause="y"),
            {
                "at": 0.0,
                "flow": "1",
                "kind": "response",
                "id": "x",
                "cause": "y",
                "status": 204,
                "headers": [["A", "b"], ["A", "c"]],
            },
        ),
        (
            Close(flow="1", at=0, direction=DOWN, code=1011, reason="x"),
            {"at": 0.0, "flow": "1", "kind": "close", "from": "server", "code": 1011, "reason": "x"},
        ),
        (Reset(flow="1", at=0, direction=UP), {"at": 0.0, "flow": "1", "kind": "reset", "from": "client"}),
        (Note(at=0, flow="1", what="x"), {"at": 0.0, "flow": "1", "kind": "note", "what": "x", "detail": {}}),
    ],
    ids=lambda item: item.kind if isinstance(item, Event | Note) else "",
)
def test_an_event_is_a_line_that_people_can_read(event: Entry, line: dict[str, object]) -> None:
    found = lines.entry_line(event)
    assert found == line
    assert read_back(event) == event


@pytest.mark.parametrize(
    ("payload", "fields"),
    [
        ('{"a": [1, 2.5, null, true]}', {"json": {"a": [1, 2.5, None, True]}}),
        ('{"a":[1,2]}', {"json": {"a": [1, 2]}, "style": "compact"}),
        ('{"a":"\\u00e9"}', {"json": {"a": "é"}, "style": "compact-ascii"}),
        ('{"a": "é"}', {"json": {"a": "é"}, "style": "spaced-unicode"}),
        ("[]", {"json": []}),
        ('{"a":  1}', {"text": '{"a":  1}'}),
        ('{"a": 1}\n', {"text": '{"a": 1}\n'}),
        ('{"a": 1, "a": 2}', {"text": '{"a": 1, "a": 2}'}),
        ('{"a": 1e3}', {"text": '{"a": 1e3}'}),
        ('{"a": NaN}', {"text": '{"a": NaN}'}),
        ('{"a": "\\ud800"}', {"text": '{"a": "\\ud800"}'}),
        ("7", {"text": "7"}),
        ('"a"', {"text": '"a"'}),
        ("", {"text": ""}),
        (b"\xff", {"base64": "/w=="}),
        (b'{"a": 1}', {"json": {"a": 1}}),
    ],
)
def test_a_payload_is_json_only_if_it_can_be_written_back(payload: str | bytes, fields: dict[str, object]) -> None:
    assert lines.body_fields(payload) == fields
    back = models.Body.model_validate(fields).payload()
    assert (back.encode() if isinstance(payload, bytes) and isinstance(back, str) else back) == payload


def test_a_header_is_written_without_what_is_empty() -> None:
    header = Header(title="t", created=CREATED, services=(Service(name="b", origins=("https://b",)),))
    assert lines.header_line(header) == {
        "stagesim": 1,
        "title": "t",
        "created": "2025-09-09T06:40:00.000000+00:00",
        "services": {"b": ["https://b"]},
    }


headers = st.builds(
    Header,
    title=st.text(max_size=9),
    created=st.integers(0, 4_000_000_000_000_000),
    services=st.dictionaries(st.text(max_size=4), st.lists(st.text(max_size=4)).map(tuple), max_size=3).map(
        lambda found: tuple(Service(name=name, origins=origins) for name, origins in found.items())
    ),
    correlate=st.none()
    | st.lists(
        st.builds(
            Correlation,
            name=st.text(max_size=4),
            kind=st.sampled_from(["echoed", "minted", "token"]),
            source=st.text(max_size=9),
            targets=st.lists(st.text(max_size=9), max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    ignore=st.lists(st.text(max_size=9), max_size=2).map(tuple),
    redacted=st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
    standins=st.lists(st.text(max_size=9), max_size=2).map(tuple),
    seed=st.none() | st.integers(),
)


@given(headers)
def test_every_header_is_read_back(header: Header) -> None:
    line = line_bytes(lines.header_line(header))
    assert lines.header_of(HEADER.validate_json(line)) == header


@given(st.integers(0, 10**15))
def test_a_microsecond_is_never_lost(at: int) -> None:
    assert read_back(End(flow="1", at=at)).at == at


@given(st.binary(max_size=60))
def test_every_payload_is_read_back(data: bytes) -> None:
    for event in (
        Chunk(flow="1", at=0, data=data),
        Ping(flow="1", at=0, direction=Direction.DOWNSTREAM, data=data),
        Request(flow="1", at=0, service="b", method="POST", target="/", body=data),
    ):
        assert read_back(event) == event


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.lists(documents) | st.dictionaries(st.text(), documents), st.sampled_from(["json", "compact", "indented"])
)
def test_every_document_is_read_back_to_the_letter(document: object, writer: str) -> None:
    how = {"json": {}, "compact": {"separators": (",", ":"), "ensure_ascii": False}, "indented": {"indent": 2}}[
        writer
    ]
    event = Message(flow="1", at=0, direction=UP, data=json.dumps(document, **how))  # type: ignore[arg-type]
    assert read_back(event) == event


@pytest.mark.parametrize("digits", [20, 400, 4000])
def test_a_very_long_number_is_read_back(digits: int) -> None:
    event = Message(flow="1", at=0, direction=UP, data=json.dumps({"n": int("7" * digits)}))
    assert read_back(event) == event
