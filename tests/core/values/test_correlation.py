"""Correlation: what travels is found, and what only seems to is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Event, Request, Response
from simulator.core.recording import Correlation, Recording
from simulator.core.units import MILLISECOND
from simulator.core.values.correlation import propose
from simulator.core.values.planning import plan, uncorrelated
from tests.conversations import CREATED, agent_run, recording, recordings
from tests.core.playing import answer, down, get, post, socket, up, upgrade

UUID = "0b8f3c52-7d0e-4c55-9a55-5d3b8d0e6a11"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


def found(*said: Event, **header: object) -> list[tuple[str, str, tuple[str, ...]]]:
    """What is proposed for a WebSocket on which this was said."""
    return [(item.kind, item.source, item.targets) for item in propose(socket(*said, **header))]


# --- what travels ----------------------------------------------------------------------------------------------


def test_an_id_of_the_client_that_comes_back_is_echoed() -> None:
    said = up(200, type="start", thread_id="thread_of_alice"), down(300, type="started", thread="thread_of_alice_")
    assert found(*said) == []
    said = up(200, type="start", thread_id="thread_7"), down(300, type="started", data={"thread_id": "thread_7"})
    assert found(*said) == [("echoed", "backend /ws > $.thread_id", ("backend /ws < $.data.thread_id",))]


def test_a_sentence_of_the_client_comes_back_under_any_name() -> None:
    said = up(200, type="ask", text="Cut the costs"), down(300, type="heard", prompt="Cut the costs")
    assert found(*said) == [("echoed", "backend /ws > $.text", ("backend /ws < $.prompt",))]


def test_a_uuid_of_the_server_is_minted_and_travels_wherever_it_is_seen() -> None:
    said = down(200, type="hello", session=UUID), up(300, type="start", session=UUID), down(400, type="x", s=UUID)
    assert found(*said) == [
        ("minted", "backend /ws < $.session", ("backend /ws > $.session", "backend /ws < $.s")),
    ]


def test_what_the_server_calls_an_id_is_minted_though_it_comes_once() -> None:
    assert found(down(200, type="hello", run_id="run_start_1_ab12cd34")) == [
        ("minted", "backend /ws < $.run_id", ())
    ]


def test_a_json_web_token_is_a_token() -> None:
    assert found(down(200, type="hello", access_token=JWT)) == [("token", "backend /ws < $.access_token", ())]


def test_values_travel_from_bodies_to_paths_queries_and_headers() -> None:
    played = recording(
        post("1", 0, "/threads"),
        answer("1", 10, 201, id=UUID),
        get("2", 20, f"/threads/{UUID}/runs?thread={UUID}", (("X-Thread", UUID),)),
        answer("2", 30, runs=[{"thread": UUID}]),
    )
    (only,) = propose(played)
    assert only.source == "backend /threads < $.id"
    assert only.targets == (
        "backend /threads/{}/runs > path[1]",
        "backend /threads/{}/runs > query.thread",
        "backend /threads/{}/runs > header.x-thread",
        "backend /threads/{}/runs < $.runs[*].thread",
    )


def test_a_number_in_a_body_is_the_same_in_a_path() -> None:
    played = recording(
        get("1", 0, "/items/48213"), answer("1", 10, id=48213), get("2", 20, "/items/48213"), answer("2", 30)
    )
    variables = plan(played).variables
    assert [(item.kind, item.value) for item in variables] == [("echoed", "48213")]


def test_every_item_of_a_list_stands_in_one_place() -> None:
    ids = [f"0b8f3c52-7d0e-4c55-9a55-5d3b8d0e6a{number:02d}" for number in range(10, 13)]
    said = down(200, type="list", items=[{"id": item} for item in ids]), up(300, type="get", id=ids[2])
    assert found(*said) == [("minted", "backend /ws < $.items[*].id", ("backend /ws > $.id",))]
    assert [item.value for item in plan(socket(*said)).variables] == ids


# --- false friends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["active", "in_progress", "application/json", "GET", "en-US", "gpt", True, False, None, "", 1, 200],
)
def test_words_and_small_numbers_are_chance(value: object) -> None:
    assert found(up(200, type="a", state=value), down(300, type="b", status=value)) == []
    assert found(down(200, type="b", status=value), up(300, type="a", state=value)) == []
    assert found(down(200, type="b", status=value), down(300, type="a", state=value)) == []


NAMES = ["gpt-4o-2024-08-06", "gemma-3-5-chat-20241022", "gpt-4o-mini-2024-07-18", "release/2025-09-09"]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_with_a_date_in_its_name_is_no_id(name: str) -> None:
    assert found(up(200, type="ask", model=name), down(300, type="answer", model=name)) == []
    assert found(down(200, type="hello", model=name), up(300, type="ask", model=name)) == []
    assert found(down(200, type="hello", model=name), down(300, type="answer", model=name)) == []
    assert found(down(200, type="models", data=[{"id": name}]), up(300, type="ask", model=name)) == []


@pytest.mark.parametrize("version", ["1.24.0", "v2.31.0", "2025.9", "1.2.3-rc1", "10.0.0.1"])
def test_versions_are_chance(version: str) -> None:
    assert found(up(200, type="a", version=version), down(300, type="b", server_version=version)) == []
    assert found(down(200, type="b", server_version=version), up(300, type="a", version=version)) == []


def test_counts_are_chance_unless_they_are_called_the_same() -> None:
    assert found(up(200, type="a", limit=10000), down(300, type="b", total=10000)) == []
    assert found(down(200, type="b", total="10000"), up(300, type="a", timeout=10000)) == []
    assert found(up(200, type="a", offset=25000), down(300, type="b", offset=25000)) == [
        ("echoed", "backend /ws > $.offset", ("backend /ws < $.offset",))
    ]


def test_a_rate_limit_is_not_an_id() -> None:
    played = recording(
        get("1", 0, "/a"), answer("1", 10, 200, (("X-RateLimit-Limit", "5000"),)), post("2", 20, "/b", size=5000)
    )
    assert propose(played) == ()


def test_what_two_messages_of_the_client_share_does_not_travel() -> None:
    assert found(up(200, type="a", client="pytest-8.3.2-x"), up(300, type="b", client="pytest-8.3.2-x")) == []


def test_timestamps_of_the_server_are_no_ids() -> None:
    moment = "2025-09-09T06:40:00.200Z"
    assert found(down(200, type="a", at=moment), down(300, type="b", at=moment)) == []
    assert found(down(200, type="a", request_id=moment)) == []


def test_a_header_of_the_hop_does_not_travel() -> None:
    agent, host = "client-0123456789ab", "host-0123456789ab"
    asked = get("1", 0, "/a", (("User-Agent", agent), ("Host", host)))
    played = recording(asked, answer("1", 10, agent=agent, host=host))
    assert propose(played) == ()


# --- what the header says --------------------------------------------------------------------------------------

STARTED = up(200, type="start", thread_id="thread_7"), down(300, type="started", thread_id="thread_7")


def test_an_ignored_place_is_out_and_the_next_one_is_the_source() -> None:
    assert found(*STARTED, ignore=("backend /ws > $.thread_id",)) == []
    again = down(200, type="a", id=UUID), down(300, type="b", id=UUID, ref=UUID)
    assert found(*again, ignore=("backend /ws < $.id",)) == [("minted", "backend /ws < $.ref", ())]


def test_an_ignored_place_holds_no_variable_even_if_it_is_a_time() -> None:
    stamped = socket(down(200, type="a", at=CREATED // 10**6), ignore=("backend /ws < $.at",))
    assert plan(stamped).uses == {}


def test_a_given_correlation_is_used_as_it_stands_and_no_other() -> None:
    given_ = (
        Correlation(name="mood", kind="echoed", source="backend /ws > $.mood", targets=("backend /ws < $.mood",)),
    )
    fields = {"mood": "good", "thread_id": "thread_7"}
    said = up(200, type="a", **fields), down(300, type="b", **fields)
    planned = plan(socket(*said, correlate=given_))
    assert planned.correlations == given_
    assert [(item.kind, item.value) for item in planned.variables] == [("echoed", "good")]
    assert [str(slot) for slot, _ in planned.at(2)] == ["$.mood"]
    assert [str(slot) for slot, _ in planned.at(3)] == ["$.mood"]


def test_an_empty_correlate_turns_correlation_off_but_for_timestamps() -> None:
    said = *STARTED, down(400, type="tick", at=CREATED / 10**6)
    planned = plan(socket(*said, correlate=()))
    assert [(item.kind, item.value) for item in planned.variables] == [("time", CREATED / 10**6)]


def test_a_value_outside_of_its_targets_stays() -> None:
    given_ = (
        Correlation(name="id", kind="echoed", source="backend /ws > $.thread_id", targets=("backend /ws < $.a",)),
    )
    said = up(200, type="s", thread_id="thread_7"), down(300, type="t", a="thread_7", b="thread_7")
    assert [str(slot) for slot, _ in plan(socket(*said, correlate=given_)).at(3)] == ["$.a"]


def test_a_place_may_hold_a_token_now_and_another_id_then() -> None:
    said = (
        down(200, type="a", token=JWT),
        down(300, type="b", token=UUID),
        up(400, type="c", jwt=JWT),
        up(500, type="d", uuid=UUID),
    )
    planned = plan(socket(*said))
    assert [(item.kind, item.value) for item in planned.variables] == [("token", JWT), ("minted", UUID)]
    assert [len(planned.at(index)) for index in range(2, 6)] == [1, 1, 1, 1]


# --- the plan --------------------------------------------------------------------------------------------------


def test_the_plan_of_an_agent_run_knows_every_occurrence() -> None:
    planned = plan(agent_run())
    kinds = {item.value: item.kind for item in planned.variables}
    assert kinds["pipeline_test_1757400000"] == "echoed"
    assert kinds["run_start_agent_1_ab12cd34"] == "minted"
    assert kinds[1757400000.8] == "time"
    uses = [(index, variable.kind) for index in range(7, 10) for _, variable in planned.at(index)]
    assert uses == [(index, kind) for index in range(7, 10) for kind in ("echoed", "minted")]
    assert planned.at(None) == ()


def test_ids_that_belong_to_nothing_are_told() -> None:
    said = up(200, type="a", trace_id=UUID), down(300, type="b", run_id="run_1_ab12cd34")
    played = socket(*said, ignore=("backend /ws < $.run_id",))
    assert uncorrelated(played, plan(played)) == ["backend /ws > $.trace_id", "backend /ws < $.run_id"]


def test_a_flow_without_its_request_still_has_places() -> None:
    late = Response(flow="9", at=0, status=200, body=b'{"id": "run_1_ab12cd34"}')
    assert [item.source for item in propose(recording(late))] == ["? < $.id"]


def test_a_number_too_long_to_be_a_float_is_just_a_number() -> None:
    assert plan(socket(down(200, type="a", n=10**400))).variables == ()


@given(recordings())
def test_planning_twice_gives_the_same_plan(played: Recording) -> None:
    assert plan(played) == plan(played)


@given(recordings())
def test_a_proposal_written_to_the_header_plans_the_same(played: Recording) -> None:
    written = Recording(
        header=type(played.header)(
            created=played.header.created, services=played.header.services, correlate=propose(played)
        ),
        events=played.events,
    )
    assert plan(written).uses == plan(played).uses


@given(st.text(max_size=40) | st.integers() | st.floats(allow_nan=False), st.text(max_size=12))
def test_no_value_under_any_name_breaks_the_plan(value: object, name: str) -> None:
    played = recording(
        *upgrade("1", 0, f"/ws?{name}"),
        up(200, **{"type": "a", name or "x": value}),
        down(300, **{"type": "b", name or "x": value}),
        Request(flow="2", at=400 * MILLISECOND, service="backend", method="GET", target="/a/%00//b?&&=&x"),
    )
    planned = plan(played)
    assert all(index < len(played.events) for index in planned.uses)
