"""Where recordings of the same service disagree."""

from __future__ import annotations

from simulator.core.matching.conflicts import conflicts
from simulator.core.recording import Recording
from tests.conversations import agent_run, corpus, recording
from tests.core.playing import DOWN, UP, answer, get, message, upgrade


def told(one: Recording, other: Recording) -> list[str]:
    return [str(item) for item in conflicts(corpus(("good", one), ("bad", other)))]


def health(status: int, **said: object) -> Recording:
    return recording(get("1", 0, "/health"), answer("1", 10, status=status, **said))


def test_another_status_is_a_conflict() -> None:
    assert told(health(200, ok=True), health(503, ok=False)) == [
        "GET /health: good/1 answers response 200 $.ok=True, and bad/1 response 503 $.ok=False; "
        "a client gets the first, unless it has done what only bad has"
    ]


def test_ids_and_times_are_none() -> None:
    assert told(health(200, now="2025-09-09T14:13:00Z"), health(200, now="2025-09-10T01:02:03Z")) == []
    assert told(agent_run(), agent_run()) == []


def test_a_message_that_only_one_has_finds_it() -> None:
    def talk(greeting: str, word: str) -> Recording:
        return recording(
            *upgrade("1", 0), message("1", 200, DOWN, type=greeting), message("1", 300, UP, type=word)
        )

    assert told(talk("hello", "start"), talk("sorry", "stop")) == [
        "GET /ws: good/1 answers hello $.type='hello', and bad/1 sorry $.type='sorry'; "
        "a client gets the first, unless it sends stop"
    ]


def test_one_that_answers_less_is_a_conflict() -> None:
    silent = recording(get("1", 0, "/health"))
    assert told(health(200), silent) == [
        "GET /health: good/1 answers response 200, and bad/1 nothing; "
        "a client gets the first, unless it has done what only bad has"
    ]
