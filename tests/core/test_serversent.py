"""Server-sent events are read as browsers read them, however the network has cut the stream."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.serversent import EventStream, is_event_stream

ENDS = st.sampled_from(["\n", "\r\n", "\r"])
VALUES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), max_size=8)
EVENTS = st.lists(st.tuples(VALUES, st.lists(VALUES, min_size=1, max_size=3)), max_size=4)


def read(*pieces: bytes) -> list[dict[str, str]]:
    stream = EventStream()
    return [fields for piece in pieces for fields in stream.feed(piece)]


@given(EVENTS, ENDS, st.lists(st.integers(0, 200), max_size=6), st.booleans())
def test_events_come_as_they_were_said_wherever_the_stream_is_cut(
    events: list[tuple[str, list[str]]], end: str, places: list[int], marked: bool
) -> None:
    lines = [[f"event: {name}", ": a comment", *(f"data: {line}" for line in data), ""] for name, data in events]
    said = "".join(f"{line}{end}" for event in lines for line in event).encode()
    said = b"\xef\xbb\xbf" * marked + said
    cuts = [0, *sorted(min(place, len(said)) for place in places), len(said)]
    pieces = [said[begin:finish] for begin, finish in pairwise(cuts)]
    assert read(*pieces) == [{"event": name, "data": "\n".join(data)} for name, data in events]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"event: a\r\ndata: 1\r\n\r\n", [{"event": "a", "data": "1"}]),
        (b"data: 1\rdata: 2\r\r", [{"data": "1\n2"}]),
        (b"data: 1\n\r\n\ndata:2\n\n", [{"data": "1"}, {"data": "2"}]),
        ("data: a\u2028b\x85c\n\n".encode(), [{"data": "a\u2028b\x85c"}]),
        (b": only a comment\n\n:another\n\n", []),
        (b"data\nid: 1\nid: 2\n\n", [{"data": "", "id": "2"}]),
        (b"data:  two spaces\n\n", [{"data": " two spaces"}]),
        (b"data: not whole\n", []),
        (b"", []),
    ],
)
def test_lines_and_fields(said: bytes, expected: list[dict[str, str]]) -> None:
    assert read(said) == expected
    assert read(*(said[place : place + 1] for place in range(len(said)))) == expected


def test_what_is_not_whole_is_told_apart() -> None:
    stream = EventStream()
    assert list(stream.feed(b"data: 1\n\nevent: cut\nda")) == [{"data": "1"}]
    assert list(stream.unfinished()) == [{"event": "cut", "da": ""}]


@pytest.mark.parametrize("kind", ["text/event-stream", "Text/Event-Stream; charset=utf-8", "TEXT/EVENT-STREAM;x"])
def test_a_media_type_has_no_case(kind: str) -> None:
    assert is_event_stream((("Content-Type", kind),))
    assert not is_event_stream((("Content-Type", f"x-{kind}"),))
    assert not is_event_stream(())
