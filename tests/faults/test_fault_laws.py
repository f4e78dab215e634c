"""The laws hold whatever is wrong with connections, messages and frames; and no fault is there on paper only."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.driver import Driver
from simulator.core.events import Close, Direction, Event, Message, Ping, Reset, ends_link
from simulator.core.fault import Fault
from simulator.core.journal import Journal
from simulator.core.recording import Recording
from simulator.core.rule import Rule, Selector, Trigger
from simulator.core.script import compile_script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.after_close import CloseThenTalkFault, IgnoreCloseFault
from simulator.faults.burst import BurstFault, CoalesceFault
from simulator.faults.close import CloseFault
from simulator.faults.corrupt import CorruptFault
from simulator.faults.dialect import DialectFault
from simulator.faults.duplicate import DuplicateFault, ReplayOldFault
from simulator.faults.fragment import FragmentFault
from simulator.faults.fragmentation import FragmentedControlFault, UnexpectedContinuationFault
from simulator.faults.frame_head import CompressedBitFault, ReservedBitsFault, UnknownOpcodeFault
from simulator.faults.frame_length import BadLengthFault, MaskedFrameFault
from simulator.faults.half_open import HalfOpenFault
from simulator.faults.handshake import AcceptLateFault, HangFault, ResetAtAcceptFault
from simulator.faults.inject import AckOnlyFault, InjectFault, ReplaceFault
from simulator.faults.latency import LatencyFault
from simulator.faults.limit import LimitFault
from simulator.faults.mid_frame import ResetMidFrameFault
from simulator.faults.pings import MissingPongFault, PingFloodFault, UnsolicitedPongFault
from simulator.faults.registry import all_faults, description
from simulator.faults.reorder import ReorderFault
from simulator.faults.silence import SilenceFault
from simulator.faults.stall import StallFault
from simulator.faults.throttle import ThrottleFault
from simulator.faults.truncate import OversizeFault, TruncateFault
from simulator.faults.utf8 import InvalidUtf8Fault
from simulator.faults.wrong_handshake import WrongAcceptFault, WrongSubprotocolFault
from simulator.files.faultfiles import load_fault
from simulator.files.locate import fault_names
from tests.conversations import CREATED, DOWN, recordings
from tests.faults.wire import ticking

FAULTS: list[Fault] = [
    AcceptLateFault(),
    AckOnlyFault(delay=SECOND),
    BadLengthFault(how="too-long"),
    BurstFault(count=3, wait=SECOND),
    CloseFault(),
    CloseThenTalkFault(),
    CoalesceFault(count=2, wait=SECOND),
    CompressedBitFault(),
    CorruptFault(kind="missing-field"),
    CorruptFault(kind="stale-id"),
    DialectFault(),
    DuplicateFault(copies=2, gap=300 * MILLISECOND),
    FragmentFault(gap=200 * MILLISECOND),
    FragmentedControlFault(),
    HalfOpenFault(),
    HangFault(),
    IgnoreCloseFault(),
    InjectFault(text="injected"),
    InvalidUtf8Fault(),
    LatencyFault(delay=200 * MILLISECOND, jitter=100 * MILLISECOND, distribution="normal"),
    LatencyFault(delay=200 * MILLISECOND, jitter=100 * MILLISECOND, distribution="pareto"),
    LimitFault(connections=1, how="close"),
    MaskedFrameFault(),
    MissingPongFault(),
    OversizeFault(size=200),
    PingFloodFault(count=3, gap=100 * MILLISECOND),
    ReorderFault(),
    ReplaceFault(json={"type": "error"}),
    ReplayOldFault(),
    ReservedBitsFault(),
    ResetAtAcceptFault(),
    ResetMidFrameFault(),
    SilenceFault(heartbeats=False),
    StallFault(only="data"),
    ThrottleFault(rate=10),
    TruncateFault(),
    UnexpectedContinuationFault(),
    UnknownOpcodeFault(opcode=11),
    UnsolicitedPongFault(),
    WrongAcceptFault(),
    WrongSubprotocolFault(),
]
IN_ORDER = (AcceptLateFault, BurstFault, LatencyFault, ThrottleFault, FragmentFault)
"""Faults that lose nothing and change no payload; a fragmented message is one of its frames more."""

TRIGGERS = st.builds(
    Trigger,
    on=st.sampled_from(["match", "connect"]),
    nth=st.none() | st.integers(1, 3),
    after=st.sampled_from([0, 100 * MILLISECOND, 2 * SECOND]),
    lasts=st.none() | st.sampled_from([500 * MILLISECOND, 5 * SECOND]),
    window=st.none() | st.just((100 * MILLISECOND, SECOND)),
    ramp=st.sampled_from([0, SECOND]),
)


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    return [
        Rule(
            name=f"rule {number}",
            fault=draw(st.sampled_from(FAULTS)),
            when=draw(TRIGGERS),
            select=draw(st.sampled_from([Selector(), Selector(direction=Direction.UPSTREAM)])),
            probability=draw(st.sampled_from([1.0, 0.5])),
            swallow=draw(st.booleans()),
        )
        for number in range(draw(st.integers(1, 3)))
    ]


def played(recording: Recording, armed: list[Rule], seed: int = 0) -> Journal:
    return simulate(recording, armed, Settings(seed=seed, wall=CREATED, fresh=False))


@given(recordings(), rules())
def test_nothing_follows_the_end_of_a_link_and_time_goes_on(recording: Recording, armed: list[Rule]) -> None:
    links: dict[tuple[str, Direction], list[Event]] = {}
    for event in played(recording, armed).events:
        links.setdefault((event.flow, event.direction), []).append(event)
    for events in links.values():
        assert not any(ends_link(event) for event in events[:-1])
        assert [event.at for event in events] == sorted(event.at for event in events)


@given(recordings(), rules(), st.integers(0, 9))
def test_every_run_can_be_repeated(recording: Recording, armed: list[Rule], seed: int) -> None:
    assert list(played(recording, armed, seed)) == list(played(recording, armed, seed))


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if isinstance(fault, IN_ORDER)], ids=lambda it: it.name
)
@given(recording=recordings(), when=TRIGGERS)
def test_what_is_late_is_not_lost_and_in_order(fault: Fault, recording: Recording, when: Trigger) -> None:
    rule = Rule(name="late", fault=fault, when=when)
    came = [event for event in played(recording, [rule]).events if event.direction is DOWN]
    for flow, recorded in recording.flows().items():
        said = [event.data for event in recorded if isinstance(event, Message) and event.direction is DOWN]
        late = [event.data for event in came if isinstance(event, Message) and event.flow == flow]
        whole = iter(said)
        assert all(data in whole for data in late), "overtaken"
        if not isinstance(fault, FragmentFault) and not any(isinstance(e, Close | Reset) for e in recorded):
            assert len(late) == len(said), "lost"


# --- order at one and the same moment --------------------------------------------------------------------------


def numbers(journal: Journal) -> list[int]:
    came = [event for event in journal.events if isinstance(event, Message) and event.direction is DOWN]
    return [document["number"] for event in came if "number" in (document := json.loads(event.data))]


@pytest.mark.parametrize("hold", [100, 200, 300])
def test_what_comes_when_a_wait_is_over_does_not_overtake(hold: int) -> None:
    stall = Rule(
        name="stall",
        fault=StallFault(),
        select=Selector(text="tick"),
        when=Trigger(times=1, lasts=hold * MILLISECOND),
    )
    assert numbers(played(ticking(), [stall])) == [1, 2, 3, 4, 5]


def test_what_was_held_comes_first_when_a_rule_is_disarmed() -> None:
    stall = Rule(name="stall", fault=StallFault(), select=Selector(text="tick"))
    session, driver = Session(compile_script(ticking()), [stall], Settings(fresh=False)), Driver(ticking())
    for at in range(0, 2000, 50):
        now = at * MILLISECOND
        if at == 350:  # the third tick was due 50 ms ago, and nobody has looked since
            session.disarm("stall", now)
        if at != 300:
            for event in driver.due(now):
                session.receive(event)
            for event in session.due(now):
                driver.receive(event)
    assert numbers(session.journal) == [1, 2, 3, 4, 5]


def test_pings_are_not_held_up_by_messages_that_wait() -> None:
    burst = Rule(name="burst", fault=BurstFault(count=3, wait=SECOND))
    flood = Rule(name="ping", fault=PingFloodFault(count=1), select=Selector(text='"number": 1'))
    events = played(ticking(), [flood, burst]).events
    ping = next(event for event in events if isinstance(event, Ping))
    first = next(event for event in events if isinstance(event, Message) and "tick" in str(event.data))
    assert ping.at < first.at


# --- nothing on paper only -------------------------------------------------------------------------------------


def test_every_fault_has_an_example_file() -> None:
    used = {rule.fault.name for name in fault_names() for rule in load_fault(name).rules}
    assert {fault.name for fault in FAULTS} <= used


@pytest.mark.parametrize("fault", dict.fromkeys(map(type, FAULTS)), ids=lambda fault: fault.name)
def test_every_fault_is_known_and_described(fault: type[Fault]) -> None:
    assert all_faults()[fault.name] is fault
    assert 20 < len(description(fault)) < 200
    assert load_fault(fault.name).file.title
