"""Of several takes of a flow, the one is followed that fits what the client does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Event
from simulator.core.recording import Recording
from tests.conversations import recording
from tests.core.playing import DOWN, UP, Staging, briefly, data, message, upgrade


def take(flow: str, at: int, *said: tuple[int, str]) -> list[Event]:
    """A WebSocket on which both sides say words, the client those that begin with '>', at these times."""
    words = [(at + after, word) for after, word in said]
    return [
        *upgrade(flow, at),
        *(message(flow, when, UP if word[0] == ">" else DOWN, type=word.strip("><")) for when, word in words),
    ]


def forks() -> Recording:
    """Twice the same beginning; then the one client went on to the end, and the other stopped it halfway."""
    common = [(200, ">start"), (300, "<started"), (500, "<working")]
    return recording(
        *take("went on", 0, *common, (700, "<result"), (800, ">thanks"), (900, "<welcome")),
        *take("stopped", 5000, *common, (600, ">stop"), (650, "<stopping"), (750, "<stopped")),
    )


def talk(played: Recording, *said: tuple[int, str]) -> list[tuple[int, str]]:
    staging = Staging(played)
    staging.opens("live")
    staging.hears(*(message("live", at, UP, type=word) for at, word in said))
    return briefly(staging.says(20_000))[1:]


def test_the_first_take_is_followed_as_long_as_it_fits() -> None:
    heard = talk(forks(), (1000, "start"), (2000, "thanks"))
    assert heard == [(1100, "started"), (1300, "working"), (1500, "result"), (2100, "welcome")]


def test_what_fits_another_take_only_turns_to_it_and_nothing_is_said_twice() -> None:
    heard = talk(forks(), (1000, "start"), (1400, "stop"))
    assert heard == [(1100, "started"), (1300, "working"), (1450, "stopping"), (1550, "stopped")]


def test_what_the_other_take_would_have_said_by_now_is_said_at_once() -> None:
    heard = talk(forks(), (1000, "start"), (1150, "stop"))
    assert heard == [(1100, "started"), (1200, "working"), (1200, "stopping"), (1300, "stopped")]


def test_what_was_said_before_its_time_is_not_said_again_by_the_other_take() -> None:
    hasty = [(200, ">start"), (500, "<result"), (501, ">thanks"), (502, "<welcome"), (560, "<more")]
    played = recording(
        *take("went on", 0, *hasty, (5000, "<late")),
        *take("stopped", 10_000, *hasty, (600, ">stop"), (610, "<stopped")),
    )
    staging = Staging(played)
    staging.opens("live")
    heard = []
    for at, word in ((1000, "start"), (1150, "thanks"), (1152, "stop")):
        staging.hears(message("live", at, UP, type=word))
        heard += staging.says(at + 1)  # 'welcome' pulls 'result' forward; 'more' keeps its trace in the queue
    heard += staging.says(20_000)
    assert [word for _, word in briefly(heard)] == ["101", "result", "welcome", "more", "stopped"]


def test_after_a_turn_there_is_no_way_back() -> None:
    played = forks()
    staging = Staging(played)
    staging.opens("live")
    staging.hears(*(message("live", at, UP, type=word) for at, word in [(1000, "start"), (1400, "stop")]))
    staging.hears(message("live", 3000, UP, type="thanks"))
    assert [brief for _, brief in briefly(staging.says(9000))][-1] == "stopped"
    (turned,) = staging.notes("followed")
    assert turned.detail == {"as": "stopped", "instead of": "went on"}
    assert [note.detail["event"] for note in staging.notes("missed")] == ["thanks"]


def test_a_take_that_did_not_fit_once_is_no_way_out() -> None:
    played = recording(*take("a", 0, (200, ">one"), (300, "<1")), *take("b", 5000, (200, ">two"), (300, "<2")))
    assert talk(played, (1000, "two"), (2000, "one")) == [(1100, "2")]


def test_the_take_in_which_more_values_agree_is_followed_though_the_first_fits() -> None:
    def asked(flow: str, at: int, word: str, reply: str) -> list[Event]:
        return [
            *upgrade(flow, at),
            message(flow, at + 200, UP, type="ask", about=word),
            message(flow, at + 300, DOWN, type=reply),
        ]

    staging = Staging(recording(*asked("1", 0, "cats", "meow"), *asked("2", 5000, "dogs", "woof")))
    staging.opens("live")
    staging.hears(message("live", 1000, UP, type="ask", about="dogs"))
    assert briefly(staging.says(9000))[-1] == (1100, "woof")


def test_ids_that_were_given_before_a_turn_stay() -> None:
    ids = ("1f0c8a52-8f7b-4f0e-9d62-0b7a4f5c1d3e", "2f0c8a52-8f7b-4f0e-9d62-0b7a4f5c1d3e")

    def run(flow: str, at: int, run_id: str, *more: Event) -> list[Event]:
        started = message(flow, at + 300, DOWN, type="started", run_id=run_id)
        return [*upgrade(flow, at), message(flow, at + 200, UP, type="start"), started, *more]

    stopped = message("2", 5700, DOWN, type="stopped", run_id=ids[1])
    played = recording(*run("1", 0, ids[0]), *run("2", 5000, ids[1], message("2", 5600, UP, type="stop"), stopped))
    staging = Staging(played)
    staging.opens("live")
    staging.hears(message("live", 1000, UP, type="start"), message("live", 2000, UP, type="stop"))
    started, ended = (data(event)["run_id"] for event in staging.says(9000)[1:])
    assert started == ended
    assert started not in ids


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_whenever_a_client_turns_it_hears_one_take_to_its_end(started: int, later: int) -> None:
    heard = talk(forks(), (started + 300, "start"), (started + 300 + later, "stop"))
    words = [word for _, word in heard]
    assert words in (
        ["started", "working", "stopping", "stopped"],
        ["started", "working", "result", "stopping", "stopped"],  # it had all been said already
    )
    assert (words[2] == "result") == (later > 500)
    assert [at for at, _ in heard] == sorted(at for at, _ in heard)
