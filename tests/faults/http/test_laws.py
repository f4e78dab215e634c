"""The laws hold for whatever is wrong on HTTP; transforms that follow a response; what comes again by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Chunk, Direction, End, Event, Request, Reset, Response, ends_link
from simulator.core.fault import Context, Fault, Kinds
from simulator.core.journal import Journal
from simulator.core.recording import Recording
from simulator.core.rule import Condition, Rule, Selector, Trigger
from simulator.core.script import compile_script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.body import DribbleFault, TruncatedBodyFault
from simulator.faults.broken import EmptyResponseFault, MalformedResponseChunkFault, RandomDataThenCloseFault
from simulator.faults.close import CloseFault
from simulator.faults.endless import EndlessStreamFault
from simulator.faults.issued_token import IssuedTokenFault
from simulator.faults.latency import LatencyFault
from simulator.faults.mock import MockFault
from simulator.faults.ratelimit import RateLimitFault
from simulator.faults.reset import ResetFault
from simulator.faults.stall import StallFault
from simulator.faults.status import RefuseFault, StatusFault
from simulator.faults.token import TokenFault
from tests.conversations import CREATED, agent_run
from tests.faults.auth.test_issued_token import login
from tests.faults.auth.test_token import protected
from tests.faults.http.web import STREAM, site

FAULTS: list[Fault] = [
    DribbleFault(chunks=3, duration=SECOND),
    EmptyResponseFault(),
    EndlessStreamFault(interval=SECOND),
    IssuedTokenFault(),
    LatencyFault(delay=500 * MILLISECOND, jitter=500 * MILLISECOND),
    MalformedResponseChunkFault(),
    MockFault(delay=SECOND),
    RandomDataThenCloseFault(),
    RateLimitFault(limit=2, window=3 * SECOND),
    RefuseFault(status=403),
    ResetFault(),
    StallFault(),
    StatusFault(status=204),
    TokenFault(websocket="close"),
    TokenFault(state="revoked"),
    TruncatedBodyFault(hold=SECOND, rst=True),
    TruncatedBodyFault(after_bytes=50),
]
TRIGGERS = st.builds(
    Trigger,
    nth=st.none() | st.integers(1, 3),
    after=st.sampled_from([0, 2 * SECOND]),
    lasts=st.none() | st.just(3 * SECOND),
    per=st.sampled_from([None, "flow", "client", "run"]),
)
RULES = st.lists(st.tuples(st.sampled_from(FAULTS), TRIGGERS), min_size=1, max_size=3).map(
    lambda pairs: [
        Rule(name=f"rule {number}", fault=fault, when=when) for number, (fault, when) in enumerate(pairs)
    ]
)
RECORDINGS = st.sampled_from([site(), protected(), login(), agent_run()])


def played(recording: Recording, rules: list[Rule]) -> Journal:
    settings = Settings(wall=CREATED, fresh=False)
    return simulate(recording, rules, settings, until=30 * SECOND)


@given(RECORDINGS, RULES)
def test_nothing_overtakes_and_nothing_follows_its_end(recording: Recording, rules: list[Rule]) -> None:
    links: dict[tuple[str, Direction], list[Event]] = defaultdict(list)
    for event in played(recording, rules).events:
        links[event.flow, event.direction].append(event)
    for events in links.values():
        assert [event.at for event in events] == sorted(event.at for event in events)
        assert not any(ends_link(event) for event in events[:-1])


@given(RECORDINGS, RULES)
def test_the_same_run_twice(recording: Recording, rules: list[Rule]) -> None:
    assert list(played(recording, rules)) == list(played(recording, rules))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.name))
def test_each_of_them_fires_on_something(fault: Fault) -> None:
    rules = [Rule(name="it", fault=fault, when=Trigger(per="run"))]
    journals = [played(recording, rules) for recording in (site(), protected(), login(), agent_run())]
    assert any(journal.notes("fired") for journal in journals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shout(Fault):
    """The pieces of a response are in capitals; the response itself stays as it is."""

    name: ClassVar[str] = "shout"
    acts_on: ClassVar[Kinds] = frozenset({Response})

    def follows(self, event: Event) -> bool:
        return isinstance(event, Chunk)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if isinstance(event, Chunk):
            return [Chunk(flow=event.flow, at=event.at, data=event.data.upper())]
        return [event]


def test_a_transform_that_follows_fires_once_and_only_if_it_changed_something() -> None:
    session = Session(compile_script(site()), [Rule(name="shout", fault=Shout())], Settings(wall=CREATED))
    for flow, path in (("1", "/health"), ("2", "/stream")):
        session.receive(Request(flow=flow, at=0, service="backend", method="GET", target=path))
    sent = session.due(2 * SECOND)
    assert [event.data for event in sent if isinstance(event, Chunk)] == [piece.upper() for piece in STREAM]
    stage = session.stages[0]
    assert (stage.matched, stage.fired, stage.affected) == (2, 1, 2)
    assert [note.what for note in session.journal.notes() if note.what in ("fired", "affected")] == [
        "fired",
        "affected",
    ]


def test_what_asks_for_itself_again_stops_when_it_is_disarmed() -> None:
    rule = Rule(name="endless", fault=EndlessStreamFault(interval=SECOND))
    session = Session(compile_script(site()), [rule], Settings(wall=CREATED))
    session.receive(Request(flow="1", at=0, service="backend", method="GET", target="/items"))
    assert sum(isinstance(event, Chunk) for event in session.due(10 * SECOND)) == 9
    session.disarm("endless", 10 * SECOND)
    assert session.due(20 * SECOND) == []
    assert session.deadline() is None


def test_a_strike_that_comes_later_is_nothing_to_a_flow_that_is_gone() -> None:
    started = Selector(json=(Condition(path=("type",), values=("start_agent",)),))
    rules = [
        Rule(name="reset", fault=ResetFault(), select=started),
        Rule(name="close", fault=CloseFault(), select=started, when=Trigger(after=SECOND)),
    ]
    events = played(agent_run(), rules).events
    assert isinstance([event for event in events if event.flow == "2"][-1], Reset)


def test_the_end_of_a_stream_waits_for_what_dribbles() -> None:
    rule = Rule(name="dribble", fault=DribbleFault(chunks=2, duration=SECOND))
    events = [event for event in played(site(), [rule]).events if event.flow == "8"]
    assert isinstance(events[-1], End)
    assert events[-1].at == [event for event in events if isinstance(event, Chunk)][-1].at
