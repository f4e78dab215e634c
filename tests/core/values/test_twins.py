"""Two recordings of one scenario: what differs is volatile, what is equal stays, and what follows travels."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Event, Message
from simulator.core.recording import Recording, Service
from simulator.core.values.correlation import propose
from simulator.core.values.evidence import findings, left_alone
from simulator.core.values.planning import plan
from simulator.core.values.twins import twins
from tests.conversations import CREATED, agent_run, recording, recordings
from tests.core.playing import Staging, answer, down, get, post, socket, up

CONFIG, ONE, TWO = (f"0b8f3c52-7d0e-4c55-9a55-5d3b8d0e6a{end}" for end in (11, 22, 33))


def found(*played: Recording) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(item.kind, item.source.rpartition("/ws ")[2], item.targets) for item in propose(*played)]


def take(*said: Event) -> Recording:
    return socket(*said)


def test_what_is_equal_in_both_is_constant_and_not_minted() -> None:
    def one(run: str) -> Recording:
        return take(up(200, type="a"), down(300, type="b", run_id=run, config_id=CONFIG))

    assert [source for _, source, _ in found(one(ONE))] == ["< $.run_id", "< $.config_id"]
    assert [source for _, source, _ in found(one(ONE), one(TWO))] == ["< $.run_id"]
    (alone,) = left_alone(one(ONE), one(TWO))
    assert (alone.place, alone.example) == ("backend /ws < $.config_id", CONFIG)
    assert alone.why == "the same once in the other recording"


def test_what_differs_is_made_anew_though_it_is_called_nothing() -> None:
    def one(tag: str) -> Recording:
        return take(up(200, type="a"), down(300, type="b", etag=tag, note="5 apples"))

    assert found(one("9fc8b0cc31056c1e")) == []
    assert found(one("9fc8b0cc31056c1e"), one("77120baf4e1d20c5")) == [("minted", "< $.etag", ())]


def test_a_number_or_a_sentence_that_differs_cannot_be_made() -> None:
    def one(count: object) -> Recording:
        return take(up(200, type="a"), down(300, type="b", count=count))

    for ours, theirs in ((48213, 51877), ("12345 of 99999", "23456 of 99999"), ("up", "down"), (True, False)):
        assert found(one(ours), one(theirs)) == []


def test_a_short_value_travels_if_it_differs_and_follows() -> None:
    def one(page: int, ok: int = 1) -> Recording:
        return take(up(200, type="a", page=page, size=9), down(300, type="b", at=page, ok=ok, size=9))

    assert found(one(3)) == []
    assert found(one(3), one(4)) == [("paired", "> $.page", ("backend /ws < $.at",))]
    assert found(one(1), one(2)) == [("paired", "> $.page", ("backend /ws < $.at",))], "ok is always 1"


def test_an_echo_that_does_not_follow_was_chance() -> None:
    def one(asked: str, said: str) -> Recording:
        return take(
            up(200, type="a", order="order 7", name=asked), down(300, type="b", name=said, order="order 7")
        )

    by_chance = one("room 1", "room 1"), one("room 2", "room 1")
    assert ("echoed", "> $.name", ("backend /ws < $.name",)) in found(by_chance[0])
    assert [source for _, source, _ in found(*by_chance)] == ["> $.order"]
    assert [source for _, source, _ in found(by_chance[0], one("room 2", "room 2"))] == ["> $.order", "> $.name"]


def test_places_are_compared_though_other_things_happened_between() -> None:
    def one(run: str, *more: Event) -> Recording:
        return take(up(200, type="a"), *more, down(300, type="b", run=run))

    noisy = one("8e1f2a3b4c", down(250, type="noise", run="x"))
    assert twins(one("77aa2b3c4d"), noisy).differing == {"backend /ws < $.run": 1}
    assert twins(one("77aa2b3c4d"), recording(get("1", 0, "/other"))).differing == {}


def test_a_place_of_ids_and_of_other_things_makes_only_ids() -> None:
    """An evaluated expression may be anything."""
    values = [ONE, 27692, CREATED // 1000]
    said = [
        event
        for nth, value in enumerate(values)
        for event in (up(200 + 20 * nth, n=nth), down(210 + 20 * nth, value=value))
    ]
    assert [item.kind for item in plan(take(*said)).variables] == ["minted", "time"]


def test_a_client_of_what_was_learned_gets_its_own(tmp_path: object) -> None:
    def one(page: int) -> Recording:
        return take(up(200, type="a", page=page), down(300, type="b", at=page, ok=1))

    learned = propose(one(3), one(4))
    staging = Staging(socket(*one(3).events[2:], correlate=learned))
    staging.opens()
    staging.hears(up(400, type="a", page=11))
    said = [json.loads(event.data) for event in staging.says(2000) if isinstance(event, Message)]
    assert said == [{"type": "b", "at": 11, "ok": 1}]


# --- evidence ----------------------------------------------------------------------------------------------------


def test_each_correlation_has_its_evidence() -> None:
    by_name = {item.correlation.name: item for item in findings(agent_run())}
    thread = by_name["thread_id"]
    assert (thread.examples, thread.seen) == (("pipeline_test_1757400000",), 4)
    assert thread.why == ("sent once, said by the server 3 times", "too random for chance", "named as an id")
    assert by_name["data.run_id"].why[0] == "said by the server 3 times, sent back never"


def test_a_pair_says_how_often_it_was_echoed() -> None:
    said = [event for nth in (1, 2) for event in (up(100 * nth, id=nth), down(100 * nth + 50, id=nth))]
    (only,) = findings(take(*said))
    assert (only.examples, only.seen, only.why) == ((1, 2), 4, ("echoed 2 of 2 on its flow",))


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (up(200, type="a", trace_id=ONE), "the client sent it, and the server never said it"),
        (down(200, type="a", sum=ONE), "data: 2 values stand there, and the client never sent one back"),
    ],
)
def test_what_is_left_alone_says_why(event: Event, why: str) -> None:
    alone = left_alone(take(up(150, type="x"), event, down(300, type="a", sum="a sentence")))
    assert [item.why for item in alone] == [why]


def test_what_the_header_decides_is_said_so() -> None:
    ignored = socket(down(200, type="a", run_id=ONE), ignore=("backend /ws < $.run_id",))
    assert [item.why for item in left_alone(ignored)] == ["the header says to ignore it"]
    empty = recording(post("1", 0, "/x"), answer("1", 10, id=ONE), correlate=())
    assert [item.why for item in left_alone(empty)] == ["the header's correlations do not name it"]


# --- laws --------------------------------------------------------------------------------------------------------


@given(recordings())
def test_a_recording_is_constant_beside_itself(played: Recording) -> None:
    known = twins(played, played)
    assert not known.differing and not list(known.pairs())
    minted = [item for item in propose(played, played) if item.kind == "minted"]
    assert minted == []


@given(recordings(), recordings())
def test_any_two_recordings_can_be_laid_side_by_side(one: Recording, other: Recording) -> None:
    sources = {item.source for item in propose(one, other)}
    assert all(
        not twins(one, other).is_constant(item.source) for item in propose(one, other) if item.kind == "minted"
    )
    assert {finding.correlation.source for finding in findings(one, other)} == sources


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_what_is_learned_is_the_same_whichever_comes_first(first: int, second: int, third: int) -> None:
    def one(page: int) -> Recording:
        return take(up(200, type="a", page=page, n=third), down(300, type="b", at=page, n=third))

    assert found(one(first), one(second)) == found(one(second), one(first))


def test_a_service_that_was_elsewhere_has_said_the_same() -> None:
    def one(port: int) -> Recording:
        origin = f"http://127.0.0.1:{port}"
        said = up(200, type="a"), down(300, type="b", url=f"{origin}/things/1", ws=f"ws://127.0.0.1:{port}/ws")
        return socket(*said, services=(Service(name="backend", origins=(origin,)),))

    assert not twins(one(46077), one(36193)).differing
    assert found(one(46077), one(36193)) == []


def test_a_path_that_differs_is_not_made_up() -> None:
    """Whoever follows it would ask for what is not in the recording."""

    def order(number: int) -> Recording:
        location = (("Location", f"/orders/{number}"),)
        return recording(
            post("1", 0, "/orders", pear=1),
            answer("1", 10, 201, location, order=number, href=f"/orders/{number}"),
            get("2", 20, f"/orders/{number}"),
            answer("2", 30, order=number),
        )

    sources = [item.source for item in propose(order(48454), order(71787))]
    assert not [source for source in sources if "location" in source or "href" in source]
