"""When rules fire: every word of `when:`, through whole simulated runs."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Event, Message, Request, Response
from simulator.core.fault import Fault
from simulator.core.recording import Recording
from simulator.core.rule import Rule, Selector, Trigger
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.close import CloseFault
from simulator.faults.drop import DropFault
from simulator.faults.inject import InjectFault
from simulator.faults.silence import SilenceFault
from simulator.faults.stall import StallFault
from simulator.faults.status import StatusFault
from simulator.files.rulemodels import rule_of
from tests.conversations import CREATED, DOWN, UPGRADE, recording, text

ALL = list(range(1, 11))
GAP = 100 * MILLISECOND
MESSAGES = Selector(event="message")


def feed(connections: int = 1, *, apart: int = 20 * SECOND, gap: int = GAP, ticks: int = 10) -> Recording:
    """WebSockets one after the other, each with ten messages, `gap` apart; the first comes with the 101."""
    events: list[Event] = []
    for number in range(connections):
        flow, at = str(number + 1), number * apart
        target = f"/ws/{number}?token=secret-of-client-{number // 2}"
        events.append(Request(flow=flow, at=at, service="backend", method="GET", target=target, headers=UPGRADE))
        events.append(Response(flow=flow, at=at + MILLISECOND, status=101))
        events += [
            text(flow, at // MILLISECOND + 1 + index * gap // MILLISECOND, DOWN, n=index + 1)
            for index in range(ticks)
        ]
    return recording(*events)


def run(played: Recording, fault: Fault, when: Trigger, *, seed: int = 0, **rule: object) -> list[Event]:
    rules = [Rule(name="rule", fault=fault, when=when, **rule)]  # type: ignore[arg-type]
    return list(simulate(played, rules, Settings(seed=seed, wall=CREATED, fresh=False)).events)


def numbers(events: Iterable[Event], flow: str | None = None) -> list[int]:
    """The numbers of the messages that came, of one flow or of all."""
    came = [event for event in events if isinstance(event, Message) and flow in (None, event.flow)]
    return [json.loads(event.data)["n"] for event in came if "n" in json.loads(event.data)]


def lost(when: Trigger, played: Recording | None = None, **rule: object) -> list[int]:
    """The numbers of the messages that a drop under this trigger takes away."""
    came = numbers(run(played or feed(), DropFault(), when, **rule))  # type: ignore[arg-type]
    return [number for number in ALL if number not in came]


@pytest.mark.parametrize(
    ("when", "gone"),
    [
        (Trigger(), ALL),
        (Trigger(nth=3), [3]),
        (Trigger(every=3), [3, 6, 9]),
        (Trigger(after_n=7), [8, 9, 10]),
        (Trigger(times=2), [1, 2]),
        (Trigger(every=3, times=2), [3, 6]),
        (Trigger(after_n=3, every=2, times=2), [4, 6]),
        (Trigger(after=GAP), ALL[1:]),
        (Trigger(after=350 * MILLISECOND), ALL[4:]),
        (Trigger(lasts=250 * MILLISECOND), [1, 2, 3]),
        (Trigger(lasts=2 * GAP), [1, 2]),
        (Trigger(after=350 * MILLISECOND, lasts=2 * GAP), [5, 6]),
        (Trigger(window=(0, SECOND)), ALL),
        (Trigger(window=(200 * MILLISECOND, 500 * MILLISECOND)), [3, 4, 5]),
        (Trigger(window=(200 * MILLISECOND, 500 * MILLISECOND), nth=2), [4]),
        (Trigger(window=(2 * SECOND, 3 * SECOND)), []),
        (Trigger(first_connections=1), ALL),
        (Trigger(on="connect"), []),
    ],
    ids=str,
)
def test_a_transform_fires_when_it_is_to(when: Trigger, gone: list[int]) -> None:
    assert lost(when) == gone


@pytest.mark.parametrize("per", ["flow", "client", "run"])
def test_matches_are_counted_by_flow_by_client_or_all_together(per: str) -> None:
    events = run(feed(4), DropFault(), Trigger(nth=2, per=per))  # type: ignore[arg-type]
    missing = [flow for flow in "1234" if 2 not in numbers(events, flow)]
    assert missing == {"flow": ["1", "2", "3", "4"], "client": ["1", "3"], "run": ["1"]}[per]


@pytest.mark.parametrize(("per", "times"), [("flow", 4), ("client", 2), ("run", 1)])
def test_a_fault_strikes_once_each_once_per_client_or_once_in_all(per: str, times: int) -> None:
    when = Trigger(times=1, per=per)  # type: ignore[arg-type]
    events = run(feed(4), InjectFault(text='{"n": 0}'), when)
    assert numbers(events).count(0) == times


def test_http_is_counted_all_together_and_websockets_each_by_itself() -> None:
    polls = [
        event
        for number in range(4)
        for event in (
            Request(flow=str(number), at=number * 1000, service="backend", method="GET", target="/job"),
            Response(flow=str(number), at=number * 1000 + 500, status=200),
        )
    ]
    events = run(recording(*polls), StatusFault(status=503), Trigger(nth=3))
    assert [event.status for event in events if isinstance(event, Response)] == [200, 200, 503, 200]


def test_the_first_connections_are_those_that_the_rule_means() -> None:
    login = [
        Request(flow="login", at=0, service="backend", method="POST", target="/login"),
        Response(flow="login", at=1, status=200),
    ]
    played = recording(*login, *(event for event in feed(4).events))
    extra = InjectFault(text='{"n": 0}')
    events = run(played, extra, Trigger(first_connections=2))
    assert [numbers(events, flow).count(0) for flow in "1234"] == [10, 10, 0, 0]
    events = run(played, extra, Trigger(first_connections=1), select=Selector(path="/ws/[12]"))
    assert [numbers(events, flow).count(0) for flow in "1234"] == [0, 10, 0, 0]


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_a_probability_is_about_what_it_says_and_the_same_for_a_seed(probability: float) -> None:
    played = feed(gap=MILLISECOND, ticks=200)
    runs = [numbers(run(played, DropFault(), Trigger(), seed=seed, probability=probability)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert abs(len(runs[0]) / 200 - (1 - probability)) < 0.1


def test_a_ramp_rises_to_the_probability_and_stays_there() -> None:
    played = feed(gap=10 * MILLISECOND, ticks=400)
    for probability in (1.0, 0.6):
        came = numbers(run(played, DropFault(), Trigger(ramp=2 * SECOND), probability=probability))
        eighths = [sum(low < number <= low + 50 for number in came) for low in range(0, 400, 50)]
        expected = [50 * (1 - probability * min(1, (eighth + 0.5) / 4)) for eighth in range(8)]
        assert all(abs(found - wanted) < 12 for found, wanted in zip(eighths, expected, strict=True))


def test_a_strike_comes_so_long_after() -> None:
    when = Trigger(on="connect", after=250 * MILLISECOND)
    events = run(feed(), CloseFault(code=1011), when)
    (close,) = (event for event in events if event.kind == "close")
    assert close.at == 251 * MILLISECOND
    assert numbers(events) == [1, 2, 3]


def test_a_strike_on_connect_comes_first() -> None:
    events = run(feed(), InjectFault(json={"hello": 1}), Trigger(on="connect"))
    assert [getattr(event, "data", event.kind) for event in events[:3]] == ["request", "response", '{"hello": 1}']


@pytest.mark.parametrize(
    ("when", "gone"),
    [
        (Trigger(), ALL),
        (Trigger(nth=4), ALL[3:]),
        (Trigger(nth=4, lasts=250 * MILLISECOND), [4, 5, 6]),
        (Trigger(nth=2, after=250 * MILLISECOND), ALL[4:]),
        (Trigger(after=250 * MILLISECOND), ALL[3:]),  # later matches do not put it off
        (Trigger(after=250 * MILLISECOND, lasts=2 * GAP, times=1), [4, 5]),
        (Trigger(on="connect", lasts=250 * MILLISECOND), [1, 2, 3]),
        (Trigger(every=5, lasts=150 * MILLISECOND), [5, 6, 10]),
        (Trigger(lasts=150 * MILLISECOND, every=4, times=1), [4, 5]),
        (Trigger(lasts=50 * MILLISECOND, times=3), [1, 2, 3]),
        (Trigger(window=(200 * MILLISECOND, 500 * MILLISECOND)), [3, 4, 5]),
        (Trigger(window=(200 * MILLISECOND, 500 * MILLISECOND), lasts=GAP, times=1), [3]),
    ],
    ids=str,
)
def test_a_lasting_fault_lasts_as_long_as_it_is_to(when: Trigger, gone: list[int]) -> None:
    select = MESSAGES if when.on == "match" else Selector()
    came = numbers(run(feed(), SilenceFault(), when, select=select))
    assert [number for number in ALL if number not in came] == gone


def test_a_lasting_fault_fires_when_it_begins_and_not_while_it_lasts() -> None:
    when = Trigger(every=2, lasts=350 * MILLISECOND)
    rule = Rule(name="rule", fault=SilenceFault(), when=when, select=MESSAGES)
    journal = simulate(feed(), [rule], Settings(wall=CREATED, fresh=False))
    assert [note.at for note in journal.notes("fired")] == [
        101 * MILLISECOND,
        501 * MILLISECOND,
        901 * MILLISECOND,
    ]


def test_what_changes_nothing_has_not_fired() -> None:
    nothing = Rule(name="late", fault=StallFault(), when=Trigger(window=(5 * SECOND, 6 * SECOND)))
    journal = simulate(feed(), [nothing], Settings(wall=CREATED, fresh=False))
    assert not journal.notes("fired")
    when = Trigger(times=2)
    rule, wrong = rule_of({"fault": "corrupt", "kind": "null", "path": "$.n", "when": {"times": 2}}, "rule")
    assert rule is not None
    assert (rule.when, wrong) == (when, [])
    journal = simulate(recording(*feed().events[:2], text("1", 50, DOWN, other=1), *feed().events[2:]), [rule])
    said = [json.loads(event.data) for event in journal.events if isinstance(event, Message)]
    assert said[:4] == [{"n": None}, {"other": 1}, {"n": None}, {"n": 3}]


@pytest.mark.parametrize(
    ("when", "trigger"),
    [
        ({"window": ["10s", "15s"]}, Trigger(window=(10 * SECOND, 15 * SECOND))),
        ({"window": [0, "1m"]}, Trigger(window=(0, 60 * SECOND))),
        ({"ramp": "30s"}, Trigger(ramp=30 * SECOND)),
        ({"for": "2s", "after": "1s"}, Trigger(lasts=2 * SECOND, after=SECOND)),
    ],
)
def test_triggers_are_written_in_files(when: dict[str, object], trigger: Trigger) -> None:
    rule, wrong = rule_of({"fault": "drop", "when": when}, "rule")
    assert rule is not None
    assert (rule.when, wrong) == (trigger, [])


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        (
            {"window": ["15s", "10s"]},
            "when.window: expected a window that begins before it ends, such as [10s, 15s]",
        ),
        ({"window": ["10s"]}, "when.window[1]: missing"),
        ({"window": ["now", "10s"]}, "when.window[0]: expected a duration such as '250ms' or '2m', got 'now'"),
        ({"ramp": "up"}, "when.ramp: expected a duration such as '250ms' or '2m', got 'up'"),
    ],
)
def test_a_mistake_in_a_trigger_has_its_place(when: dict[str, object], problem: str) -> None:
    _, wrong = rule_of({"fault": "drop", "when": when}, "rule")
    assert problem in [str(error) for error in wrong]


TRIGGERS = st.builds(
    Trigger,
    nth=st.none() | st.integers(1, 12),
    every=st.none() | st.integers(1, 4),
    after_n=st.none() | st.integers(0, 12),
    times=st.none() | st.integers(1, 4),
)


@given(TRIGGERS)
def test_counting_is_what_it_says(when: Trigger) -> None:
    wanted = [
        number
        for number in ALL
        if (when.nth is None or number == when.nth)
        and (when.every is None or number % when.every == 0)
        and (when.after_n is None or number > when.after_n)
    ]
    assert lost(when) == wanted[: when.times]
