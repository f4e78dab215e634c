"""What a recording's header says about matching is what counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Event
from simulator.core.matching.compare import compare
from simulator.core.matching.overrides import overrides, problem_with
from simulator.core.values.places import place, slots
from tests.conversations import recording
from tests.core.playing import DOWN, Staging, answer, brief, data, get, message, post, socket, up


def reasons(recorded: Event, live: Event, match: dict[str, str | int], *ignore: str) -> list[str]:
    rules = overrides(match, ignore).on("backend /x")
    return [str(mismatch) for mismatch in compare(recorded, live, rules=rules).mismatches]


def test_a_value_must_be_equal_where_the_header_says_so() -> None:
    recorded, other = post("1", 0, "/x", agent="triage"), post("1", 0, "/x", agent="data")
    assert reasons(recorded, other, {}) == []
    assert reasons(recorded, other, {"backend /x > $.agent": "exact"}) == [
        "$.agent: expected 'triage', got 'data'"
    ]
    assert reasons(recorded, recorded, {"backend /x > $.agent": "exact"}) == []


def test_everything_inside_of_what_must_be_equal_must_be() -> None:
    recorded, other = post("1", 0, "/x", tags=["a", "b"]), post("1", 0, "/x", tags=["a"])
    shorter = post("1", 0, "/x", tags=["a", "c"])
    exact = {"backend /x > $.tags": "exact"}
    assert reasons(recorded, other, {}) == reasons(recorded, shorter, {}) == []
    assert reasons(recorded, other, exact) == ["$.tags: expected 2 items, got 1 items"]
    assert reasons(recorded, shorter, exact) == ["$.tags[1]: expected 'b', got 'c'"]


def test_a_header_is_compared_where_the_header_says_so() -> None:
    tenant = {"backend /x > header.x-tenant": "exact"}
    recorded, other = (get("1", 0, "/x", (("X-Tenant", name),)) for name in ("one", "two"))
    assert reasons(recorded, other, {}) == []
    assert reasons(recorded, other, tenant) == ["header.x-tenant: expected 'one', got 'two'"]
    assert reasons(recorded, get("1", 0, "/x"), tenant) == ["header.x-tenant: expected 'one', got nothing"]


def test_what_is_ignored_may_be_anything_or_missing() -> None:
    recorded = post("1", 0, "/x?page=1", type="search", filter={"by": "name"})
    other = post("1", 0, "/x?page=2", type="find")
    assert len(reasons(recorded, other, {})) == 3
    ignored = ("backend /x > query.page", "backend /x > $.type", "backend /x > $.filter")
    assert reasons(recorded, other, {}, *ignored) == []
    assert reasons(recorded, post("1", 0, "/x", type="find"), {}, *ignored) == []


def test_a_rule_is_for_its_own_route() -> None:
    recorded, other = post("1", 0, "/x", agent="triage"), post("1", 0, "/x", agent="data")
    assert reasons(recorded, other, {"backend /y > $.agent": "exact"}) == []


SAID = [up(200, type="one"), message("1", 250, DOWN, type="first"), up(300, type="two")]
SAID += [message("1", 350, DOWN, type="second")]


@pytest.mark.parametrize(
    ("order", "heard"), [(None, ["second", "first"]), ("recorded", ["first"]), (2, ["second", "first"])]
)
def test_messages_come_in_any_order_or_in_the_recorded_one(order: str | int | None, heard: list[str]) -> None:
    match = {} if order is None else {"backend /ws > order": order}
    staging = Staging(socket(*SAID, match=match))
    staging.opens()
    staging.hears(up(1000, type="two"), up(2000, type="one"))
    assert [brief(event) for event in staging.says(9000)][1:] == heard
    for note in staging.notes("missed"):
        assert note.detail["nearest"][0]["differs"] == [  # type: ignore[index, call-overload]
            {"at": "order", "recorded": "one first", "came": "two"}
        ]
    assert len(staging.notes("missed")) == (order == "recorded")


def test_a_replay_refuses_a_value_that_was_not_recorded() -> None:
    played = recording(
        post("1", 0, "/x", agent="triage"), answer("1", 10, ok=True), match={"backend /x > $.agent": "exact"}
    )
    staging = Staging(played)
    staging.hears(post("a", 0, "/x", agent="triage"), post("b", 10, "/x", agent="data"))
    said = staging.says(9000)
    assert sorted(brief(event) for event in said) == ["200", "501"]
    refused = next(event for event in said if brief(event) == "501")
    assert data(refused)["nearest"] == [
        {"recorded": "POST /x", "differs": [{"at": "$.agent", "recorded": "'triage'", "came": "'data'"}]}
    ]


@pytest.mark.parametrize(
    ("place", "rule", "problem"),
    [
        ("backend /x > $.agent", "exact", None),
        ("backend /ws > order", "recorded", None),
        ("backend /ws > order", 3, None),
        ("$.agent", "exact", "expected a place of what the client sends, such as 'backend /ws > $.agent'"),
        (
            "backend /x < $.agent",
            "exact",
            "expected a place of what the client sends, such as 'backend /ws > $.agent'",
        ),
        ("backend /x > $.agent", "regex", "expected 'exact', got 'regex'"),
        ("backend /ws > order", 0, "expected 'recorded' or how many messages ahead, got 0"),
    ],
)
def test_a_rule_that_means_nothing_is_told(place: str, rule: str | int, problem: str | None) -> None:
    assert problem_with(place, rule) == problem


@given(value=st.text(min_size=1, max_size=9), other=st.text(min_size=1, max_size=9))
def test_exact_is_equality_and_ignored_is_nothing(value: str, other: str) -> None:
    ours, theirs = post("1", 0, "/x", field=value), post("1", 0, "/x", field=other)
    (where,) = [place("backend /x", ours, slot) for slot, _ in slots(ours) if slot.part == "json"]
    assert bool(reasons(ours, theirs, {where: "exact"})) == (value != other)
    assert reasons(ours, theirs, {where: "exact"}, where) == []
