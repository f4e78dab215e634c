"""The session: flows that end, and what happens on one because of another."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Request, Reset, Response
from simulator.core.recording import Recording
from simulator.core.units import MILLISECOND
from tests.conversations import DOWN, THREAD, UP, agent_run, recording
from tests.core.playing import Staging, answer, briefly, data, get, message, post, start, upgrade

# --- who is gone -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["reset", "forget"])
def test_nothing_is_said_to_who_is_gone(how: str) -> None:
    staging = Staging(agent_run())
    staging.opens()
    staging.says(350)
    if how == "reset":
        staging.hears(Reset(flow="1", at=360 * MILLISECOND, direction=UP))
    else:
        staging.session.forget("1")
    assert staging.session.deadline() is None
    assert staging.says(9000) == []
    staging.hears(start(9000, THREAD))
    assert staging.says(20_000) == []


def test_what_comes_from_nowhere_is_ignored() -> None:
    staging = Staging(agent_run())
    staging.hears(start(0, THREAD), Reset(flow="7", at=0, direction=UP))
    staging.session.forget("7")
    assert len(staging.session.journal) == 0
    assert staging.session.deadline() is None


# --- causes on other flows -------------------------------------------------------------------------------------


def job(said: int) -> Recording:
    """A job is ordered by HTTP, and a socket says when it is done."""
    return recording(
        replace(post("p", 1000, "/jobs", name="x"), id="order"),
        answer("p", 1010, 202),
        *upgrade("w", 1100 if said > 1100 else 0),
        replace(message("w", said, DOWN, type="done"), cause="order"),
    )


def test_a_request_moves_a_socket_that_is_open() -> None:
    played = recording(
        *upgrade("w", 0),
        replace(post("p", 1000, "/jobs", name="x"), id="order"),
        answer("p", 1010, 202),
        replace(message("w", 1050, DOWN, type="done"), cause="order"),
    )
    staging = Staging(played)
    staging.opens("live w")
    staging.says(4000)
    staging.hears(post("live p", 5000, "/jobs", name="x"))
    heard = staging.says(9000)
    assert briefly(heard) == [(5010, "202"), (5050, "done")]
    assert [event.flow for event in heard] == ["live p", "live w"]


@pytest.mark.parametrize(("opened", "due"), [(100, 2000), (5000, 5100)])
def test_a_request_moves_a_socket_that_is_not_open_yet(opened: int, due: int) -> None:
    played = job(said=3000)
    staging = Staging(played)
    staging.hears(post("live p", 0, "/jobs", name="x"))
    staging.says(50)
    staging.opens("live w", at=opened)
    heard = staging.says(9000)
    assert briefly(heard) == [(opened + 100, "101"), (max(due, opened + 100), "done")]
    assert {event.flow for event in heard} == {"live w"}


def test_a_request_moves_the_socket_of_its_own_client_and_no_other() -> None:
    played = recording(
        *upgrade("w", 0, "/ws?token=recorded-token-1"),
        replace(post("p", 1000, "/jobs?token=recorded-token-1"), id="order"),
        answer("p", 1010, 202),
        replace(message("w", 1050, DOWN, type="done"), cause="order"),
    )
    staging = Staging(played)
    for name in ("alice", "bob"):
        staging.opens(f"{name}'s socket", target=f"/ws?token=token-of-{name}")
    staging.says(4000)
    staging.hears(post("bob's order", 5000, "/jobs?token=token-of-bob"))
    assert [event.flow for event in staging.says(9000)] == ["bob's order", "bob's socket"]


# --- anybody ---------------------------------------------------------------------------------------------------

latin = st.text(st.characters(codec="latin-1"), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["Authorization", "Cookie", "Sec-WebSocket-Protocol", "X-Api-Key", "Upgrade", "X-Id"])
requests = st.builds(
    lambda flow, method, target, headers, body: Request(
        flow=flow, at=0, service="", method=method, target=target, headers=tuple(headers), body=body
    ),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["GET", "POST", "BREW"]),
    st.sampled_from(["/login", "/ws"]) | latin.map(lambda text: f"/{text}"),
    st.lists(st.tuples(fields, latin | st.just("websocket") | latin.map(lambda text: f"jwt.{text}")), max_size=3),
    st.binary(max_size=20) | values.map(lambda value: json.dumps(value).encode()),
)


@given(st.lists(requests, max_size=5), st.booleans())
def test_no_request_breaks_a_session(asked: list[Request], strict: bool) -> None:
    staging = Staging(agent_run(), strict=strict, origins={"backend": "http://127.0.0.1:1"})
    for number, request in enumerate(asked):
        staging.hears(replace(request, at=number * 100 * MILLISECOND))
        staging.says(number * 100 + 50)
    statuses = {event.status for event in staging.session.journal.events if isinstance(event, Response)}
    assert statuses <= {101, 200, 501}


# --- whoever comes back to what it had before -------------------------------------------------------------------

RUN = "run_7f0c8a52e1b4"
TOKEN = {"headers": (("Authorization", "Bearer opaque-7f0c8a52-0001"),)}
CHAT = recording(
    post("1", 0, "/chat", thread_id="thread_1757400000_a", **TOKEN),
    answer("1", 100, run_id=RUN, thread_id="thread_1757400000_a"),
    get("2", 200, f"/runs/{RUN}", **TOKEN),
    answer("2", 300, run_id=RUN, thread_id="thread_1757400000_a", state="done"),
)


@given(st.lists(st.sampled_from(("here", "there")), max_size=6))
def test_a_client_that_names_what_it_had_before_is_answered_about_that(asked: list[str]) -> None:
    """Two runs at once, on a recording that has one."""
    staging, runs, now = Staging(CHAT), dict[str, object](), 0
    for flow, thread in enumerate(("here", "there")):
        staging.hears(post(f"chat {flow}", now, "/chat", thread_id=thread, **TOKEN))
        (said,) = staging.says(now := now + 1000)
        assert data(said)["thread_id"] == thread
        runs[thread] = data(said)["run_id"]
    assert runs["here"] != runs["there"]
    for number, thread in enumerate(("here", "there", *asked)):
        staging.hears(get(f"get {number}", now, f"/runs/{runs[thread]}", **TOKEN))
        (said,) = staging.says(now := now + 1000)
        assert data(said) == {"run_id": runs[thread], "thread_id": thread, "state": "done"}
