"""The session: flows that end, and what happens on one because of another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.core.events import Reset
from simulator.core.recording import Recording
from simulator.core.units import MILLISECOND
from tests.conversations import DOWN, THREAD, UP, agent_run, recording
from tests.core.playing import Staging, answer, briefly, message, post, start, upgrade

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
