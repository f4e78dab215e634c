"""The pipeline: when a rule fires, what it holds, and that nothing overtakes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Direction, Message, Ping
from simulator.core.fault import Fault
from simulator.core.recording import Recording
from simulator.core.rule import Condition, Rule, Selector, Trigger
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.close import CloseFault
from simulator.faults.drop import DropFault
from simulator.faults.latency import LatencyFault
from simulator.faults.reset import ResetFault
from simulator.faults.silence import SilenceFault
from simulator.faults.stall import StallFault
from simulator.faults.status import StatusFault
from tests.conversations import CREATED, DOWN, UP, recording, recordings
from tests.core.playing import Staging, answer, briefly, down, get, message, socket, up, upgrade

MS = MILLISECOND
TICKS = Selector(json=(Condition(path=("type",), values=("tick",)),))


def ticks(count: int = 10) -> Recording:
    """A socket on which the server counts, from 200 ms on, every 100 ms."""
    return socket(*(down(200 + number * 100, type="tick", n=number) for number in range(count)))


def rule(fault: Fault, when: Trigger | None = None, select: Selector = TICKS, **fields: object) -> Rule:
    return Rule(name="rule", fault=fault, when=when or Trigger(), select=select, **fields)  # type: ignore[arg-type]


def heard(played: Recording, *rules: Rule, **settings: object) -> list[tuple[int, int]]:
    """Which ticks were heard, and when."""
    said = simulate(played, rules, Settings(wall=CREATED, fresh=False, **settings)).events  # type: ignore[arg-type]
    found = [event for event in said if isinstance(event, Message) and '"tick"' in event.data]  # type: ignore[operator]
    return [(event.at // MS, int(str(event.data).rpartition(" ")[2].rstrip("}"))) for event in found]


def lost(played: Recording, when: Trigger, **settings: object) -> list[int]:
    """Which ticks a rule that drops them takes."""
    kept = [number for _, number in heard(played, rule(DropFault(), when), **settings)]
    return [number for _, number in heard(played) if number not in kept]


# --- which matches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "gone"),
    [
        (Trigger(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Trigger(nth=1), [0]),
        (Trigger(nth=4), [3]),
        (Trigger(nth=99), []),
        (Trigger(every=3), [2, 5, 8]),
        (Trigger(every=1), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Trigger(after_n=7), [7, 8, 9]),
        (Trigger(after_n=0), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Trigger(times=2), [0, 1]),
        (Trigger(every=3, times=2), [2, 5]),
        (Trigger(after_n=5, every=2), [5, 7, 9]),
        (Trigger(after=300 * MS), [3, 4, 5, 6, 7, 8, 9]),
        (Trigger(lasts=300 * MS), [0, 1, 2]),
        (Trigger(after=300 * MS, lasts=200 * MS), [3, 4]),
        (Trigger(nth=2, after=300 * MS), []),
        (Trigger(after_n=2, after=300 * MS, times=1), [5]),
        (Trigger(first_connections=1), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
    ids=str,
)
def test_a_transform_fires_on_the_matches_that_its_trigger_means(when: Trigger, gone: list[int]) -> None:
    assert lost(ticks(), when) == gone


def two_sockets() -> Recording:
    return recording(
        get("0", 0, "/health"),
        answer("0", 10),
        *upgrade("1", 0),
        *upgrade("2", 50),
        *(message(flow, 500 + n * 100, DOWN, type="tick", n=n) for flow in "12" for n in range(3)),
    )


@pytest.mark.parametrize(
    ("when", "left"),
    [
        (Trigger(nth=1), [1, 1, 2, 2]),
        (Trigger(nth=1, per="flow"), [1, 1, 2, 2]),
        (Trigger(nth=1, per="run"), [0, 1, 1, 2, 2]),
        (Trigger(nth=1, per="client"), [1, 1, 2, 2]),
        (Trigger(times=2, per="run"), [1, 1, 2, 2]),
        (Trigger(times=2), [2, 2]),
        (Trigger(first_connections=1), [0, 1, 2]),
    ],
    ids=str,
)
def test_matches_are_counted_for_each_socket_unless_said(when: Trigger, left: list[int]) -> None:
    assert sorted(number for _, number in heard(two_sockets(), rule(DropFault(), when))) == left


def test_requests_are_counted_all_together_unless_said() -> None:
    played = recording(
        *(event for n in range(4) for event in (get(f"{n}", n * 100, "/a"), answer(f"{n}", n * 100 + 10)))
    )
    failing = Rule(name="status", fault=StatusFault(status=503), when=Trigger(nth=3))
    staging = Staging(played, failing)
    staging.hears(*(get(f"{n}", n * 100, "/a") for n in range(4)))
    assert [what for _, what in briefly(staging.says(9000))] == ["200", "200", "503", "200"]


def test_one_client_counts_its_own_matches() -> None:
    played = recording(get("1", 0, "/a"), answer("1", 10))
    failing = Rule(name="status", fault=StatusFault(status=503), when=Trigger(nth=2, per="client"))
    staging = Staging(played, failing)
    for number, name in enumerate(["alice", "bob", "alice", "bob"]):
        staging.hears(get(f"{number}", number * 100, "/a", (("Authorization", f"Bearer token-of-{name}"),)))
    assert [what for _, what in briefly(staging.says(9000))] == ["200", "200", "503", "503"]


def test_probability_is_luck_and_the_seed_repeats_it() -> None:
    played = ticks(200)
    unlucky = rule(DropFault(), probability=0.5)
    runs = [heard(played, unlucky, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert 50 < len(runs[0]) < 150
    assert len(heard(played, rule(DropFault(), probability=1.0))) == 0


def test_what_bad_luck_spares_is_not_one_of_the_times() -> None:
    left = heard(ticks(200), rule(DropFault(), Trigger(times=5), probability=0.3), seed=3)
    assert len(left) == 195


# --- holding ---------------------------------------------------------------------------------------------------


def test_a_stall_holds_everything_for_its_time_and_then_lets_it_go_in_order() -> None:
    assert heard(ticks(6), rule(StallFault(), Trigger(nth=2, lasts=250 * MS))) == [
        (200, 0),
        (550, 1),
        (550, 2),
        (550, 3),
        (600, 4),
        (700, 5),
    ]


def test_what_comes_at_the_very_end_of_a_stall_comes_last() -> None:
    assert heard(ticks(6), rule(StallFault(), Trigger(nth=2, lasts=200 * MS))) == [
        (200, 0),
        (500, 1),
        (500, 2),
        (500, 3),
        (600, 4),
        (700, 5),
    ]


def test_a_stall_that_waits_begins_so_long_after_the_first_match() -> None:
    assert heard(ticks(10), rule(StallFault(), Trigger(after=350 * MS, lasts=250 * MS, times=1))) == [
        *((200 + n * 100, n) for n in range(4)),
        *((800, n) for n in (4, 5, 6)),
        *((200 + n * 100, n) for n in (7, 8, 9)),
    ]


def test_what_began_a_stall_may_be_swallowed() -> None:
    assert heard(ticks(4), rule(StallFault(), Trigger(nth=2, lasts=150 * MS), swallow=True)) == [
        (200, 0),
        (450, 2),
        (500, 3),
    ]


def test_a_stall_without_an_end_holds_until_it_is_disarmed() -> None:
    staging = Staging(ticks(5), rule(StallFault(), Trigger(nth=2)))
    staging.opens()
    assert briefly(staging.says(60_000)) == [(100, "101"), (200, "tick")]
    assert staging.session.deadline() is None
    assert staging.session.disarm("rule", 60 * SECOND)
    assert staging.session.deadline() == 60 * SECOND
    released = staging.says(60_000)
    assert [(event.at, event.data[-3:]) for event in released] == [  # type: ignore[attr-defined]
        (60 * SECOND, f" {n}}}") for n in (1, 2, 3, 4)
    ]


def test_what_comes_when_a_stall_is_disarmed_comes_after_what_it_held() -> None:
    played = socket(
        *(down(200 + n * 100, type="tick", n=n) for n in range(3)), up(1000, type="go"), down(1000, type="gone")
    )
    staging = Staging(played, rule(StallFault(), Trigger(nth=1)))
    staging.opens()
    staging.says(5000)
    staging.hears(up(6000, type="go"))
    staging.session.disarm("rule", 6 * SECOND)
    assert [what for _, what in briefly(staging.says(6000))] == ["tick", "tick", "tick", "gone"]


def test_heartbeats_pass_a_stall_of_data_and_are_held_by_one_of_all() -> None:
    played = socket(
        down(200, type="tick", n=0), down(300, type="ping"), Ping(flow="1", at=400 * MS, direction=DOWN)
    )
    for only, left in (("data", ["101", "ping", "ping"]), ("all", ["101"])):
        staging = Staging(played, rule(StallFault(only=only)))  # type: ignore[arg-type]
        staging.opens()
        assert [what for _, what in briefly(staging.says(9000))] == left


def test_latency_keeps_the_order_and_the_distances() -> None:
    assert heard(ticks(3), rule(LatencyFault(delay=250 * MS))) == [(450, 0), (550, 1), (650, 2)]


def test_what_follows_something_late_waits_for_it() -> None:
    assert heard(ticks(4), rule(LatencyFault(delay=250 * MS), Trigger(nth=1))) == [
        (450, 0),
        (450, 1),
        (450, 2),
        (500, 3),
    ]


def test_two_delays_add_up() -> None:
    twice = [replace(rule(LatencyFault(delay=100 * MS)), name=name) for name in ("a", "b")]
    assert heard(ticks(2), *twice) == [(400, 0), (500, 1)]


def test_recorded_delays_are_dropped_and_those_of_faults_stay() -> None:
    assert heard(ticks(2), rule(LatencyFault(delay=250 * MS)), speed=math.inf) == [(250, 0), (250, 1)]


# --- lasting and striking --------------------------------------------------------------------------------------


def test_silence_lasts_as_long_as_it_is_told_and_loses_what_was_said() -> None:
    assert heard(ticks(6), rule(SilenceFault(), Trigger(nth=3, lasts=250 * MS))) == [
        (200, 0),
        (300, 1),
        (700, 5),
    ]


def closing(when: Trigger, **fields: object) -> list[tuple[int, str]]:
    staging = Staging(ticks(4), rule(CloseFault(code=1011), when, **fields))
    staging.opens()
    return briefly(staging.says(9000))


def test_a_strike_comes_before_what_it_strikes_and_ends_everything() -> None:
    assert closing(Trigger(nth=2)) == [(100, "101"), (200, "tick"), (300, "close 1011")]


def test_a_strike_may_come_later() -> None:
    assert closing(Trigger(nth=2, after=150 * MS)) == [
        (100, "101"),
        (200, "tick"),
        (300, "tick"),
        (400, "tick"),
        (450, "close 1011"),
    ]


def test_what_triggered_a_strike_may_be_swallowed() -> None:
    assert closing(Trigger(nth=2, after=150 * MS), swallow=True) == [
        (100, "101"),
        (200, "tick"),
        (400, "tick"),
        (450, "close 1011"),
    ]


def test_a_swallowed_message_of_the_client_never_reaches_the_server() -> None:
    played = socket(up(200, type="go"), down(300, type="going"))
    go = Selector(direction=Direction.UPSTREAM)
    staging = Staging(played, rule(CloseFault(code=1011), Trigger(after=SECOND), go, swallow=True))
    staging.opens()
    staging.hears(up(500, type="go"))
    assert briefly(staging.says(9000)) == [(100, "101"), (1500, "close 1011")]
    assert [note.detail["event"] for note in staging.notes("matched")] == ["GET /ws"]


def test_a_strike_on_connect_comes_after_the_101() -> None:
    staging = Staging(ticks(2), rule(ResetFault(), Trigger(on="connect"), Selector()))
    staging.opens()
    assert briefly(staging.says(9000)) == [(100, "101"), (100, "reset")]


def test_a_strike_that_was_set_does_not_come_once_its_rule_is_disarmed() -> None:
    staging = Staging(ticks(2), rule(CloseFault(), Trigger(nth=1, after=SECOND)))
    staging.opens()
    staging.says(500)
    staging.session.disarm("rule", 500 * MS)
    assert briefly(staging.says(9000)) == []


def test_a_rule_behind_one_that_ended_the_flow_has_nothing_to_do() -> None:
    rules = (
        Rule(name="reset", fault=ResetFault(), select=TICKS),
        Rule(name="close", fault=CloseFault(), select=TICKS, when=Trigger(after=SECOND)),
    )
    staging = Staging(ticks(2), *rules)
    staging.opens()
    assert briefly(staging.says(9000)) == [(100, "101"), (200, "reset")]


def test_the_second_of_two_closes_is_not_sent() -> None:
    rules = [replace(rule(CloseFault(code=code), Trigger(nth=1)), name=str(code)) for code in (1011, 1012)]
    staging = Staging(ticks(2), *rules)
    staging.opens()
    assert briefly(staging.says(9000)) == [(100, "101"), (200, "close 1011")]


def test_rules_stand_in_order_and_each_sees_what_the_one_before_left() -> None:
    first, second = (replace(rule(DropFault(), Trigger(nth=1)), name=name) for name in ("a", "b"))
    staging = Staging(ticks(3), first, second)
    staging.opens()
    staging.says(9000)
    assert [(stage.matched, stage.fired) for stage in staging.session.stages] == [(3, 1), (2, 1)]
    assert [note.detail["rule"] for note in staging.notes("fired")] == ["a", "b"]


# --- laws ------------------------------------------------------------------------------------------------------

triggers = st.builds(
    Trigger,
    nth=st.none() | st.integers(1, 5),
    every=st.none() | st.integers(1, 3),
    after_n=st.none() | st.integers(0, 5),
    times=st.none() | st.integers(1, 3),
)


@given(triggers, st.integers(0, 30))
def test_a_rule_fires_exactly_on_the_matches_that_count(when: Trigger, count: int) -> None:
    turns = [match - 1 for match in range(1, count + 1) if when.counts(match)]
    assert lost(ticks(count), when) == turns[: when.times]


@given(recordings(), st.sampled_from([0, 1 * MS, 400 * MS]), st.sampled_from([200 * MS, 5 * SECOND]))
def test_a_stall_loses_nothing(played: Recording, after: int, lasts: int) -> None:
    stall = Rule(name="stall", fault=StallFault(), when=Trigger(nth=1, after=after, lasts=lasts))
    settings = Settings(wall=CREATED, fresh=False)

    def said(*rules: Rule) -> list[str]:
        events = simulate(played, rules, settings).events
        return sorted(repr(replace(event, at=0)) for event in events if event.direction is DOWN)

    assert said(stall) == said()


@given(recordings(), st.sampled_from([Direction.UPSTREAM, Direction.DOWNSTREAM]))
def test_what_is_dropped_is_never_heard(played: Recording, way: Direction) -> None:
    drop = Rule(name="drop", fault=DropFault(), select=Selector(direction=way))
    journal = simulate(played, [drop], Settings(wall=CREATED, fresh=False))
    if way is UP:
        matched = [note.detail["event"] for note in journal.notes("matched")]
        assert not any(str(event).startswith(("text", "binary", "kind_")) for event in matched)
    else:
        assert not any(isinstance(event, Message) and event.direction is DOWN for event in journal.events)
