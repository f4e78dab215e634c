"""Two sides without sockets, the journal of what they did, and the proof of what the rules did."""

from __future__ import annotations

import pytest
from hypothesis import given

from simulator.core.events import Close, Direction, Event, Message, Pong
from simulator.core.journal import Journal, Note
from simulator.core.proof import proofs
from simulator.core.recording import Recording
from simulator.core.rule import Condition, Rule, Selector, Trigger
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.close import CloseFault
from simulator.faults.drop import DropFault
from simulator.faults.silence import SilenceFault
from simulator.faults.stall import StallFault
from simulator.faults.status import RefuseFault
from tests.conversations import CREATED, DOWN, agent_run, recordings
from tests.core.playing import Staging, brief, down, get, post, socket, up

SAME = Settings(wall=CREATED, fresh=False)


def said(journal: Journal, way: Direction = Direction.UPSTREAM) -> list[str]:
    return [brief(event) for event in journal.events if event.direction is way]


# --- the driver ------------------------------------------------------------------------------------------------


def test_a_client_waits_for_what_it_waited_for() -> None:
    played = socket(down(200, type="hello"), up(300, type="go"), down(400, type="gone"))
    silent = Rule(name="drop", fault=DropFault(), when=Trigger(nth=1))
    assert said(simulate(played, settings=SAME)) == ["request", "go"]
    assert said(simulate(played, [silent], SAME)) == ["request"], "nobody greeted it, so it says nothing"


def test_a_client_whose_socket_was_refused_says_nothing_more() -> None:
    journal = simulate(agent_run(), [Rule(name="refuse", fault=RefuseFault(status=503))], SAME)
    assert said(journal) == ["request", "request"]
    assert said(journal, DOWN) == ["200", "503"]


def test_hours_pass_in_a_moment() -> None:
    hours = 10 * 3600 * SECOND
    stall = Rule(name="stall", fault=StallFault(), when=Trigger(nth=1, lasts=hours))
    assert simulate(agent_run(), [stall], SAME).events[-1].at > hours


def test_a_simulation_may_end_before_everything_has_happened() -> None:
    journal = simulate(agent_run(), settings=SAME, until=1050 * MILLISECOND)
    assert said(journal)[-1] == "start_agent"
    assert "agent_started" not in said(journal, DOWN)


@given(recordings())
def test_a_simulation_is_in_order_of_time(played: Recording) -> None:
    times = [entry.at for entry in simulate(played, settings=SAME)]
    assert times == sorted(times)


# --- the journal -----------------------------------------------------------------------------------------------


def test_a_journal_is_appended_to_and_read_from_anywhere() -> None:
    journal = Journal()
    events: list[Event] = [get("1", 0, "/a"), Pong(flow="1", at=1, direction=DOWN)]
    notes = [Note(at=0, flow="1", what="opened"), Note(at=1, flow="1", what="fired", detail={"rule": "x"})]
    for entry in (events[0], notes[0], events[1], notes[1]):
        journal.add(entry)
    assert len(journal) == 4
    assert journal.events == tuple(events)
    assert journal.notes() == tuple(notes)
    assert journal.notes("fired") == (notes[1],)
    assert journal.since(2) == [events[1], notes[1]]
    assert journal.since(4) == []
    assert list(journal) == [events[0], notes[0], events[1], notes[1]]


def test_a_journal_says_what_was_decided() -> None:
    journal = simulate(agent_run(), settings=SAME)
    assert [note.detail for note in journal.notes("opened")] == [
        {"as": "1", "client": "client 1"},
        {"as": "2", "client": "client 2"},
    ]
    assert [(note.detail["event"], note.detail["recorded"]) for note in journal.notes("matched")] == [
        ("POST /login", 1),
        ("GET /ws", 3),
        ("start_agent", 7),
        ("close 1000", 11),
    ]
    assert journal.notes("missed") == ()


# --- proof -----------------------------------------------------------------------------------------------------

STARTED = Selector(json=(Condition(path=("type",), values=("agent_started",)),))


def test_a_rule_that_never_fired_proves_nothing() -> None:
    staging = Staging(agent_run(), Rule(name="close", fault=CloseFault(), select=Selector(path="/nowhere")))
    staging.opens()
    staging.says(9000)
    (proof,) = proofs(staging.session)
    assert (proof.rule, proof.fault, proof.matched, proof.fired) == ("close", "close", 0, 0)
    assert not proof.exercised
    assert proof.at is None


def proven(rule: Rule) -> tuple[int, int, str, str, int | None]:
    staging = Staging(agent_run(), rule)
    staging.opens()
    staging.says(1000)
    staging.hears(up(1000, type="start_agent", thread_id="t", payload={"user_request": "x"}))
    staging.says(9000)
    (proof,) = proofs(staging.session)
    at = None if proof.at is None else proof.at // MILLISECOND
    return proof.matched, proof.fired, proof.on, proof.instead, at


def test_a_rule_that_fired_says_on_what_and_what_went_out() -> None:
    close = Rule(name="close", fault=CloseFault(code=1011), select=STARTED)
    assert proven(close) == (1, 1, "agent_started of GET /ws", "close 1011", 1100)
    drop = Rule(name="drop", fault=DropFault(), select=STARTED)
    assert proven(drop) == (1, 1, "agent_started of GET /ws", "nothing", 1100)


def test_a_rule_that_lasts_fired_once_and_shows_what_it_did_later() -> None:
    stall = Rule(name="stall", fault=StallFault(), select=STARTED)
    matched, fired, on, instead, at = proven(stall)
    assert (matched, fired, on, at) == (1, 1, "agent_started of GET /ws", 1100)
    assert instead.split(", held")[0] == "agent_started"
    assert instead.count("held") >= 1
    silence = Rule(name="silence", fault=SilenceFault(), select=STARTED)
    assert proven(silence)[:4] == (1, 1, "agent_started of GET /ws", "nothing")


def test_a_rule_armed_twice_has_two_proofs() -> None:
    drop = Rule(name="drop", fault=DropFault(), select=STARTED)
    staging = Staging(agent_run(), drop)
    staging.session.disarm("drop", 0)
    staging.session.arm(drop)
    staging.opens()
    staging.says(1000)
    staging.hears(up(1000, type="start_agent", thread_id="t", payload={"user_request": "x"}))
    staging.says(9000)
    assert sorted((proof.rule, proof.fired) for proof in proofs(staging.session)) == [("drop", 0), ("drop", 1)]


@pytest.mark.parametrize("probability", [0.2, 0.9])
def test_the_proof_counts_what_the_journal_shows(probability: float) -> None:
    drop = Rule(name="drop", fault=DropFault(), probability=probability)
    ticks = socket(*(down(200 + number, type="tick", n=number) for number in range(100)))
    staging = Staging(ticks, drop)
    staging.opens()
    heard = [event for event in staging.says(9000) if isinstance(event, Message)]
    (proof,) = proofs(staging.session)
    assert proof.matched == 100
    assert proof.fired == len(staging.notes("fired")) == 100 - len(heard)


def test_what_a_client_never_did_is_no_part_of_the_run() -> None:
    staging = Staging(agent_run())
    staging.hears(post("x", 0, "/login", email="a@example.com"))
    assert [brief(event) for event in staging.says(9000)] == ["200"]
    assert not any(isinstance(event, Close) for event in staging.session.journal.events)
