"""A schedule ends healed: who comes after it sees a staging that never was broken; in its time it is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Event, Message
from simulator.core.recording import Recording
from simulator.core.rule import Rule, Trigger
from simulator.core.script import compile_script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.simulation import Driver
from simulator.core.units import MILLISECOND, SECOND, Time
from simulator.faults.close import CloseFault
from simulator.faults.drop import DropFault
from simulator.faults.half_open import HalfOpenFault
from simulator.faults.handshake import HangFault
from simulator.faults.latency import LatencyFault
from simulator.faults.reorder import ReorderFault
from simulator.faults.silence import SilenceFault
from simulator.faults.stall import StallFault
from simulator.faults.status import StatusFault
from tests.conversations import CREATED, agent_run, recordings

FAULTS = (
    CloseFault(),
    DropFault(),
    HalfOpenFault(),
    HangFault(),
    LatencyFault(delay=3 * SECOND),
    ReorderFault(hold=5 * SECOND),
    SilenceFault(),
    StallFault(),
    StatusFault(),
)
AFTER = "/later"


def again(recording: Recording, at: Time) -> Recording:
    """The same client's events, so much later and on flows of their own."""
    events = tuple(replace(event, flow=event.flow + AFTER, at=event.at + at) for event in recording.events)
    return replace(recording, events=events)


def played(recording: Recording, rules: Sequence[Rule], at: Time) -> tuple[list[Event], list[Event]]:
    """What comes out of one session for a client, and for another one that begins at a time."""
    session = Session(compile_script(recording), rules, Settings(seed=7, wall=CREATED))
    drivers = (Driver(recording), Driver(again(recording, at)))
    said: list[Event] = []
    while times := [one.deadline() for one in (*drivers, session) if one.deadline() is not None]:
        now = min(time for time in times if time is not None)
        for driver in drivers:
            for event in driver.due(now):
                session.receive(event)
        for event in session.due(now):
            said.append(event)
            for driver in drivers:
                driver.receive(event)
    first = [event for event in said if not event.flow.endswith(AFTER)]
    return first, [event for event in said if event.flow.endswith(AFTER)]


def scheduled(rule: Rule, *during: Time) -> Rule:
    return replace(rule, when=replace(rule.when, during=during))


def rule(fault: object, probability: float) -> Rule:
    return Rule(name="rule", fault=fault, probability=probability)  # type: ignore[arg-type]


rules = st.builds(rule, st.sampled_from(FAULTS), st.sampled_from([0.5, 1.0]))
times = st.integers(1, 4000).map(lambda time: time * MILLISECOND)


def first_request(recording: Recording) -> Time:
    return recording.events[0].at


@given(recordings(), rules, times, times, times)
def test_after_its_schedule_a_session_is_as_if_nothing_had_been(
    recording: Recording, broken: Rule, begin: Time, length: Time, later: Time
) -> None:
    healed = first_request(recording) + begin + length
    schedule = scheduled(broken, begin, begin + length)
    assert played(recording, [schedule], healed + later)[1] == played(recording, [], healed + later)[1]


@given(recordings(), rules)
def test_in_its_time_a_scheduled_rule_is_like_any_other(recording: Recording, broken: Rule) -> None:
    """With the same name it has the same luck. The others come when it is over, or were never asked."""
    end = 10**6 * SECOND
    in_time = [event for event in played(recording, [scheduled(broken, 0, end)], 2 * end)[0] if event.at < end]
    assert in_time == [event for event in played(recording, [broken], 2 * end)[0] if event.at < end]


def test_an_agent_run_in_an_outage_hears_nothing_and_the_next_one_everything() -> None:
    outage = Rule(name="outage", fault=DropFault(), when=Trigger(during=(750 * MILLISECOND, 3 * SECOND)))
    during, after = played(agent_run(), [outage], 3 * SECOND)
    assert not any(isinstance(event, Message) for event in during)
    assert after == played(agent_run(), [], 3 * SECOND)[1]
    assert sum(isinstance(event, Message) for event in after) == 5
