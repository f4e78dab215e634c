"""Replies: which recorded event a live one stands for, and what is said when there is none."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Bytes, Close, Event, Message, Ping, Pong
from simulator.core.jsontext import Json
from simulator.core.lazy import Lazy
from simulator.core.matching.compare import compare
from simulator.core.matching.replies import (
    NEAREST,
    choose_expectation,
    choose_flow,
    not_in_recording,
    policy_close,
    protocol_answer,
)
from simulator.core.recording import Recording, Service
from simulator.core.script import Expectation, compile_script
from simulator.core.values.bindings import Bindings, Scope
from simulator.core.values.correlation import Plan
from tests.conversations import DOWN, UP, recording
from tests.core.playing import answer, data, get, post, socket, up

NOBODY = Bindings(plan=Plan(), client=Scope(), rng=random.Random(0))


def flows(played: Recording, request: Event) -> list[str]:
    choice = choose_flow(compile_script(played), request, NOBODY)  # type: ignore[arg-type]
    return [take.flow for take in choice.takes]


def misses(played: Recording, request: Event) -> list[str]:
    choice = choose_flow(compile_script(played), request, NOBODY)  # type: ignore[arg-type]
    return [str(miss) for miss in choice.misses]


ITEMS = recording(
    get("1", 0, "/items?page=1"),
    answer("1", 10),
    get("2", 20, "/items?page=2"),
    answer("2", 30),
    post("3", 40, "/items", name="a"),
    answer("3", 50),
    post("4", 60, "/items", name="b"),
    answer("4", 70),
    get("5", 80, "/items?page=1"),
    answer("5", 90),
)


def test_all_takes_that_fit_best_are_chosen_in_their_order() -> None:
    assert flows(ITEMS, get("x", 0, "/items?page=1")) == ["1", "5"]
    assert flows(ITEMS, get("x", 0, "/items?page=2")) == ["2"]
    assert flows(ITEMS, post("x", 0, "/items", name="b")) == ["4"]
    assert flows(ITEMS, post("x", 0, "/items", name="c")) == ["3", "4"]
    assert flows(ITEMS, get("x", 0, "/items?page=3")) == []


def test_the_nearest_misses_come_first_and_each_is_told_once() -> None:
    assert misses(ITEMS, get("x", 0, "/items?page=3")) == [
        "GET /items?page=1: query.page: expected '1', got '3'",
        "GET /items?page=2: query.page: expected '2', got '3'",
        "POST /items: method: expected POST, got GET; query.page: expected nothing, got '3'; "
        "body: expected JSON, got something else",
    ]
    assert misses(recording(), get("x", 0, "/")) == []


def test_the_first_service_comes_first_where_nobody_said_which() -> None:
    played = recording(
        get("a", 0, "/me", service="auth"),
        answer("a", 10),
        get("b", 20, "/me"),
        answer("b", 30),
        services=(Service(name="backend"), Service(name="auth")),
    )
    assert flows(played, get("x", 0, "/me", service="")) == ["b"]
    assert flows(played, get("x", 0, "/me", service="auth")) == ["a"]


def test_an_expectation_is_used_once_unless_it_is_a_beat() -> None:
    (flow,) = compile_script(socket(up(200, type="go"), up(300, type="ping"))).flows
    go, beat = flow.expectations
    assert choose_expectation(flow.expectations, up(0, type="go"), set(), NOBODY).expectation is go
    used = choose_expectation(flow.expectations, up(0, type="go"), {go.index}, NOBODY)
    assert used.expectation is None
    assert [str(miss) for miss in used.misses] == ["go: already used", "ping: $.type: expected 'ping', got 'go'"]
    assert choose_expectation(flow.expectations, up(0, type="ping"), set(), NOBODY).expectation is beat


def test_events_of_another_kind_are_no_misses() -> None:
    (flow,) = compile_script(socket(Ping(flow="1", at=200, direction=UP))).flows
    assert choose_expectation(flow.expectations, up(0, type="go"), set(), NOBODY).misses == ()


def test_what_is_not_recorded_is_answered_for_programs_and_people() -> None:
    request = get("x", 7, "/items?page=3")
    choice = choose_flow(compile_script(ITEMS), request, NOBODY)
    response = not_in_recording(request, choice.misses)
    assert (response.flow, response.at, response.status) == ("x", 7000, 501)
    assert dict(response.headers)["Content-Length"] == str(len(response.body))
    body = data(response)
    assert (body["error"], body["request"]) == ("not in the recording", "GET /items?page=3")
    assert len(body["nearest"]) == NEAREST  # type: ignore[arg-type]


def test_the_protocol_answers_by_itself() -> None:
    ping = protocol_answer(Ping(flow="1", at=5, direction=UP, data=b"x"))
    assert ping == Pong(flow="1", at=5, direction=DOWN, data=b"x")
    for code in (1000, 4999, None):
        close = protocol_answer(Close(flow="1", at=5, direction=UP, code=code, reason="bye"))
        assert close == Close(flow="1", at=5, direction=DOWN, code=code)
    noise = protocol_answer(Bytes(flow="1", at=5, direction=UP, data=b"\xff"))
    assert isinstance(noise, Close)
    assert noise.code == 1002
    assert protocol_answer(up(0, type="go")) is None


@given(st.text("aé🦀", min_size=1, max_size=200))
def test_the_reason_of_a_policy_close_always_fits(name: str) -> None:
    close = policy_close(post("1", 0, f"/{name}"))
    assert close.code == 1008
    assert len(close.reason.encode()) <= 123
    assert close.reason.startswith("not in the recording: POST /")


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 3))
def test_the_earliest_of_equals_is_chosen(kinds: list[int], wanted: int) -> None:
    said = [up(200 + index, type=f"kind_{kind}") for index, kind in enumerate(kinds)]
    (flow,) = compile_script(socket(*said)).flows
    found = choose_expectation(flow.expectations, up(0, type=f"kind_{wanted}"), set(), NOBODY).expectation
    if wanted not in kinds:
        assert found is None
    else:
        assert found is not None
        assert isinstance(found.event, Message)
        assert found.index == 2 + kinds.index(wanted)


SCALARS = st.sampled_from((None, True, 1, 2, "a", "go"))
DOCUMENTS = st.dictionaries(
    st.sampled_from(("type", "x", "y")),
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xy"), inner)
    ),
    max_size=3,
)


@given(st.lists(DOCUMENTS, max_size=8), DOCUMENTS, st.sets(st.integers(0, 7)), st.booleans())
def test_the_best_is_found_without_a_look_at_the_rest(
    said: list[dict[str, Json]], live: dict[str, Json], used: set[int], lazy: bool
) -> None:
    items = [Expectation(index=index, event=up(index, **one)) for index, one in enumerate(said)]
    given_ = Lazy(range(len(items)), items.__getitem__) if lazy else items
    found = choose_expectation(given_, up(0, **live), used, NOBODY)
    outcomes = [compare(item.event, up(0, **live), NOBODY.stands_for) for item in items]
    fitting = [item.index for item in items if item.index not in used and outcomes[item.index].matches]
    best = max(fitting, key=lambda index: outcomes[index].score, default=None)
    assert (found.expectation.index if found.expectation else None) == best
    assert found.score == (0 if best is None else outcomes[best].score)
    assert bool(found.misses) == (best is None and bool(items))


def test_a_perfect_match_is_the_last_that_is_looked_at() -> None:
    looked: list[int] = []

    def item(index: int) -> Expectation:
        looked.append(index)
        return Expectation(index=index, event=up(index, type="go", number=index))

    found = choose_expectation(Lazy(range(1000), item), up(0, type="go", number=5), {0, 1, 2}, NOBODY)
    assert found.expectation is not None
    assert (found.expectation.index, looked) == (5, [3, 4, 5])
