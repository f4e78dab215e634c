"""Rules with a time of their own on the run's clock: armed when it begins, disarmed when it is over."""

from __future__ import annotations

import math

import pytest

from simulator.core.events import Direction
from simulator.core.proof import proofs
from simulator.core.recording import Recording
from simulator.core.rule import Condition, Rule, Selector, Trigger
from simulator.core.schedule import limited
from simulator.core.units import MILLISECOND, NEVER, SECOND
from simulator.faults.close import CloseFault
from simulator.faults.drop import DropFault
from simulator.faults.stall import StallFault
from tests.core.playing import Staging, brief, briefly, down, get, socket, up

TICKS = Selector(json=(Condition(path=("type",), pattern="tick .*"),))


def ticking() -> Recording:
    """A WebSocket open at 100 ms, and a tick every 100 ms until the eighth at 900 ms."""
    return socket(*(down(at, type=f"tick {at}") for at in range(200, 1000, 100)))


def drop(begin: int, end: int, name: str = "drop") -> Rule:
    during = (begin * MILLISECOND, end * MILLISECOND)
    return Rule(name=name, fault=DropFault(), select=TICKS, when=Trigger(during=during))


def stall(begin: int, end: int) -> Rule:
    during = (begin * MILLISECOND, end * MILLISECOND)
    return Rule(name="stall", fault=StallFault(), select=TICKS, when=Trigger(during=during))


def ticks(staging: Staging, until: int = 99_000) -> list[int]:
    """The ticks that come, by the time at which they were recorded."""
    return [int(word.split()[1]) for word in map(brief, staging.says(until)) if word.startswith("tick")]


def test_a_rule_is_armed_at_the_beginning_of_its_time_and_disarmed_at_its_end() -> None:
    staging = Staging(ticking(), drop(300, 600))
    staging.opens()
    assert ticks(staging) == [200, 600, 700, 800, 900], "what comes at the end comes through, at the beginning not"
    noted = [
        (note.at // MILLISECOND, note.what) for note in staging.session.journal.notes() if note.what[-3:] == "med"
    ]
    assert noted == [(300, "armed"), (600, "disarmed")]


def test_what_was_held_goes_out_in_order_when_the_time_is_over() -> None:
    staging = Staging(ticking(), stall(300, 650))
    staging.opens()
    heard = [(at, word) for at, word in briefly(staging.says(99_000)) if word.startswith("tick")]
    held = [(650, "tick 300"), (650, "tick 400"), (650, "tick 500"), (650, "tick 600")]
    assert heard == [(200, "tick 200"), *held, (700, "tick 700"), (800, "tick 800"), (900, "tick 900")]


def test_the_clock_begins_with_the_first_request_of_the_run() -> None:
    staging = Staging(ticking(), drop(300, 600))
    assert staging.session.deadline() is None, "until somebody comes, nothing happens by itself"
    staging.says(60_000)
    staging.opens(at=60_000)
    assert ticks(staging) == [200, 600, 700, 800, 900]


def test_any_request_begins_the_clock_and_time_alone_ends_it() -> None:
    staging = Staging(ticking(), drop(300, 600))
    staging.hears(get("x", 0, "/nowhere"))
    staging.says(0)
    assert staging.session.deadline() == 300 * MILLISECOND
    staging.says(300)
    assert staging.session.deadline() == 600 * MILLISECOND
    staging.says(600)
    assert staging.session.deadline() is None
    staging.opens("2", at=700)
    assert len(ticks(staging)) == 8


def test_a_rule_that_is_armed_later_counts_from_then() -> None:
    staging = Staging(ticking())
    staging.opens()
    assert ticks(staging, 250) == [200]
    staging.session.arm(drop(100, 300), 250 * MILLISECOND)
    assert ticks(staging) == [300, 600, 700, 800, 900]


@pytest.mark.parametrize(("speed", "gone"), [(1, [300, 400, 500]), (2, [300, 400, 500]), (math.inf, [])])
def test_speed_divides_the_times_of_a_schedule_as_it_does_those_of_the_recording(
    speed: float, gone: list[int]
) -> None:
    """At infinite speed it keeps its times, and a recording without delays is over before."""
    staging = Staging(ticking(), drop(300, 600), speed=speed)
    staging.opens()
    assert ticks(staging) == [at for at in range(200, 1000, 100) if at not in gone]
    assert staging.session.stages[0].in_play is False


def test_of_two_steps_that_meet_the_first_ends_before_the_second_begins() -> None:
    staging = Staging(ticking(), drop(400, 600, "second"), stall(250, 400))
    staging.opens()
    assert ticks(staging) == [200, 300, 600, 700, 800, 900], "what the first step held is none of the second's"
    assert [note.detail["rule"] for note in staging.notes("armed")] == ["stall", "second"]


def test_a_rule_that_waits_can_be_taken_away_and_its_name_is_taken_until_then() -> None:
    staging = Staging(ticking(), drop(300, 600))
    staging.opens()
    with pytest.raises(ValueError, match="a rule named 'drop' is armed already"):
        staging.session.arm(drop(0, 1))
    assert staging.session.disarm("drop", 0)
    assert not staging.session.disarm("drop", 0)
    assert len(ticks(staging)) == 8
    assert staging.notes("armed") == ()


def test_every_step_has_a_proof_of_its_own() -> None:
    staging = Staging(ticking(), drop(300, 500, "one"), drop(700, 800, "two"), drop(9000, 9500, "unreached"))
    staging.opens()
    staging.says(5000)
    assert [(proof.rule, proof.fired, proof.exercised) for proof in proofs(staging.session)] == [
        ("one", 2, True),
        ("two", 1, True),
        ("unreached", 0, False),
    ]


def test_a_strike_that_comes_too_late_for_its_step_never_comes_and_never_fired() -> None:
    when = Trigger(during=(0, 500 * MILLISECOND), after=SECOND)
    close = Rule(name="close", fault=CloseFault(), when=when, select=TICKS)
    staging = Staging(ticking(), close)
    staging.opens()
    assert len(ticks(staging)) == 8
    (proof,) = proofs(staging.session)
    assert (proof.matched, proof.fired, proof.exercised) == (3, 0, False)
    assert len(staging.notes("triggered")) == 3


def test_a_strike_that_comes_in_time_fired_once() -> None:
    when = Trigger(during=(0, 500 * MILLISECOND), after=50 * MILLISECOND, times=1)
    staging = Staging(ticking(), Rule(name="close", fault=CloseFault(), when=when, select=TICKS))
    staging.opens()
    assert ticks(staging) == [200]
    (proof,) = proofs(staging.session)
    assert (proof.fired, proof.at) == (1, 250 * MILLISECOND)


def test_what_is_limited_keeps_its_own_time_within() -> None:
    rule = Rule(name="x", fault=DropFault())
    assert limited(rule, 0, NEVER) is rule
    assert limited(rule, 5, 9).when.during == (5, 9)
    assert limited(limited(rule, 1, 2), 5, 9).when.during == (6, 7)
    assert limited(limited(rule, 1, 20), 5, 9).when.during == (6, 9)


def test_a_message_of_the_client_can_be_lost_for_a_while() -> None:
    asked = Selector(direction=Direction.UPSTREAM, json=(Condition(path=("type",), values=("ask",)),))
    lost = Rule(name="lost", fault=DropFault(), select=asked, when=Trigger(during=(0, SECOND)))
    staging = Staging(socket(up(200, type="ask"), down(300, type="answer")), lost)
    staging.opens()
    staging.says(200)
    staging.hears(up(200, type="ask"))
    assert "answer" not in map(brief, staging.says(1500))
    staging.hears(up(1500, type="ask"))
    assert "answer" in map(brief, staging.says(9000))
