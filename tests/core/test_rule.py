"""Rules: which events they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Chunk, Close, Direction, Event, Message, Ping, Request, Reset, Response
from simulator.core.jsontext import MISSING, Json, parse_path
from simulator.core.rule import Condition, Rule, Selector, Trigger
from simulator.core.units import SECOND
from simulator.faults.close import CloseFault
from simulator.faults.drop import DropFault
from simulator.faults.reset import ResetFault
from simulator.faults.status import RefuseFault, StatusFault
from tests.conversations import DOWN, UP, UPGRADE
from tests.core.playing import answer, down, get, post, up

WS = get("1", 0, "/api/ws?token=x", UPGRADE)


def chunk(data: bytes) -> Chunk:
    return Chunk(flow="1", at=0, data=data)


def condition(path: str, *values: Json, **fields: object) -> Condition:
    return Condition(path=parse_path(path), values=values, **fields)  # type: ignore[arg-type]


# --- conditions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "document", "holds"),
    [
        (condition("$.a", 1), {"a": 1}, True),
        (condition("$.a", 1), {"a": 2}, False),
        (condition("$.a", 1), {"a": "1"}, False),
        (condition("$.a", 1), {"a": True}, False),
        (condition("$.a", True), {"a": 1}, False),
        (condition("$.a", 1), {"a": 1.0}, True),
        (condition("$.a", 1, "x", None), {"a": None}, True),
        (condition("$.a", None), {}, False),
        (condition("$.a", "x"), MISSING, False),
        (condition("$.a"), {"a": None}, True),
        (condition("$.a"), {}, False),
        (condition("$.a", exists=False), {}, True),
        (condition("$.a", exists=False), {"a": None}, False),
        (condition("$.a", exists=False), MISSING, True),
        (condition("$.a", pattern="x+"), {"a": "xx"}, True),
        (condition("$.a", pattern="x+"), {"a": "xxy"}, False),
        (condition("$.a", pattern="1"), {"a": 1}, False),
        (condition("$.a", pattern="x", exists=False), {}, True),
        (condition("$.a[0].b", 1), {"a": [{"b": 1}]}, True),
        (condition("$.a[-1]", 3), {"a": [1, 2, 3]}, True),
        (condition("$.a[*].b", 2), {"a": [{"b": 1}, {"b": 2}]}, True),
        (condition("$.a[*].b", 3), {"a": [{"b": 1}, {"b": 2}]}, False),
        (condition("$.a[*].b", pattern="x"), {"a": [{"b": "y"}, {"b": "x"}]}, True),
        (condition("$.a[*]", exists=False), {"a": []}, True),
        (condition("$.a[*]"), {"a": []}, False),
        (condition("$", exists=True), {"a": 1}, True),
    ],
    ids=str,
)
def test_a_condition_holds_where_its_value_stands(wanted: Condition, document: Json, holds: bool) -> None:
    assert wanted.holds(document) is holds


# --- selectors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "event", "selected"),
    [
        (Selector(), down(0, type="a"), True),
        (Selector(direction=Direction.UPSTREAM), down(0, type="a"), False),
        (Selector(direction=Direction.UPSTREAM), up(0, type="a"), True),
        (Selector(event="message"), down(0, type="a"), True),
        (Selector(event="ping"), down(0, type="a"), False),
        (Selector(service="backend", path="/api/ws", method="get"), down(0), True),
        (Selector(service="auth"), down(0), False),
        (Selector(path="/api/*"), down(0), True),
        (Selector(path="/API/*"), down(0), False),
        (Selector(path="/api"), down(0), False),
        (Selector(path="/api/ws?token=x"), down(0), False),
        (Selector(method="POST"), down(0), False),
        (Selector(text="s.art"), down(0, type="start"), True),
        (Selector(text="^start"), down(0, type="start"), False),
        (Selector(text="é"), Message(flow="1", at=0, direction=DOWN, data="é".encode()), True),
        (Selector(text="paid"), answer("1", 0, state="paid"), True),
        (Selector(text="x"), Close(flow="1", at=0, direction=DOWN, reason="x"), False),
        (Selector(opcode="text"), down(0), True),
        (Selector(opcode="binary"), down(0), False),
        (Selector(opcode="binary"), Message(flow="1", at=0, direction=DOWN, data=b""), True),
        (Selector(opcode="text"), Ping(flow="1", at=0, direction=DOWN), False),
        (Selector(status=503), answer("1", 0, 503), True),
        (Selector(status=503), answer("1", 0, 200), False),
        (Selector(status=503), down(0), False),
        (Selector(code=1000), Close(flow="1", at=0, direction=DOWN, code=1000), True),
        (Selector(code=1000), Close(flow="1", at=0, direction=DOWN), False),
        (Selector(client="client 1*"), down(0), True),
        (Selector(client="client 2"), down(0), False),
        (Selector(json=(condition("$.type", "a"), condition("$.n", 1))), down(0, type="a", n=1), True),
        (Selector(json=(condition("$.type", "a"), condition("$.n", 1))), down(0, type="a"), False),
        (Selector(json=(condition("$.type", "a"),)), answer("1", 0, type="a"), True),
        (
            Selector(json=(condition("$.type", "a"),)),
            chunk(b'data: {"type": "b"}\n\ndata: {"type": "a"}\n\n'),
            True,
        ),
        (Selector(json=(condition("$.type", "a"),)), chunk(b'{"type": "b"}\n{"n": 1}\n'), False),
        (
            Selector(json=(condition("$.type", "a"),)),
            Ping(flow="1", at=0, direction=DOWN, data=b'{"type": "a"}'),
            False,
        ),
    ],
    ids=str,
)
def test_everything_that_a_selector_says_must_hold(selector: Selector, event: Event, selected: bool) -> None:
    assert selector.selects(event, WS, "client 12") is selected


def test_a_flow_without_a_request_is_on_no_path() -> None:
    assert Selector(text="a").selects(down(0, type="a"), None)
    assert not Selector(path="*").selects(down(0), None)
    assert not Selector(service="backend").selects(down(0), None)
    assert not Selector(method="GET").selects(down(0), None)


# --- what a rule means -----------------------------------------------------------------------------------------


def means(rule: Rule, *events: Event) -> list[bool]:
    return [rule.means(event, WS) for event in events]


def test_a_fault_has_a_direction_unless_the_rule_selects_one() -> None:
    drop = Rule(name="drop", fault=DropFault())
    assert means(drop, down(0), up(0)) == [True, False]
    upstream = Rule(name="drop", fault=DropFault(), select=Selector(direction=Direction.UPSTREAM))
    assert means(upstream, down(0), up(0)) == [False, True]
    assert means(Rule(name="close", fault=CloseFault()), down(0), up(0)) == [True, True]


def test_a_fault_means_only_what_it_acts_on() -> None:
    request, response = post("1", 0, "/a"), answer("1", 0)
    upgraded = Response(flow="1", at=0, status=101)
    ping, reset = Ping(flow="1", at=0, direction=DOWN), Reset(flow="1", at=0, direction=UP)
    events = request, response, upgraded, ping, reset, down(0)
    assert means(Rule(name="r", fault=DropFault()), *events) == [False, False, False, False, False, True]
    assert means(Rule(name="r", fault=CloseFault()), *events) == [False, False, False, True, False, True]
    assert means(Rule(name="r", fault=ResetFault()), *events) == [True] * 6
    assert means(Rule(name="r", fault=StatusFault()), *events) == [False, True, False, False, False, False]
    assert means(Rule(name="r", fault=RefuseFault()), *events) == [False, False, True, False, False, False]


def test_on_connect_a_rule_means_the_101_and_its_request() -> None:
    rule = Rule(name="r", fault=CloseFault(), when=Trigger(on="connect"), select=Selector(path="/api/*"))
    upgraded = Response(flow="1", at=0, status=101)
    assert means(rule, upgraded, answer("1", 0), down(0)) == [True, False, False]
    assert not rule.means(upgraded, get("1", 0, "/other", UPGRADE))


# --- triggers --------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 200),
    st.none() | st.integers(1, 9),
    st.none() | st.integers(1, 9),
    st.none() | st.integers(0, 9),
)
def test_a_match_counts_if_every_part_of_the_trigger_says_so(
    match: int, nth: int | None, every: int | None, after_n: int | None
) -> None:
    counts = Trigger(nth=nth, every=every, after_n=after_n).counts(match)
    parts = Trigger(nth=nth), Trigger(every=every), Trigger(after_n=after_n)
    assert counts == all(part.counts(match) for part in parts)
    assert Trigger(nth=nth).counts(match) == (nth in (None, match))


def test_a_window_is_open_at_its_beginning_and_closed_at_its_end() -> None:
    window = Trigger(window=(10, 20))
    assert [window.in_window(age) for age in (9, 10, 19, 20)] == [False, True, True, False]
    assert Trigger().in_window(10**12)


def test_a_ramp_rises_to_the_probability() -> None:
    ramp = Trigger(ramp=10 * SECOND)
    assert [ramp.chance(0.5, at * SECOND) for at in (0, 5, 10, 60)] == [0, 0.25, 0.5, 0.5]
    assert Trigger().chance(0.5, 0) == 0.5


@given(st.text(max_size=20), st.text(max_size=9))
def test_a_selector_takes_any_event(text: str, path: str) -> None:
    event = Message(flow="1", at=0, direction=DOWN, data=text)
    request = Request(flow="1", at=0, service="backend", method="GET", target=f"/{path}")
    assert Selector(path="/*", opcode="text").selects(event, request) in (True, False)
