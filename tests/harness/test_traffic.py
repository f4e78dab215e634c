"""What reached a test: by flow, up to the client's own close, and whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Chunk, Close, End, Message, Request, Reset, Response
from simulator.core.journal import Entry, Note
from simulator.harness.drill import judgements
from simulator.harness.suite import SuiteRun
from simulator.harness.traffic import Sign, Traffic, missing_signs, traffic, traffics
from simulator.harness.verdict import Outcome, TestRun
from tests.conversations import DOWN, UP, agent_run, text

EVER = 10**12


def opened(flow: str, at: int) -> list[Entry]:
    return [
        Request(flow=flow, at=at, service="a", method="GET", target="/ws"),
        Response(flow=flow, at=at, status=101),
    ]


def fired(flow: str, at: int) -> Note:
    return Note(at=at, flow=flow, what="fired", detail={"rule": "close"})


def labels(found: Traffic) -> dict[str, int]:
    return {sign.label: count for sign, count in found.received.items()}


def test_traffic_is_what_happened_between_two_times() -> None:
    entries = sorted([*agent_run().events, fired("2", 1_200_000)], key=lambda entry: entry.at)
    whole, before, after = traffic(entries, 0, EVER), traffic(entries, 0, 500_000), traffic(entries, 10**8, EVER)
    assert whole.fired == ("close",)
    assert sum(whole.received.values()) == 6, "two answers, four messages; the JSON ping does not count"
    assert [label.split()[0] for label in labels(before)] == ["200"]
    assert not before.fired
    assert not after.touched


def test_the_steady_state_is_known_flow_by_flow() -> None:
    here, there = (
        traffic([*opened("1", 0), text("1", 1, DOWN, type="done")], 0, EVER),
        traffic(opened("1", 0), 0, EVER),
    )
    assert here.by_flow() == {"GET /ws": {"101 to GET /ws": 1, "done": 1}}
    assert missing_signs(here, there) == ("done",)
    assert missing_signs(there, here) == ()


def test_what_an_earlier_test_has_left_behind_belongs_to_none_after_it() -> None:
    late = [text("1", 60, DOWN, type="done"), fired("1", 60), Reset(flow="1", at=70, direction=UP)]
    found = traffic([*opened("1", 0), *late], 50, EVER)
    assert (labels(found), found.fired) == ({}, ())
    assert found.touched, "the server spoke on a connection that may be shared: nobody can know"
    gone = traffic([*opened("1", 0), Close(flow="1", at=40, direction=UP), *late], 50, EVER)
    assert not gone.touched, "the client had closed"


def test_a_connection_that_tests_share_is_each_ones_from_when_it_speaks() -> None:
    talk = [text("1", 60, DOWN, type="tick"), text("1", 61, UP, type="ask"), text("1", 62, DOWN, type="done")]
    assert labels(traffic([*opened("1", 0), *talk, fired("1", 63)], 50, EVER)) == {"done": 1}
    assert traffic([*opened("1", 0), *talk, fired("1", 63)], 50, EVER).fired == ("close",)


@pytest.mark.parametrize(
    "end", [Close(flow="1", at=5, direction=UP, code=1002), Reset(flow="1", at=5, direction=UP)]
)
def test_what_comes_after_the_client_has_closed_reaches_nobody(end: Entry) -> None:
    found = traffic([*opened("1", 0), end, text("1", 5, DOWN, type="done")], 0, EVER)
    assert "done" not in labels(found)


def test_a_body_in_pieces_has_arrived_when_its_end_has() -> None:
    whole = Response(flow="1", at=1, status=200, body=b'{"a": 1}')
    request = Request(flow="1", at=0, service="a", method="GET", target="/x")
    head = Response(flow="1", at=1, status=200, streaming=True)
    pieces = [Chunk(flow="1", at=2, data=b'{"a"'), Chunk(flow="1", at=3, data=b": 1}")]
    end = End(flow="1", at=4)
    steady = traffic([request, whole], 0, EVER)
    assert missing_signs(steady, traffic([request, head, *pieces, end], 0, EVER)) == ()
    assert missing_signs(steady, traffic([request, head, *pieces], 0, EVER)) == ("200 to GET /x",)
    assert missing_signs(steady, traffic([request, head, pieces[0], end], 0, EVER)) == ("200 to GET /x",)


def test_server_sent_events_count_one_by_one() -> None:
    head = Response(
        flow="1", at=1, status=200, streaming=True, headers=(("Content-Type", "text/event-stream; charset=utf-8"),)
    )
    ticks = [b'event: tick\ndata: {"n": %d}\n\n' % number for number in (1, 2)]
    said = b": heartbeat\n\ndata: hello\r\n\r\n".join(ticks) + b"event: cut"
    request = Request(flow="1", at=0, service="a", method="GET", target="/x")
    chunks = [Chunk(flow="1", at=2, data=said[start : start + 7]) for start in range(0, len(said), 7)]
    assert labels(traffic([request, head, *chunks], 0, EVER)) == {"tick": 2, "event": 1}


@pytest.mark.parametrize("kind", ["text/event-stream", "Text/Event-Stream"])
def test_server_sent_events_may_have_any_line_ends_and_lines_of_data(kind: str) -> None:
    request = Request(flow="1", at=0, service="a", method="GET", target="/x")
    head = Response(flow="1", at=1, status=200, streaming=True, headers=(("Content-Type", kind),))
    shapes = []
    for end in ("\n", "\r\n", "\r"):
        said = end.join(["event: tick", 'data: {"a": 1,', 'data: "b": [2]}', "", ""]).encode()
        chunks = [Chunk(flow="1", at=2, data=said[place : place + 1]) for place in range(len(said))]
        (sign,) = traffic([request, head, *chunks], 0, EVER).received
        shapes.append((sign.label, sign.shape))
    assert shapes == [("tick", "{a:number,b:[number]}")] * 3


LIVES = st.lists(st.sampled_from(["open", "ask", "tick", "beat", "close", "fired", "whole"]), max_size=12)
TIMES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda both: (min(both), max(both))), max_size=5
)


@given(st.tuples(LIVES, LIVES), st.randoms(use_true_random=False), TIMES)
def test_many_tests_in_one_pass_are_told_what_each_is_told_alone(
    lives: tuple[list[str], list[str]], random: Random, times: list[tuple[int, int]]
) -> None:
    entries: list[Entry] = []
    for flow, life in zip("12", lives, strict=True):
        for what in life:
            at = random.randrange(40)
            made: dict[str, list[Entry]] = {
                "open": opened(flow, at),
                "ask": [text(flow, at, UP, type="ask")],
                "tick": [text(flow, at, DOWN, type="tick")],
                "beat": [text(flow, at, DOWN, type="ping")],
                "close": [Close(flow=flow, at=at, direction=UP)],
                "fired": [fired(flow, at)],
                "whole": [Response(flow=flow, at=at, status=200, body=b"{}")],
            }
            entries += [replace(entry, at=at) for entry in made[what]]
    entries.sort(key=lambda entry: entry.at)
    assert traffics(iter(entries), times) == [alone(entries, begin, end) for begin, end in times]


def alone(entries: list[Entry], begin: int, end: int) -> Traffic:
    """By the rules as they are written: whose a flow is, is asked anew for every test."""
    mine: dict[str, bool] = {}
    gone: set[str] = set()
    requests: dict[str, str] = {}
    received: Counter[Sign] = Counter()
    rules: dict[str, None] = {}
    touched = False
    for entry in (entry for entry in entries if entry.at <= end):
        flow, during = entry.flow, entry.at >= begin
        own = mine.setdefault(flow, True)
        if isinstance(entry, Note):
            rules |= {"close": None} if during and own else {}
            continue
        if isinstance(entry, Request):
            own, requests[flow] = during, "GET /ws"
        elif isinstance(entry, Message) and entry.direction is UP:
            own = own or during
        elif isinstance(entry, Close):
            gone.add(flow)
        mine[flow] = own
        on, speaks = requests.get(flow, ""), False
        if flow not in gone and isinstance(entry, Response):
            shape = "{}" if entry.body else ""
            received |= (
                {Sign(label=f"{entry.status} to {on or '?'}", flow=on, shape=shape): 1} if during and own else {}
            )
        elif flow not in gone and isinstance(entry, Message) and "tick" in str(entry.data):
            speaks = True
            received[Sign(label="tick", flow=on, shape="{type:text}")] += int(during and own)
        touched = touched or (during and (own or speaks))
    return Traffic(received=+received, touched=touched, fired=tuple(rules))


def test_the_tests_that_a_run_did_not_have_cost_one_look_at_its_journal() -> None:
    looks = []

    class Watched(tuple[Entry, ...]):
        __slots__ = ()

        def __iter__(self) -> Iterator[Entry]:
            looks.append(self)
            return super().__iter__()

    steady = Traffic(received={}, touched=True)
    had = {str(n): TestRun(test=str(n), outcome=Outcome.PASSED, traffic=steady) for n in range(9)}
    control = SuiteRun(tests=had, journal=(), output="", code=0)
    run = SuiteRun(tests={}, journal=Watched([*opened("1", 0), fired("1", 1)]), output="", code=2)
    verdicts = [str(row["it"].verdict) for row in judgements(control, {"it": run}).values()]
    assert (verdicts, len(looks)) == (["noticed"] * 9, 1)


def test_a_sign_is_about_shape_and_not_about_values() -> None:
    one = text("1", 1, DOWN, type="done", data={"id": "a", "n": 1})
    same = text("1", 1, DOWN, type="done", data={"id": "b", "n": 2.5})
    null = text("1", 1, DOWN, type="done", data={"id": None, "n": 1})
    less = text("1", 1, DOWN, type="done", data={"n": 1})
    steady = traffic([*opened("1", 0), one], 0, EVER)
    missed = [missing_signs(steady, traffic([*opened("1", 0), other], 0, EVER)) for other in (same, null, less)]
    assert missed == [(), ("done",), ("done",)]
    refused = traffic([opened("1", 0)[0], Response(flow="1", at=1, status=503)], 0, EVER)
    assert missing_signs(traffic(opened("1", 0), 0, EVER), refused) == ("101 to GET /ws",)
