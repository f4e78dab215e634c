"""Round trip: what is recorded of a replay, through mitmproxy, is what the replay was made from.

A share of what `python -m benchmarks roundtrip` measures; there, a thousand conversations are made and Jupyter's.
"""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.conversations import conversation
from benchmarks.roundtrip import settled_trips
from simulator.core.events import EVENT_CLASSES, Message
from simulator.files.locate import find_recording, recording_names
from simulator.files.reader import load

SHARE = 15


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh-ids", "byte-by-byte"])
def test_generated_conversations_survive(fresh: bool) -> None:
    seeds = range(0, SHARE) if fresh else range(SHARE, 2 * SHARE)
    found, _ = settled_trips([conversation(seed) for seed in seeds], fresh=fresh)
    assert [(trip.original.header.title, trip.drift, trip.problems) for trip in found if not trip.same] == []
    assert [trip.original.header.title for trip in found] == [f"conversation {seed}" for seed in seeds]
    assert all(trip.again.events for trip in found)


def test_what_is_shipped_survives() -> None:
    recordings = [load(find_recording(name)).recording for name in recording_names()]
    found, _ = settled_trips(recordings, speed=20)
    assert [(trip.drift.differences, trip.problems) for trip in found if not trip.same] == []


def test_the_conversations_have_everything_in_them() -> None:
    events = [event for seed in range(100) for event in conversation(seed).events]
    assert {*Counter(map(type, events))} == {*EVENT_CLASSES}
    messages = [event for event in events if isinstance(event, Message)]
    assert all(
        any(map(test, messages)) for test in (lambda m: m.fragments, lambda m: m.compressed, lambda m: not m.data)
    )
    assert conversation(7) == conversation(7) != conversation(8)
