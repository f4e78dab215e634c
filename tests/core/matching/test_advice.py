"""What a recording's own traffic says about matching."""

from __future__ import annotations

from simulator.core.events import Event
from simulator.core.matching.advice import advice
from simulator.core.script import compile_script
from tests.conversations import agent_run, recording
from tests.core.playing import DOWN, answer, get, message, post, socket, up


def advised(*events: Event, **header: object) -> list[str]:
    found = advice(compile_script(recording(*events, **header)))
    return [f"{item.option} {item.place} ({item.because})" for item in found]


def pair(one: str, other: str, *answers: str) -> list[Event]:
    first, second = (answer(flow, at, said=said) for flow, at, said in zip("12", (10, 30), answers, strict=True))
    return [post("1", 0, "/x", agent=one), first, post("2", 20, "/x", agent=other), second]


def test_a_value_that_decides_should_be_exact() -> None:
    said = ["match exact backend /x > $.agent ('triage' and 'data' had different answers)"]
    assert advised(*pair("triage", "data", "yes", "no")) == said
    assert advised(*pair("triage", "data", "yes", "yes")) == []
    assert advised(*pair("triage", "data", "yes", "no"), match={"backend /x > $.agent": "exact"}) == []


def test_free_text_decides_nothing() -> None:
    assert advised(*pair("Cut the costs!", "Grow the sales!", "yes", "no")) == []


def test_an_answer_that_differs_in_ids_and_times_only_is_the_same() -> None:
    ids = ("9b2f7a52-8f7b-4f0e-9d62-0b7a4f5c1d3e", "2025-09-09T14:13:00.120Z")
    assert advised(*pair("triage", "data", *ids)) == []


def test_a_query_that_changes_nothing_should_be_ignored() -> None:
    events = [get("1", 0, "/x?v=1"), answer("1", 10, ok=True), get("2", 20, "/x?v=2"), answer("2", 30, ok=True)]
    assert advised(*events) == ["ignore backend /x > query.v ('1' and '2' had the same answer)"]
    assert advised(*events, ignore=("backend /x > query.v",)) == []
    assert advised(*events[:3], answer("2", 30, ok=False)) == []


def test_messages_of_one_socket_are_compared_too() -> None:
    played = socket(
        up(200, type="subscribe", to="orders"),
        message("1", 250, DOWN, type="order"),
        up(300, type="subscribe", to="users"),
        message("1", 350, DOWN, type="user"),
    )
    (item,) = advice(compile_script(played))
    assert (item.option, item.place) == ("match exact", "backend /ws > $.to")


def test_a_run_that_says_everything_once_gives_none() -> None:
    assert advice(compile_script(agent_run())) == ()
