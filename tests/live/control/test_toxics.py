"""Toxics without sockets: what they do to a conversation, in no time at all."""

from __future__ import annotations

import pytest

from simulator.core.events import Bytes, Chunk, Direction, End, Event, Message, Request, Reset, Response
from simulator.core.recording import Recording
from simulator.core.rule import Rule, Trigger
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import MILLISECOND, SECOND
from simulator.live.control.toxics import (
    TOXICS,
    BandwidthToxic,
    LatencyToxic,
    LimitDataToxic,
    ResetPeerToxic,
    SlicerToxic,
    TimeoutToxic,
    Toxic,
)
from tests.conversations import DOWN, UP, UPGRADE, agent_run, recording, text

BODY = b"0123456789" * 10
DOWNLOAD = recording(
    Request(flow="1", at=0, service="backend", method="POST", target="/file", body=b"x" * 50),
    Response(flow="1", at=100 * MILLISECOND, status=200, body=BODY),
)
STREAM = recording(
    Request(flow="1", at=0, service="backend", method="GET", target="/events"),
    Response(flow="1", at=0, status=200, streaming=True),
    *(Chunk(flow="1", at=(10 + number) * MILLISECOND, data=BODY) for number in range(3)),
    End(flow="1", at=20 * MILLISECOND),
)
SOCKET = recording(
    Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=UPGRADE),
    Response(flow="1", at=0, status=101),
    text("1", 100, UP, type="one"),
    text("1", 200, DOWN, type="answer"),
    text("1", 10_000, DOWN, type="last"),
)


def poisoned(played: Recording, fault: Toxic, toxicity: float = 1.0, seed: int = 0) -> list[Event]:
    """What came down, when a toxic was there from the beginning."""
    rule = Rule(name="toxic", fault=fault, when=Trigger(nth=1, per="flow"), probability=toxicity)
    events = simulate(played, [rule], Settings(seed=seed, fresh=False)).events
    return [event for event in events if event.direction is DOWN]


def messages(events: list[Event]) -> list[tuple[int, str]]:
    return [(event.at // MILLISECOND, str(event.data)) for event in events if isinstance(event, Message)]


def clean(played: Recording) -> list[Event]:
    return [event for event in simulate(played, (), Settings(fresh=False)).events if event.direction is DOWN]


@pytest.mark.parametrize("played", [DOWNLOAD, STREAM, SOCKET, agent_run()], ids=["http", "stream", "ws", "run"])
@pytest.mark.parametrize("fault", [LatencyToxic(), BandwidthToxic(), SlicerToxic(), LimitDataToxic(bytes=10_000)])
def test_a_mild_toxic_changes_nothing(fault: Toxic, played: Recording) -> None:
    assert poisoned(played, fault) == clean(played)


def test_latency_is_added_to_everything_and_nothing_overtakes() -> None:
    assert poisoned(DOWNLOAD, LatencyToxic(latency=500))[0].at == 600 * MILLISECOND
    assert poisoned(DOWNLOAD, LatencyToxic(latency=500, stream=UP))[0].at == 600 * MILLISECOND
    found = poisoned(agent_run(), LatencyToxic(latency=300, jitter=300), seed=3)
    assert [type(event) for event in found] == [type(event) for event in clean(agent_run())]
    assert [event.at for event in found] == sorted(event.at for event in found)


def test_bandwidth_is_that_of_the_bytes() -> None:
    assert poisoned(DOWNLOAD, BandwidthToxic(rate=1))[0].at == (100 + 100) * MILLISECOND
    assert poisoned(DOWNLOAD, BandwidthToxic(rate=1, stream=UP))[0].at == (50 + 100) * MILLISECOND
    chunks = [event.at for event in poisoned(STREAM, BandwidthToxic(rate=1)) if isinstance(event, Chunk)]
    assert chunks == [(10 + number * 100) * MILLISECOND for number in (1, 2, 3)]


def test_a_timeout_lets_nothing_through_and_then_closes() -> None:
    assert poisoned(DOWNLOAD, TimeoutToxic()) == []
    assert poisoned(DOWNLOAD, TimeoutToxic(timeout=250)) == [
        Reset(flow="1", at=350 * MILLISECOND, direction=DOWN, rst=False)
    ]
    early = poisoned(SOCKET, TimeoutToxic(timeout=2000, stream=UP))
    assert early == [Reset(flow="1", at=2 * SECOND, direction=DOWN, rst=False)]


def test_a_reset_comes_at_once_or_later() -> None:
    assert poisoned(DOWNLOAD, ResetPeerToxic()) == [Reset(flow="1", at=100 * MILLISECOND, direction=DOWN)]
    assert poisoned(STREAM, ResetPeerToxic(timeout=7)) == [Reset(flow="1", at=7 * MILLISECOND, direction=DOWN)]


def test_a_limit_cuts_within_what_is_too_much() -> None:
    head, body, end = poisoned(DOWNLOAD, LimitDataToxic(bytes=30))
    assert isinstance(head, Response)
    assert head.streaming
    assert isinstance(body, Chunk)
    assert body.data == BODY[:30]
    assert isinstance(end, Reset)
    pieces = [event.data for event in poisoned(STREAM, LimitDataToxic(bytes=150)) if isinstance(event, Chunk)]
    assert pieces == [BODY, BODY[:50]]
    *_, part, end = poisoned(SOCKET, LimitDataToxic(bytes=30))
    assert isinstance(part, Bytes)
    assert len(part.data) < len(b'..{"type": "last"}')
    assert isinstance(end, Reset)
    assert poisoned(DOWNLOAD, LimitDataToxic(bytes=10, stream=UP)) == [
        Reset(flow="1", at=0, direction=DOWN, rst=False)
    ]


def test_slices_add_up() -> None:
    head, *chunks, end = poisoned(DOWNLOAD, SlicerToxic(average_size=10, size_variation=5, delay=1000))
    assert isinstance(head, Response)
    assert isinstance(end, End)
    assert b"".join(chunk.data for chunk in chunks if isinstance(chunk, Chunk)) == BODY
    assert len(chunks) > 5
    assert [event.at for event in chunks] == [chunks[0].at + number * 1000 for number in range(len(chunks))]
    frames = [event for event in poisoned(SOCKET, SlicerToxic(average_size=3)) if isinstance(event, Bytes)]
    assert b"".join(event.data for event in frames).count(b'"type": "') == 2


def test_a_link_is_poisoned_or_it_is_not() -> None:
    """The die is cast once for each flow, not for each event."""
    seen = set()
    for seed in range(20):
        found = [at for at, _ in messages(poisoned(agent_run(), LatencyToxic(latency=5000), 0.5, seed))]
        plain = [at for at, _ in messages(clean(agent_run()))]
        late = {now - before for now, before in zip(found, plain, strict=True)}
        assert late == {0} or min(late) >= 5000
        seen.add(late == {0})
    assert seen == {True, False}
    assert messages(poisoned(agent_run(), LatencyToxic(latency=5000), 0.0)) == messages(clean(agent_run()))


def test_they_say_what_they_are() -> None:
    for name, toxic in TOXICS.items():
        made = toxic(stream=Direction.UPSTREAM)
        assert made.name == name
        assert all(value == 0 for value in made.attributes.values())
        assert "stream" not in made.attributes
