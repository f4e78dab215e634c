"""Fragments at times of their own: what else is said goes between them, or waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Close, Continuation, Event, Fragment, Message, Ping, refitted
from simulator.core.recording import Recording
from simulator.core.units import MILLISECOND
from tests.conversations import DOWN
from tests.core.playing import Staging, brief, down, socket


def slow(at: int, text: str, *parts: tuple[int, int]) -> Message:
    """A message in fragments, of so many bytes and so many milliseconds after the first."""
    fragments = tuple(Fragment(size=size, after=after * MILLISECOND) for size, after in parts)
    return Message(flow="1", at=at * MILLISECOND, direction=DOWN, data=text, fragments=fragments)


def ping(at: int) -> Ping:
    return Ping(flow="1", at=at * MILLISECOND, direction=DOWN, data=b"?")


def heard(played: Recording, **settings: object) -> list[tuple[int, str]]:
    staging = Staging(played, **settings)
    staging.opens()
    found: list[tuple[int, str]] = []
    for at in range(0, 3000, 10):
        found += [(at, brief(event)) for event in staging.says(at)]
    return found[1:]


SLOW = slow(200, "abcdef", (2, 0), (0, 100), (4, 300))


def test_a_ping_goes_between_and_messages_wait_for_the_last_frame() -> None:
    played = socket(SLOW, down(250, type="next"), ping(350), down(900, type="last"))
    assert heard(played) == [
        (200, "abcdef"),
        (300, "continuation"),
        (350, "ping"),
        (500, "continuation"),
        (500, "next"),
        (900, "last"),
    ]


def test_a_close_waits_and_a_reset_does_not() -> None:
    close = Close(flow="1", at=250 * MILLISECOND, direction=DOWN, code=1000)
    assert heard(socket(SLOW, close))[-2:] == [(500, "continuation"), (500, "close 1000")]
    staging = Staging(socket(SLOW))
    staging.opens()
    staging.says(250)
    staging.session.cut("1", 260 * MILLISECOND)
    assert [brief(event) for event in staging.says(3000)] == ["reset"]


def test_a_message_that_waits_may_be_in_frames_itself() -> None:
    played = socket(SLOW, slow(260, "xyz", (1, 0), (2, 100)), down(270, type="next"))
    assert [at for at, said in heard(played) if said in ("xyz", "continuation", "next")] == [
        300,
        500,
        500,
        600,
        600,
    ]


@pytest.mark.parametrize(("speed", "times"), [(2, [200, 250, 350]), (float("inf"), [200])])
def test_speed_divides_the_times_between_frames(speed: float, times: list[int]) -> None:
    found = heard(socket(SLOW), speed=speed)
    assert [at - found[0][0] for at, _ in found] == [at - times[0] for at in times]


def test_fragments_without_times_and_the_journal_are_as_before() -> None:
    assert [said for _, said in heard(socket(slow(200, "abc", (1, 0), (2, 0))))] == ["abc"]
    staging = Staging(socket(SLOW))
    staging.opens()
    assert any(isinstance(event, Continuation) for event in staging.says(3000))
    said = [event for event in staging.session.journal.events if event.direction is DOWN]
    assert [event.kind for event in said] == ["response", "message"]
    assert isinstance(said[1], Message) and said[1].fragments == SLOW.fragments


@given(st.text(max_size=9), st.text(max_size=9), st.lists(st.integers(0, 9), max_size=4))
def test_fragments_add_up_to_another_text(old: str, new: str, sizes: list[int]) -> None:
    fragments = tuple(Fragment(size=size, after=number) for number, size in enumerate(sizes))
    message: Event = Message(flow="1", at=0, direction=DOWN, data=new or old, fragments=fragments)
    assert isinstance(message, Message)
    fitting = refitted(message)
    assert [fragment.after for fragment in fitting.fragments] == [fragment.after for fragment in fragments]
    assert not fragments or sum(fragment.size for fragment in fitting.fragments) == len(message.payload)
