"""What may come again: nothing that does is ever missed, and a plan does not depend on it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.recording import Recording
from simulator.core.values.correlation import propose
from simulator.core.values.occurrences import key_of, occurrences
from simulator.core.values.repeats import EVERYTHING, Repeats
from tests.conversations import DOWN, THREAD, UP, agent_run, recording, recordings, text


def heard(played: Recording, bits: int) -> Repeats:
    found = Repeats(bits)
    for item in occurrences(played):
        found.hear(item)
    return found


@given(recordings(), st.sampled_from([8, 64, 1 << 16]))
def test_what_comes_twice_is_known(played: Recording, bits: int) -> None:
    repeats = heard(played, bits)
    keys = [key for item in occurrences(played) if (key := key_of(item.value)) is not None]
    assert all(key in repeats for key in keys if keys.count(key) > 1)
    assert propose(played, repeats=repeats) == propose(played)


def test_what_comes_once_need_not_be_remembered() -> None:
    repeats = heard(agent_run(), 1 << 16)
    assert THREAD in repeats
    assert "Cut the costs" not in repeats
    assert "Cut the costs" in EVERYTHING


def test_an_id_that_comes_back_inside_of_a_text_comes_twice() -> None:
    played = recording(
        *agent_run().events[2:4],
        text("2", 1000, UP, order="7f0c8a52e1"),
        text("2", 1100, DOWN, error="no such order: 7f0c8a52e1"),
    )
    assert "7f0c8a52e1" in heard(played, 1 << 16)


def test_it_is_as_large_as_the_recording_asks_for() -> None:
    sizes = [Repeats.within(size) for size in (0, 1 << 20, 1 << 40)]
    assert [len(found._once) * 8 for found in sizes] == [1 << 16, 1 << 20, 1 << 30]
