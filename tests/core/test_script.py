"""The script: what the server does, and because of what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from simulator.core.errors import RecordingError
from simulator.core.events import Close, Direction, Event, Message, Ping, Pong, Response
from simulator.core.recording import Recording, Service
from simulator.core.script import compile_script, find_causes, greetings
from simulator.core.units import MILLISECOND
from simulator.core.values.planning import plan
from tests.conversations import DOWN, UP, agent_run, recording, recordings
from tests.core.playing import answer, down, get, message, post, socket, up, upgrade

MS = MILLISECOND


def causes(*said: Event) -> dict[int, int]:
    """What answers what, of everything on a socket after its 101, counted from 2; the opening is 0."""
    found = dict(find_causes(socket(*said), Direction.DOWNSTREAM))
    assert found.pop(1) == 0, "the 101 answers the request"
    return found


def ping(at: int, way: Direction, name: bytes = b"") -> Ping:
    return Ping(flow="1", at=at * MS, direction=way, data=name)


def pong(at: int, way: Direction, name: bytes = b"") -> Pong:
    return Pong(flow="1", at=at * MS, direction=way, data=name)


# --- causes that nobody named ----------------------------------------------------------------------------------


def test_an_answer_belongs_to_the_latest_that_was_said_before_it() -> None:
    assert causes(down(200, type="hello"), up(300, type="a"), up(400, type="b"), down(500, type="c")) == {
        2: 0,
        5: 4,
    }


def test_an_answer_belongs_to_its_own_flow() -> None:
    played = recording(*upgrade("1", 0), post("2", 200, "/a"), down(300, type="x"), answer("2", 400))
    assert dict(find_causes(played, Direction.DOWNSTREAM)) == {1: 0, 3: 0, 4: 2}


def test_a_beat_of_the_client_is_nobodys_cause_but_its_answers() -> None:
    said = (
        up(200, type="go"),
        up(300, type="ping"),
        down(400, type="pong"),
        up(500, type="ping"),
        down(600, type="x"),
    )
    assert causes(*said) == {4: 3, 6: 2}


def test_a_beat_of_the_server_has_its_own_clock() -> None:
    assert causes(up(200, type="go"), down(300, type="ping"), down(400, type="heartbeat")) == {3: 0, 4: 0}


def test_each_beat_is_answered_once() -> None:
    assert causes(up(200, type="ping"), down(300, type="pong"), down(400, type="pong")) == {3: 2, 4: 0}


def test_a_pong_belongs_to_the_ping_with_its_payload() -> None:
    said = (
        ping(200, UP, b"a"),
        ping(300, UP, b"b"),
        pong(400, DOWN, b"a"),
        pong(500, DOWN, b"b"),
        pong(600, DOWN, b"unsolicited"),
    )
    assert causes(*said) == {4: 2, 5: 3, 6: 0}


def test_pings_with_the_same_payload_are_answered_one_after_the_other() -> None:
    assert causes(ping(200, UP), pong(210, DOWN), ping(300, UP), pong(310, DOWN)) == {3: 2, 5: 4}


def test_a_ping_of_the_server_answers_nothing() -> None:
    assert causes(up(200, type="go"), ping(300, DOWN)) == {3: 0}


def test_a_ping_between_a_beat_and_its_answer_does_not_come_between_them() -> None:
    assert causes(up(200, type="ping"), ping(300, DOWN), down(400, type="pong")) == {3: 0, 4: 2}


def test_a_pong_of_the_client_is_nobodys_cause() -> None:
    assert causes(ping(200, DOWN), pong(210, UP), down(300, type="heartbeat"), ping(400, DOWN)) == {
        2: 0,
        4: 0,
        5: 0,
    }


def test_the_other_side_has_causes_too() -> None:
    played = socket(down(200, type="hello"), up(300, type="a"), ping(400, DOWN, b"x"), pong(500, UP, b"x"))
    assert dict(find_causes(played, Direction.UPSTREAM)) == {3: 2, 5: 4}


# --- causes that somebody named --------------------------------------------------------------------------------


def named(event: Event, name: str | None = None, cause: str | None = None) -> Event:
    return replace(event, id=name, cause=cause)


def test_a_cause_may_be_named_also_on_another_flow() -> None:
    played = recording(
        *upgrade("1", 0),
        named(post("2", 200, "/a"), "order"),
        answer("2", 300),
        named(down(400, type="done"), cause="order"),
    )
    assert dict(find_causes(played, Direction.DOWNSTREAM))[4] == 2
    reactions = {flow.flow: flow.opening.reactions for flow in compile_script(played).flows}
    assert [(item.index, item.delay) for item in reactions["2"]] == [(3, 100 * MS), (4, 200 * MS)]


def problem(played: Recording) -> str:
    with pytest.raises(RecordingError) as error:
        compile_script(played)
    return str(error.value)


def test_a_cause_that_nobody_is_called_is_told() -> None:
    said = up(200, type="go"), named(down(300, type="x"), cause="nobody")
    assert problem(socket(*said)) == "event 4 (flow 1): names the cause 'nobody', and no event has this id"


@pytest.mark.parametrize(
    "said",
    [
        (named(down(200, type="x"), "self", "self"),),
        (named(down(200, type="x"), cause="later"), named(up(300, type="go"), "later")),
        (named(down(200, type="x"), "mine"), named(down(300, type="y"), cause="mine")),
    ],
    ids=["itself", "later", "the same side"],
)
def test_a_cause_that_cannot_be_is_told(said: tuple[Event, ...]) -> None:
    assert "which is not an earlier event of the other side" in problem(socket(*said))


def test_a_flow_begins_with_its_request() -> None:
    assert problem(recording(Response(flow="7", at=0, status=200))) == (
        "flow 7: begins with a response; a flow begins with its request"
    )
    assert problem(recording(up(0, type="go"))).startswith("flow 1: begins with a message")


def test_an_empty_recording_is_an_empty_script() -> None:
    script = compile_script(recording())
    assert (script.flows, script.services) == ((), ("backend",))


# --- greetings -------------------------------------------------------------------------------------------------

MINE = {"type": "start", "thread_id": "thread_7"}
HEARD = {"type": "started", "thread_id": "thread_7"}


def greeted(*said: Event) -> set[int]:
    played = socket(*said)
    return set(greetings(played, plan(played)))


def test_what_is_said_before_the_server_shows_that_it_heard_is_a_greeting() -> None:
    assert greeted(up(200, **MINE), down(300, type="hello"), down(400, type="x"), down(500, **HEARD)) == {3, 4}


def test_what_is_said_to_a_client_that_waited_is_none() -> None:
    assert greeted(down(200, type="hello"), up(300, **MINE), down(400, type="x"), down(500, **HEARD)) == set()


def test_a_server_that_never_shows_that_it_heard_greeted_nobody() -> None:
    assert greeted(up(200, **MINE), down(300, type="hello"), down(400, type="x")) == set()


def test_a_beat_before_the_greeting_changes_nothing() -> None:
    said = up(150, type="ping"), up(200, **MINE), down(300, type="hello"), down(500, **HEARD)
    assert greeted(*said) == {4}
    assert dict(find_causes(socket(*said), Direction.DOWNSTREAM, frozenset({4})))[4] == 0


# --- the cut ---------------------------------------------------------------------------------------------------


def test_a_script_knows_its_flows_and_services() -> None:
    played = recording(
        get("1", 0, "/me", service="auth"),
        answer("1", 10),
        *upgrade("2", 100),
        message("2", 300, UP, type="ping"),
        Close(flow="2", at=900 * MS, direction=UP, code=1000),
        services=(Service(name="backend"),),
    )
    script = compile_script(played)
    assert script.services == ("backend", "auth")
    http, ws = script.flows
    assert (http.route, http.upgrade, http.begins, http.ends) == ("auth /me", False, 0, 10 * MS)
    assert (ws.route, ws.upgrade, ws.begins, ws.ends) == ("backend /ws", True, 100 * MS, 900 * MS)
    assert [item.heartbeat for item in ws.expectations] == [True, False]
    assert ws.request == played.events[2]


@given(recordings())
def test_every_event_of_the_server_has_exactly_one_cause_before_it(played: Recording) -> None:
    script = compile_script(played)
    found = [
        (reaction.index, expectation.index, reaction.delay)
        for flow in script.flows
        for expectation in (flow.opening, *flow.expectations)
        for reaction in expectation.reactions
    ]
    said = [index for index, event in enumerate(played.events) if event.direction is DOWN]
    assert sorted(index for index, _, _ in found) == said
    for index, cause, delay in found:
        assert cause < index
        assert delay == played.events[index].at - played.events[cause].at >= 0
        assert not isinstance(played.events[cause], Pong)


def test_an_agent_run_is_cut_where_people_would() -> None:
    (_, ws) = compile_script(agent_run()).flows
    said = {
        brief.event.data.partition('"type": "')[2].partition('"')[0]: len(brief.reactions)
        for brief in ws.expectations
        if isinstance(brief.event, Message) and isinstance(brief.event.data, str)
    }
    assert said == {"start_agent": 3}
    assert len(ws.opening.reactions) == 3
