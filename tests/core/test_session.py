"""The session: a server's side of a recording, for whoever plays the client's."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Bytes, Chunk, Close, End, Event, Message, Ping, Pong, Response
from simulator.core.matching.compare import NearMiss
from simulator.core.recording import Recording, Service
from simulator.core.rule import Rule
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.drop import DropFault
from tests.conversations import DOWN, RUN, THREAD, UP, agent_run, recording, recordings
from tests.core.playing import Staging, answer, brief, briefly, data, down, get, post, socket, start, up

# --- a conversation --------------------------------------------------------------------------------------------


def test_each_answer_comes_as_long_after_its_cause_as_it_did() -> None:
    staging = Staging(agent_run())
    staging.opens(at=5000)
    assert staging.session.deadline() == 5000 * MILLISECOND
    assert briefly(staging.says(20_000)) == [(5300, "101"), (5400, "system_message"), (5410, "ping")]
    assert staging.session.deadline() is None, "nothing comes until the client says something"
    staging.hears(start(30_000, THREAD))
    heard = staging.says(60_000)
    assert briefly(heard) == [(30_100, "agent_started"), (30_300, "agent_thinking"), (30_500, "agent_completed")]


def test_nothing_is_said_before_its_time() -> None:
    staging = Staging(agent_run())
    staging.opens()
    assert staging.says(299) == []
    assert staging.session.deadline() == 300 * MILLISECOND
    assert briefly(staging.says(300)) == [(300, "101")]


def test_the_client_gets_its_own_ids_and_fresh_ones_of_the_server() -> None:
    staging = Staging(agent_run())
    staging.opens()
    staging.says(1000)
    staging.hears(start(1000, "thread_of_mine"))
    events = [data(event)["data"] for event in staging.says(5000)]
    assert {event["thread_id"] for event in events} == {"thread_of_mine"}  # type: ignore[index]
    (run,) = {event["run_id"] for event in events}  # type: ignore[index]
    assert run != RUN
    assert len(run) == len(RUN)


def test_a_recorded_message_is_used_once() -> None:
    staging = Staging(agent_run())
    staging.opens()
    staging.says(1000)
    staging.hears(start(1000, "t-1"), start(1100, "t-2"))
    assert len(staging.says(9000)) == 3
    (missed,) = staging.notes("missed")
    assert missed.detail == {"event": "start_agent", "nearest": [{"recorded": "start_agent", "used": True}]}


def test_of_two_that_fit_the_better_one_is_taken_whatever_their_order() -> None:
    played = socket(
        up(200, type="get", what="apples"),
        down(300, type="apples"),
        up(400, type="get", what="pears"),
        down(500, type="pears"),
    )
    staging = Staging(played)
    staging.opens()
    staging.hears(up(1000, type="get", what="pears"), up(2000, type="get", what="apples"))
    assert briefly(staging.says(9000)) == [(100, "101"), (1100, "pears"), (2100, "apples")]


def test_speed_divides_the_recorded_delays() -> None:
    staging = Staging(agent_run(), speed=10)
    staging.opens()
    assert briefly(staging.says(9000)) == [(30, "101"), (40, "system_message"), (41, "ping")]
    staging = Staging(agent_run(), speed=math.inf)
    staging.opens()
    assert briefly(staging.says(0)) == [(0, "101"), (0, "system_message"), (0, "ping")]


# --- HTTP ------------------------------------------------------------------------------------------------------

POLLS = recording(
    get("1", 0, "/health"),
    answer("1", 10, 503, state="starting"),
    get("2", 100, "/health"),
    answer("2", 110, 200, state="up"),
    post("3", 200, "/login", email="a@example.com"),
    answer("3", 250, 200, token="t"),
)


def test_takes_come_in_their_order_and_the_last_one_stays() -> None:
    staging = Staging(POLLS)
    staging.hears(*(get(f"live {number}", number * 100, "/health") for number in range(4)))
    assert [brief(event) for event in staging.says(1000)] == ["503", "200", "200", "200"]


def test_what_is_not_in_the_recording_is_answered_501_with_the_nearest_first() -> None:
    staging = Staging(POLLS)
    staging.hears(post("x", 0, "/logout", email="a@example.com"))
    (response,) = staging.says(0)
    assert brief(response) == "501"
    body = data(response)
    assert body["request"] == "POST /logout"
    assert body["nearest"][0] == {  # type: ignore[index]
        "recorded": "POST /login",
        "differs": [{"at": "path", "recorded": "/login", "came": "/logout"}],
    }
    assert [note.detail["event"] for note in staging.notes("missed")] == ["POST /logout"]


def test_a_response_in_pieces_comes_in_pieces() -> None:
    played = recording(
        get("1", 0, "/events"),
        Response(flow="1", at=10 * MILLISECOND, status=200, streaming=True),
        *(Chunk(flow="1", at=number * 100 * MILLISECOND, data=b"data: %d\n\n" % number) for number in (1, 2)),
        End(flow="1", at=300 * MILLISECOND),
    )
    staging = Staging(played)
    staging.hears(get("x", 0, "/events"))
    assert [event.kind for event in staging.says(1000)] == ["response", "chunk", "chunk", "end"]
    assert staging.session.deadline() is None


def test_a_request_to_nobody_in_particular_is_for_the_service_that_answers_it() -> None:
    played = recording(
        get("1", 0, "/me", service="auth"),
        answer("1", 10),
        services=(Service(name="backend"), Service(name="auth")),
    )
    staging = Staging(played)
    staging.hears(get("x", 0, "/me", service=""), get("y", 0, "/nowhere", service=""))
    assert [brief(event) for event in staging.says(100)] == ["501", "200"]
    services = [event.service for event in staging.session.journal.events if event.kind == "request"]  # type: ignore[attr-defined]
    assert services == ["auth", "backend"]


def test_a_request_to_a_service_is_not_answered_by_another() -> None:
    staging = Staging(POLLS)
    staging.hears(get("x", 0, "/health", service="auth"))
    (response,) = staging.says(100)
    differs = data(response)["nearest"][0]["differs"]  # type: ignore[index]
    assert differs == [{"at": "service", "recorded": "backend", "came": "auth"}]


# --- WebSocket -------------------------------------------------------------------------------------------------


def test_heartbeats_are_answered_as_often_as_they_come() -> None:
    played = socket(up(200, type="ping"), down(210, type="pong"), up(300, type="go"), down(400, type="done"))
    staging = Staging(played)
    staging.opens()
    staging.says(500)
    staging.hears(*(up(number * 1000, type="ping") for number in (1, 2, 3)))
    assert briefly(staging.says(9000)) == [(1010, "pong"), (2010, "pong"), (3010, "pong")]


def test_a_ping_is_answered_with_its_own_payload_recorded_or_not() -> None:
    played = socket(
        Ping(flow="1", at=200 * MILLISECOND, direction=UP, data=b"a"),
        Pong(flow="1", at=250 * MILLISECOND, direction=DOWN, data=b"a"),
    )
    for recorded, delay in ((played, 50), (socket(), 0)):
        staging = Staging(recorded)
        staging.opens()
        staging.says(500)
        staging.hears(Ping(flow="1", at=SECOND, direction=UP, data=b"mine"))
        (pong,) = staging.says(9000)
        assert isinstance(pong, Pong)
        assert (pong.at, pong.data) == (SECOND + delay * MILLISECOND, b"mine")


def test_a_pong_of_the_client_is_nothing_to_answer() -> None:
    staging = Staging(socket())
    staging.opens()
    staging.hears(Pong(flow="1", at=SECOND, direction=UP, data=b"x"))
    assert briefly(staging.says(9000)) == [(100, "101")]
    assert staging.notes("missed") == ()


def test_a_beat_of_the_server_goes_on_after_the_pong_of_a_client() -> None:
    played = socket(
        Ping(flow="1", at=200 * MILLISECOND, direction=DOWN, data=b"a"),
        Pong(flow="1", at=210 * MILLISECOND, direction=UP, data=b"a"),
        down(300, type="heartbeat"),
    )
    staging = Staging(played)
    staging.opens()
    assert briefly(staging.says(9000)) == [(100, "101"), (200, "ping"), (300, "heartbeat")]


def test_a_close_is_answered_though_nobody_recorded_one() -> None:
    staging = Staging(socket(down(5000, type="late")))
    staging.opens()
    staging.says(500)
    staging.hears(Close(flow="1", at=SECOND, direction=UP, code=4001))
    assert briefly(staging.says(9000)) == [(1000, "close 4001")]


def test_a_client_that_closes_first_does_not_wait_for_the_close_of_the_server() -> None:
    played = socket(
        down(200, type="hello"),
        Close(flow="1", at=60 * SECOND, direction=DOWN, code=1000),
        Close(flow="1", at=60 * SECOND + 1, direction=UP, code=1000),
    )
    staging = Staging(played)
    staging.opens()
    staging.says(500)
    staging.hears(Close(flow="1", at=SECOND, direction=UP, code=1001))
    assert briefly(staging.says(90_000)) == [(1000, "close 1001")]


def test_a_server_that_never_answered_a_close_does_not_answer_it_now() -> None:
    staging = Staging(socket(Close(flow="1", at=SECOND, direction=UP, code=1000)))
    staging.opens()
    staging.hears(Close(flow="1", at=SECOND, direction=UP, code=1000))
    assert briefly(staging.says(90_000)) == [(100, "101")]


def test_after_its_close_a_client_is_not_listened_to() -> None:
    staging = Staging(agent_run())
    staging.opens()
    staging.hears(Close(flow="1", at=SECOND, direction=UP, code=1000), start(1100, "t-1"))
    assert "agent_started" not in [brief(event) for event in staging.says(9000)]


def test_what_is_no_frame_is_a_protocol_error() -> None:
    staging = Staging(socket())
    staging.opens()
    staging.hears(Bytes(flow="1", at=SECOND, direction=UP, data=b"\xff\xff"))
    assert briefly(staging.says(9000)) == [(100, "101"), (1000, "close 1002")]


def test_a_message_that_is_not_recorded_is_noted_and_nothing_else() -> None:
    staging = Staging(agent_run())
    staging.opens()
    staging.hears(up(2000, type="dance"))
    assert [brief(event) for event in staging.says(9000)] == ["101", "system_message", "ping"]
    (missed,) = staging.notes("missed")
    assert missed.detail["event"] == "dance"
    assert [str(miss) for miss in NearMiss.read(missed.detail["nearest"])] == [
        "start_agent: $.type: expected 'start_agent', got 'dance'; $.thread_id: expected "
        f"{THREAD!r}, got nothing; $.payload: expected {{'user_request': 'Cut the costs'}}, got nothing"
    ]


def test_a_strict_server_closes_on_what_is_not_recorded() -> None:
    staging = Staging(agent_run(), strict=True)
    staging.opens()
    staging.hears(up(2000, type="dance" * 50))
    close = staging.says(9000)[-1]
    assert isinstance(close, Close)
    assert (close.at, close.code) == (2 * SECOND, 1008)
    assert close.reason.startswith("not in the recording: ")
    assert len(close.reason.encode()) <= 123


def test_a_socket_that_is_not_recorded_is_refused() -> None:
    staging = Staging(agent_run())
    staging.opens(target="/other")
    assert [brief(event) for event in staging.says(100)] == ["501"]
    staging.hears(start(200, THREAD))
    assert staging.says(9000) == []


def test_a_client_that_spoke_before_its_socket_was_open_is_heard() -> None:
    staging = Staging(agent_run())
    staging.opens()
    staging.hears(start(0, "t-1"))
    heard = briefly(staging.says(9000))
    assert heard[0] == (300, "101")
    assert sorted(what for _, what in heard[1:]) == sorted(
        ["system_message", "ping", "agent_started", "agent_thinking", "agent_completed"]
    )


# --- rules -----------------------------------------------------------------------------------------------------


def test_a_rule_is_armed_once_under_its_name() -> None:
    drop = Rule(name="drop", fault=DropFault())
    staging = Staging(agent_run(), drop)
    with pytest.raises(ValueError, match="'drop' is armed already"):
        staging.session.arm(drop)
    assert staging.session.disarm("drop", 0)
    assert not staging.session.disarm("drop", 0)
    staging.session.arm(drop)
    staging.opens()
    assert [brief(event) for event in staging.says(9000)] == ["101"]


# --- laws ------------------------------------------------------------------------------------------------------


@given(recordings(), st.lists(st.integers(0, 10_000), min_size=1, max_size=8))
def test_asking_more_often_changes_nothing(played: Recording, moments: list[int]) -> None:
    """The same is said at the same times, however often somebody asks for what is due."""

    def opened() -> Staging:
        staging = Staging(played)
        staging.hears(*(flow[0] for flow in played.flows().values()))
        return staging

    once, often = opened().says(20_000), opened()
    heard = [event for moment in [*sorted(moments), 20_000] for event in often.says(moment)]
    assert heard == once
    assert [event.at for event in once] == sorted(event.at for event in once)


live_events: st.SearchStrategy[Event] = st.one_of(
    st.builds(lambda text: Message(flow="1", at=0, direction=UP, data=text), st.text(max_size=30)),
    st.builds(lambda data: Message(flow="1", at=0, direction=UP, data=data), st.binary(max_size=9)),
    st.builds(
        lambda value: Message(flow="1", at=0, direction=UP, data=json.dumps(value)),
        st.dictionaries(
            st.sampled_from(["type", "thread_id", "payload", "id"]),
            st.text(max_size=6) | st.none() | st.integers() | st.lists(st.text(max_size=3), max_size=2),
        ),
    ),
    st.builds(lambda data: Ping(flow="1", at=0, direction=UP, data=data), st.binary(max_size=9)),
    st.just(Pong(flow="1", at=0, direction=UP)),
    st.just(Bytes(flow="1", at=0, direction=UP, data=b"\x00")),
    st.builds(lambda code: Close(flow="1", at=0, direction=UP, code=code), st.none() | st.integers(0, 65535)),
)


@given(st.lists(live_events, max_size=8), st.booleans(), st.booleans())
def test_no_client_breaks_a_session(said: list[Event], strict: bool, fresh: bool) -> None:
    staging = Staging(agent_run(), strict=strict, fresh=fresh)
    staging.opens()
    for number, event in enumerate(said):
        staging.hears(replace(event, at=(500 + number) * MILLISECOND))
    heard = staging.says(90_000)
    assert all(event.direction is DOWN for event in heard)
    assert sum(isinstance(event, Close) for event in heard) <= 1
