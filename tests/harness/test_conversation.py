"""A journal's assertions: what they hold of, and what they say and show where they fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simulator.core.events import Request
from simulator.core.journal import Note
from simulator.core.jsontext import Json
from simulator.core.simulation import simulate
from simulator.harness.conversation import Conversation
from tests.conversations import agent_run

JOURNAL = Conversation(tuple(simulate(agent_run())))


def test_what_was_said_holds() -> None:
    JOURNAL.assert_received("agent_completed", "system_message", "response 200")
    JOURNAL.assert_order("response 200", "system_message", "agent_started", "agent_completed", "close 1000")
    JOURNAL.assert_count("agent_thinking", 1)
    JOURNAL.assert_count("agent_failed", 0)
    JOURNAL.assert_sent("close 1000", "POST /login", "start_agent")
    JOURNAL.assert_within("response 200", "300ms")
    JOURNAL.assert_within("agent_completed", "500ms", of="start_agent")
    JOURNAL.assert_not_before("agent_completed", "500ms", of="start_agent")
    JOURNAL.assert_not_before("close 1000", "1ms", of="close 1000")


WRONG: list[tuple[Callable[[], None], str]] = [
    (lambda: JOURNAL.assert_received("agent_failed"), "expected agent_failed to be sent to a client"),
    (lambda: JOURNAL.assert_order("agent_thinking", "agent_started"), "expected agent_started in the order *"),
    (lambda: JOURNAL.assert_count("ping", 2), "expected ping 2 times, it was sent 1 times"),
    (lambda: JOURNAL.assert_sent("stop_agent"), "expected a client to send stop_agent"),
    (
        lambda: JOURNAL.assert_within("agent_completed", "499ms", of="start_agent"),
        "expected agent_completed within 499ms, it came after 0.500 s",
    ),
    (
        lambda: JOURNAL.assert_not_before("agent_started", "1s", of="start_agent"),
        "expected agent_started not before 1s, it came after 0.100 s",
    ),
    (lambda: JOURNAL.assert_within("start_agent", "60s", of="agent_started"), "expected start_agent"),
    (lambda: JOURNAL.assert_within("agent_started", "60s", of="stop_agent"), "expected stop_agent"),
]


@pytest.mark.parametrize(("assertion", "problem"), WRONG)
def test_what_was_not_said_fails_and_shows_the_conversation(assertion: Callable[[], None], problem: str) -> None:
    with pytest.raises(AssertionError) as failed:
        assertion()
    first, *shown = str(failed.value).splitlines()
    assert first == problem or (problem.endswith("*") and first.startswith(problem[:-1]))
    assert shown[0] == "the conversation:"
    assert "     0.000 s  flow 1  → POST /login  " + '{"email": "e2e@example.com"}' in shown


def test_what_it_shows_is_without_secrets() -> None:
    """Of a request that was missed, too: the plugin's failures quote it."""
    login = Request(
        flow="9",
        at=0,
        service="backend",
        method="POST",
        target="/auth/signin",
        headers=(("content-type", "application/json"),),
        body=b'{"email": "me@example.com", "password": "correct horse battery staple"}',
    )
    differs: list[Json] = [{"at": "body", "recorded": "", "came": login.body.decode()}]
    nearest: list[Json] = [{"recorded": "POST /login", "differs": differs}]
    missed = Note(at=0, flow="9", what="missed", detail={"event": "POST /auth/signin", "nearest": nearest})
    seen = Conversation((login, missed))
    with pytest.raises(AssertionError) as failed:
        seen.assert_received("response 200")
    for shown in (str(failed.value), str(seen), seen.end(5), repr(seen)):
        assert "horse" not in shown
    assert "POST /auth/signin" in str(seen) and "me@example.com" in str(seen)
    assert seen.events == [login]
