"""Law 3: within a link nothing overtakes, and nothing follows its end."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Close, Direction, Event, Message, Reset, ends_link
from simulator.core.recording import Recording
from simulator.core.rule import Rule, Selector, Trigger
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.close import CloseFault
from simulator.faults.drop import DropFault
from simulator.faults.latency import LatencyFault
from simulator.faults.reset import ResetFault
from simulator.faults.silence import SilenceFault
from simulator.faults.stall import StallFault
from tests.conversations import CREATED, agent_run, recordings

FAULTS = st.sampled_from(
    [
        CloseFault(code=1011),
        ResetFault(),
        StallFault(),
        StallFault(only="data"),
        SilenceFault(),
        LatencyFault(delay=300 * MILLISECOND, jitter=300 * MILLISECOND),
        DropFault(),
    ]
)
TRIGGERS = st.builds(
    Trigger,
    on=st.sampled_from(["match", "connect"]),
    nth=st.none() | st.integers(1, 4),
    after=st.sampled_from([0, 100 * MILLISECOND, 2 * SECOND]),
    lasts=st.none() | st.sampled_from([500 * MILLISECOND, 5 * SECOND]),
)


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    count = draw(st.integers(1, 4))
    return [
        Rule(
            name=f"rule {number}",
            fault=draw(FAULTS),
            when=draw(TRIGGERS),
            select=draw(st.sampled_from([Selector(), Selector(direction=Direction.UPSTREAM)])),
            probability=draw(st.sampled_from([1.0, 0.5])),
            swallow=draw(st.booleans()),
        )
        for number in range(count)
    ]


def links(recording: Recording, armed: list[Rule]) -> dict[tuple[str, Direction], list[Event]]:
    found: dict[tuple[str, Direction], list[Event]] = defaultdict(list)
    for event in simulate(recording, armed, Settings(wall=CREATED, fresh=False)).events:
        found[event.flow, event.direction].append(event)
    return found


@given(recordings(), rules())
def test_nothing_follows_the_end_of_a_link(recording: Recording, armed: list[Rule]) -> None:
    for events in links(recording, armed).values():
        assert not any(ends_link(event) for event in events[:-1])


@given(recordings(), rules())
def test_nothing_overtakes(recording: Recording, armed: list[Rule]) -> None:
    sent = {flow: [e.data for e in events if isinstance(e, Message)] for flow, events in recording.flows().items()}
    for (flow, _), events in links(recording, armed).items():
        assert [event.at for event in events] == sorted(event.at for event in events)
        said = [event.data for event in events if isinstance(event, Message)]
        recorded = iter(sent[flow])
        assert all(data in recorded for data in said), "messages came in another order than they were sent"


def test_jitter_never_reorders() -> None:
    jitter = Rule(name="jitter", fault=LatencyFault(delay=SECOND, jitter=SECOND))
    for seed in range(20):
        journal = simulate(agent_run(), [jitter], Settings(seed=seed, wall=CREATED, fresh=False))
        said = [
            event for event in journal.events if isinstance(event, Message) and event.direction == "downstream"
        ]
        assert [event.at for event in said] == sorted(event.at for event in said)
        assert [event.data for event in said] == [
            event.data
            for event in agent_run().events
            if isinstance(event, Message) and event.direction == "downstream"
        ]


def test_a_close_ends_its_link() -> None:
    close = Rule(name="close", fault=CloseFault(code=1011), when=Trigger(on="connect", after=450 * MILLISECOND))
    reset = Rule(name="reset", fault=ResetFault(), when=Trigger(on="connect", after=460 * MILLISECOND))
    events = links(agent_run(), [close, reset])["2", Direction.DOWNSTREAM]
    assert isinstance(events[-1], Close)
    assert not any(isinstance(event, Reset) for event in events)
