"""The pipeline's order: whatever is held, let go or taken away, nothing of one direction overtakes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Close, Event, Message, Reset
from simulator.core.rule import Rule, Trigger
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.latency import LatencyFault
from simulator.faults.stall import StallFault
from tests.core.playing import Staging, down, socket

MS = MILLISECOND
COUNT = 12
TICKS = socket(*(down(200 + number * 100, type="tick", n=number) for number in range(COUNT)))
moments = st.integers(0, 30).map(lambda number: number * 50)
faults = st.one_of(
    st.builds(
        LatencyFault,
        delay=st.integers(0, 8).map(lambda number: number * 50 * MS),
        jitter=st.sampled_from([0, 50 * MS, 300 * MS]),
    ),
    st.just(StallFault()),
)
triggers = st.builds(
    Trigger,
    nth=st.none() | st.integers(1, 6),
    every=st.none() | st.integers(1, 3),
    after=st.sampled_from([0, 100 * MS, 250 * MS]),
    lasts=st.none() | st.sampled_from([100 * MS, 350 * MS]),
    times=st.none() | st.integers(1, 3),
)
armed = st.lists(st.tuples(faults, triggers, st.booleans(), st.none() | moments), min_size=1, max_size=3)


def numbers(events: list[Event]) -> list[int]:
    return [int(str(event.data).rpartition(" ")[2][:-1]) for event in events if isinstance(event, Message)]


@given(armed, st.integers(0, 9))
def test_ticks_arrive_in_order_and_all_of_them_once_nothing_holds_them(
    rules: list[tuple[StallFault | LatencyFault, Trigger, bool, int | None]], seed: int
) -> None:
    made = [
        Rule(name=f"rule {index}", fault=fault, when=when, probability=0.5 if lucky else 1.0)
        for index, (fault, when, lucky, _) in enumerate(rules)
    ]
    staging = Staging(TICKS, *made, seed=seed)
    staging.opens()
    heard: list[Event] = []
    leaving = sorted((at, index) for index, (*_, at) in enumerate(rules) if at is not None)
    for at, index in leaving:
        heard += staging.says(at)
        staging.session.disarm(f"rule {index}", at * MS)
    heard += staging.says(60_000)
    for index in range(len(rules)):
        staging.session.disarm(f"rule {index}", 60 * SECOND)
    heard += staging.says(60_000)
    assert numbers(heard) == list(range(COUNT)), "nothing is lost, and nothing overtakes"
    assert [event.at for event in heard] == sorted(event.at for event in heard)
    assert staging.session.deadline() is None
    assert not any(isinstance(event, Close | Reset) for event in heard)
