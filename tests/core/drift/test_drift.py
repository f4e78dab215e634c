"""Drift: nothing between a recording and itself or another run of it, and every planted change at its place."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.drift import Difference, Kind, drift, percentile
from simulator.core.events import (
    Chunk,
    Close,
    End,
    Event,
    Fragment,
    Message,
    Ping,
    Request,
    Reset,
    Response,
)
from simulator.core.recording import Correlation, Recording, Service, standin_digest
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import MILLISECOND, SECOND
from simulator.files.locate import find_recording
from simulator.files.reader import load
from tests.conversations import CREATED, DOWN, UP, UPGRADE, agent_run, recording, recordings, text

Json = dict[str, Any]


def found(before: Recording, after: Recording, **how: Any) -> list[tuple[str, str, str, str | None, str | None]]:
    """Every difference with the flow it is in."""
    return [
        (flow.label, each.event, each.field, each.before, each.after)
        for flow in drift(before, after, **how).flows
        for each in flow.differences
    ]


def changed(index: int, change: Callable[[Any], Event | None], of: Recording | None = None) -> Recording:
    """A recording with one event changed, or taken out."""
    of = of or agent_run()
    events = [*of.events]
    event = change(events[index])
    events[index : index + 1] = [] if event is None else [event]
    return replace(of, events=tuple(events))


def said(**fields: Any) -> Callable[[Message], Message]:
    """A change of fields below `data`; None takes one out."""

    def change(message: Message) -> Message:
        document = json.loads(message.data)
        data = document.get("data", document)
        for name, value in fields.items():
            data[name] = value
            if value is None:
                del data[name]
        return replace(message, data=json.dumps(document))

    return change


# --- laws ----------------------------------------------------------------------------------------------------


@given(recordings())
def test_nothing_drifts_from_itself(recording: Recording) -> None:
    compared = drift(recording, recording, strict=True, tolerance=0)
    assert compared.differences == ()
    assert all(timing.error == 0 for timing in compared.timings)


@given(recordings(), recordings(), st.booleans())
def test_the_other_way_round_is_the_mirror_image(one: Recording, two: Recording, strict: bool) -> None:
    assert drift(two, one, strict=strict) == drift(one, two, strict=strict).mirrored()


@given(recordings(), st.integers(0, 9))
def test_another_run_of_it_is_no_drift(recording: Recording, seed: int) -> None:
    journal = simulate(recording, settings=Settings(seed=seed, wall=CREATED + 90 * SECOND))
    run = replace(recording, events=tuple(sorted(journal.events, key=lambda event: event.at)))
    assert drift(recording, run).differences == ()


@given(recordings(), st.data())
def test_an_event_that_is_lost_is_named(recording: Recording, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, len(recording.events) - 1))
    event = recording.events[lost]
    differences = drift(recording, changed(lost, lambda event: None, recording)).differences
    expected = {Kind.FLOW} if isinstance(event, Request) else {Kind.EVENT}
    if isinstance(event, Chunk | End) or (isinstance(event, Response) and event.streaming):
        assert differences  # a part of a body: what is left of it is something else
        return
    assert any(each.kind in expected and each.after is None for each in differences) or isinstance(event, Ping)
    assert not [each for each in differences if each.before is None] or isinstance(event, Request)


def test_every_shipped_recording_is_itself_and_its_own_replay() -> None:
    shipped = load(find_recording("golden-path")).recording
    journal = simulate(shipped, settings=Settings(seed=3, wall=shipped.header.created + 3600 * SECOND))
    again = replace(shipped, events=journal.events)
    assert drift(shipped, shipped, strict=True).differences == ()
    assert drift(shipped, again).differences == ()
    assert drift(shipped, again, strict=True).differences != ()


# --- planted changes -----------------------------------------------------------------------------------------

WS = "backend GET /ws (WebSocket)"
LOGIN = "backend POST /login"
VERSION = (("X-Version", "2"),)
TWO = (Fragment(size=5), Fragment(size=99))


START = (WS, "> start_agent")
STARTED = (WS, "< agent_started")


@pytest.mark.parametrize(
    ("mutation", "kind", "place"),
    [
        (changed(7, said(run_id=None)), Kind.FIELD, (*STARTED, "$.data.run_id")),
        (changed(7, said(trace="x")), Kind.FIELD, (*STARTED, "$.data.trace")),
        (changed(7, said(run_id=7)), Kind.TYPE, (*STARTED, "$.data.run_id")),
        (changed(7, said(thread_id="default")), Kind.CORRELATION, (*STARTED, "$.data.thread_id")),
        (
            changed(6, said(payload={"user_request": "x"})),
            Kind.VALUE,
            (WS, "> start_agent", "$.payload.user_request"),
        ),
        (changed(8, lambda event: None), Kind.EVENT, (WS, "< agent_thinking", "")),
        (changed(10, lambda close: replace(close, code=1001)), Kind.CODE, (WS, "> close", "code")),
        (changed(10, lambda close: replace(close, reason="bye")), Kind.VALUE, (WS, "> close", "reason")),
        (changed(1, lambda response: replace(response, status=503)), Kind.STATUS, (LOGIN, "< response", "status")),
        (changed(3, lambda response: replace(response, status=403)), Kind.STATUS, (WS, "< response", "status")),
        (
            changed(1, lambda response: replace(response, headers=VERSION)),
            Kind.FIELD,
            (LOGIN, "< response", "header"),
        ),
        (changed(7, lambda message: replace(message, compressed=True)), Kind.FIELD, (*STARTED, "compressed")),
        (changed(7, lambda message: replace(message, fragments=TWO)), Kind.FIELD, (*STARTED, "fragments")),
    ],
)
def test_a_planted_change_is_told_with_its_place(
    mutation: Recording, kind: Kind, place: tuple[str, str, str]
) -> None:
    (difference,) = drift(agent_run(), mutation).differences
    assert difference.kind is kind
    assert [told[:3] for told in found(agent_run(), mutation)] == [place]


def test_a_renamed_field_has_vanished_and_another_has_appeared() -> None:
    renamed = changed(7, lambda message: replace(message, data=message.data.replace("run_id", "runId")))
    assert found(agent_run(), renamed) == [
        (WS, "< agent_started", "$.data.runId", None, '"run_start_agent_1_ab12cd34"'),
        (WS, "< agent_started", "$.data.run_id", '"run_start_agent_1_ab12cd34"', None),
    ]


def test_a_message_of_another_type_is_another_message() -> None:
    other = changed(7, lambda message: replace(message, data=message.data.replace("agent_started", "agent_begun")))
    kinds = {(each.kind, each.event, each.before is None) for each in drift(agent_run(), other).differences}
    assert kinds == {(Kind.EVENT, "< agent_begun", True), (Kind.EVENT, "< agent_started", False)}


def test_of_many_messages_alike_the_one_that_is_lost_is_found() -> None:
    ticks = [text("1", 100 * n, DOWN, type="tick", n=n) for n in range(300)]
    opening = Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=UPGRADE)
    whole = recording(opening, *ticks)
    ((_, event, field, before, after),) = found(whole, changed(201, lambda event: None, whole))
    assert (event, field, before, after) == ("< tick #201", "", '{"type": "tick", "n": 200}', None)


def test_what_only_another_run_changes_is_no_drift() -> None:
    def run(thread: str, run_id: str, token: str, at: float, created: int) -> Recording:
        return recording(
            Request(flow="1", at=0, service="backend", method="GET", target=f"/threads/{thread}"),
            Response(
                flow="1",
                at=5 * MILLISECOND,
                status=200,
                headers=(("Set-Cookie", f"session={token}"), ("Location", f"/runs/{run_id}")),
                body=json.dumps({"id": thread, "at": at, "run": {"run_id": run_id}, "token": token}).encode(),
            ),
            created=created,
        )

    first = run("6fa1c3de-0000-4000-8000-00000000aaaa", "run_ab12cd34ef", "s3cr3t", 1757400000.5, CREATED)
    second = run("77a1c3de-1111-4000-8000-00000000bbbb", "run_99ffcd34ee", "0ther", 1757500000.1, CREATED + 10**11)
    assert found(first, second) == []
    strictly = {each[2] for each in found(first, second, strict=True)}
    assert {"path[1]", "$.id", "$.at", "$.run.run_id", "$.token", "header.location"} <= strictly


def test_origins_are_where_the_services_happened_to_be() -> None:
    def staging(origin: str) -> Recording:
        body = json.dumps({"ws_url": origin.replace("http", "ws") + "/ws"}).encode()
        return recording(
            Request(flow="1", at=0, service="backend", method="GET", target="/discover"),
            Response(flow="1", at=9, status=200, body=body),
            services=(Service(name="backend", origins=(origin,)),),
        )

    assert found(staging("http://127.0.0.1:1234"), staging("https://api.staging")) == []
    assert found(staging("http://127.0.0.1:1234"), staging("http://127.0.0.1:99")) == []


# --- lists, streams, bodies ----------------------------------------------------------------------------------


def test_a_list_of_another_length_is_one_difference() -> None:
    def listing(*items: Json) -> Recording:
        body = json.dumps({"items": items}).encode()
        opening = Request(flow="1", at=0, service="backend", method="GET", target="/items")
        return recording(opening, Response(flow="1", at=9, status=200, body=body))

    short, long = listing({"name": "a"}), listing({"name": "b"}, {"name": "c"})
    assert [told[2:] for told in found(short, long)] == [("$.items", "1 items", "2 items")]
    other = listing({"name": "b", "more": 1}, {"name": "c"})
    assert [told[2] for told in found(short, other)] == ["$.items", "$.items[0].more"]


def test_how_a_body_was_cut_into_chunks_is_no_drift() -> None:
    request = Request(flow="1", at=0, service="backend", method="GET", target="/stream")
    sse = (("Content-Type", "text/event-stream"),)

    def stream(*pieces: bytes, done: bool = True) -> Recording:
        head = Response(flow="1", at=9, status=200, headers=sse, streaming=True)
        chunks = [Chunk(flow="1", at=10 + n, data=piece) for n, piece in enumerate(pieces)]
        return recording(request, head, *chunks, *([End(flow="1", at=99)] if done else []))

    ticks = [f'event: tick\ndata: {{"n": {n}}}\n\n'.encode() for n in range(3)]
    whole = recording(request, Response(flow="1", at=9, status=200, headers=sse, body=b"".join(ticks)))
    torn = stream(ticks[0][:7], ticks[0][7:] + ticks[1], ticks[2])
    assert found(stream(*ticks), whole) == found(whole, torn) == []
    assert [told[1:3] for told in found(whole, stream(ticks[0], ticks[2]))] == [("< tick #2", "")]
    assert [told[1:3] for told in found(whole, stream(*ticks, done=False))] == [("< response", "complete")]


def test_the_ids_of_each_run_are_no_drift_in_its_stream_unless_they_come_back_as_others() -> None:
    sse = (("Content-Type", "text/event-stream"),)

    def told(name: str, *runs: str) -> Recording:
        body = json.dumps({"name": name}).encode()
        pieces = [f'data: {{"by": "{name}", "run": "{run}"}}\n\n'.encode() for run in runs]
        return recording(
            Request(flow="1", at=0, service="b", method="POST", target="/", body=body),
            Response(flow="1", at=9, status=200, headers=sse, streaming=True),
            *(Chunk(flow="1", at=10 + number, data=piece) for number, piece in enumerate(pieces)),
            End(flow="1", at=99),
            correlate=(
                Correlation(name="n", kind="echoed", source="b / > $.name", targets=("b / < $.by",)),
                Correlation(name="r", kind="minted", source="b / < $.run", targets=()),
            ),
        )

    one = told("Alice of Ulm", "ab12cd34", "ab12cd34")
    assert found(one, told("Bob of Bonn", "ee77ff00", "ee77ff00")) == []
    assert [told[:3] for told in found(one, told("Bob of Bonn", "ee77ff00", "aa55bb66"))] == [
        ("b POST /", "< event #2", "$.run")
    ]


def test_newline_delimited_json_is_compared_line_by_line() -> None:
    fields = (("Content-Type", "application/x-ndjson"),)
    request = Request(flow="1", at=0, service="b", method="GET", target="/events")

    def told(*pieces: str) -> Recording:
        return recording(
            request,
            Response(flow="1", at=9, status=200, headers=fields, streaming=True),
            *(Chunk(flow="1", at=10 + number, data=piece.encode()) for number, piece in enumerate(pieces)),
            End(flow="1", at=99),
        )

    lines = [f'{{"type": "tick", "event_id": "ab12cd3{n}", "n": {n}}}\n' for n in range(3)]
    whole = recording(request, Response(flow="1", at=9, status=200, headers=fields, body="".join(lines).encode()))
    others = [line.replace("ab12", "99ff") for line in lines]
    assert found(told(*lines), whole) == found(told(lines[0][:9], lines[0][9:], *lines[1:]), told(*others)) == []
    renamed = [line.replace("event_id", "evt") for line in others]
    assert [item[1:3] for item in found(told(*lines), told(others[0], renamed[1], others[2].strip()))] == [
        ("< tick #2", "$.event_id"),
        ("< tick #2", "$.evt"),
    ]
    assert [item[1:3] for item in found(told(*lines), told(*others[:2]))] == [("< tick #3", "")]


def test_a_compressed_body_is_compared_by_what_it_says() -> None:
    def packed(text: str, level: int) -> Recording:
        fields = (("Content-Encoding", "gzip"),)
        body = gzip.compress(text.encode(), level, mtime=level)
        opening = Request(flow="1", at=0, service="backend", method="GET", target="/packed")
        return recording(opening, Response(flow="1", at=9, status=200, headers=fields, body=body))

    assert found(packed('{"a": 1}', 1), packed('{"a": 1}', 9)) == []
    assert [told[2] for told in found(packed('{"a": 1}', 1), packed('{"b": 1}', 1))] == ["$.a", "$.b"]


def test_a_body_with_any_coding_that_is_known_is_compared_by_what_it_says() -> None:
    def packed(body: bytes, coding: str) -> Recording:
        opening = Request(flow="1", at=0, service="backend", method="GET", target="/packed")
        fields = (("Content-Encoding", coding),)
        return recording(opening, Response(flow="1", at=9, status=200, headers=fields, body=body))

    for coding, pack in (("zstd", zstandard.compress), ("gzip, identity", gzip.compress)):
        one, other = (packed(pack(text), coding) for text in (b'{"a": 1}', b'{"b": 1}'))
        assert [told[2] for told in found(one, other)] == ["$.a", "$.b"]
    assert found(packed(b"\xff", "br"), packed(b"\xff", "br")) == []


def test_the_lines_of_server_sent_events_end_where_those_of_browsers_do() -> None:
    request = Request(flow="1", at=0, service="backend", method="GET", target="/stream")

    def stream(body: str) -> Recording:
        fields = (("Content-Type", "text/event-stream"),)
        return recording(request, Response(flow="1", at=9, status=200, headers=fields, body=body.encode()))

    one, other = (
        stream(f'event: tick\r\ndata: {{"{key}": "a\u2028b"}}\r\n\r\n: still here\r\n\r\n') for key in "nm"
    )
    assert [told[2] for told in found(one, other)] == ["$.m", "$.n"]
    assert found(one, stream('event: tick\ndata: {"n":\ndata: "a\u2028b"}\n\n')) == []


# --- flows, order, time --------------------------------------------------------------------------------------


def exchange(flow: str, at: int, target: str, status: int = 200) -> list[Event]:
    request = Request(flow=flow, at=at * MILLISECOND, service="backend", method="GET", target=target)
    return [request, Response(flow=flow, at=(at + 5) * MILLISECOND, status=status)]


def test_flows_are_paired_by_what_they_ask_and_not_by_their_names() -> None:
    one = recording(*exchange("1", 0, "/a"), *exchange("2", 500, "/b?page=1"), *exchange("3", 900, "/b?page=2"))
    two = recording(*exchange("9", 0, "/a"), *exchange("7", 500, "/b?page=2"))
    assert found(one, two) == [("backend GET /b", "", "", "2 events", None)]
    assert [(flow.before, flow.after) for flow in drift(one, two).flows] == [("1", "9"), ("2", None), ("3", "7")]


def test_requests_one_after_the_other_have_an_order_and_concurrent_ones_have_none() -> None:
    ordered = recording(*exchange("1", 0, "/a"), *exchange("2", 500, "/b"))
    swapped = recording(*exchange("1", 0, "/b"), *exchange("2", 500, "/a"))
    ((_, event, _, before, after),) = found(ordered, swapped)
    assert event == ""
    assert {(before or "").split()[0], (after or "").split()[0]} == {"before", "after"}
    at_once = recording(*exchange("1", 0, "/a"), *exchange("2", 1, "/b"))
    either = recording(*exchange("1", 0, "/b"), *exchange("2", 1, "/a"))
    assert found(at_once, either) == []


def test_messages_that_change_places_are_one_difference_each() -> None:
    whole = agent_run()
    events = [*whole.events]
    events[7], events[8] = replace(events[8], at=events[7].at), replace(events[7], at=events[8].at)
    (difference,) = drift(whole, replace(whole, events=tuple(events))).differences
    assert difference.kind is Kind.ORDER


def test_an_answer_before_its_question_is_out_of_order_unless_it_is_a_race() -> None:
    opening = [
        Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=UPGRADE),
        Response(flow="1", at=9, status=101),
    ]

    def talk(asked: int, answered: int) -> Recording:
        return recording(*opening, text("1", asked, UP, type="ask"), text("1", answered, DOWN, type="answer"))

    ((_, event, _, before, after),) = found(talk(100, 500), talk(500, 100))
    assert (event, {before, after}) == ("> ask", {"before answer", "after answer"})
    assert found(talk(100, 101), talk(102, 101)) == []


def test_delays_count_only_where_somebody_says_so() -> None:
    late = recording(*(replace(event, at=event.at + (event.at > SECOND) * 50_000) for event in agent_run()))
    assert found(agent_run(), late) == []
    told = drift(agent_run(), late, tolerance=40 * MILLISECOND).differences
    assert [(each.kind, each.event, each.before, each.after) for each in told] == [
        (Kind.TIMING, "< agent_started", "0.100 s", "0.150 s"),
        (Kind.TIMING, "< agent_thinking", "0.300 s", "0.350 s"),
        (Kind.TIMING, "< agent_completed", "0.500 s", "0.550 s"),
    ]
    assert drift(agent_run(), late, tolerance=60 * MILLISECOND).differences == ()


def test_one_heartbeat_more_or_less_is_a_matter_of_time_but_none_at_all_is_not() -> None:
    ping = agent_run().events[5]
    more = recording(*agent_run().events, replace(ping, at=1400 * MILLISECOND))
    assert found(agent_run(), more) == []
    assert [told[1] for told in found(agent_run(), changed(5, lambda event: None))] == ["< ping"]


def test_percentiles_are_by_nearest_rank() -> None:
    assert [percentile(range(1, 101), share) for share in (0.5, 0.99, 1.0, 0.0)] == [50, 99, 100, 1]
    assert percentile([], 0.5) == 0


def test_a_reset_and_what_has_no_request_are_compared_as_well() -> None:
    one = recording(Reset(flow="1", at=0, direction=DOWN), Close(flow="2", at=1, direction=UP, code=1000))
    two = recording(Reset(flow="1", at=0, direction=DOWN, rst=False), Close(flow="2", at=1, direction=UP))
    assert [told[1:] for told in found(one, two)] == [
        ("< reset", "rst", "true", "false"),
        ("> close", "code", "1000", "null"),
    ]


def test_differences_are_values() -> None:
    difference = Difference(kind=Kind.FIELD, before=None, after="1")
    assert difference.mirrored().mirrored() == difference != difference.mirrored()


def test_what_stands_for_a_secret_is_another_each_time_and_no_drift() -> None:
    def with_key(key: str, **header: object) -> Recording:
        fields = (("X-Bypass", key),)
        return recording(
            Request(flow="1", at=0, service="backend", method="GET", target="/", headers=fields), **header
        )

    hidden = with_key("uxlu-rwtokd", standins=(standin_digest("uxlu-rwtokd"),))
    assert found(hidden, with_key("bsbd-qepajt")) == found(with_key("bsbd-qepajt"), hidden) == []
    assert len(found(with_key("uxlu-rwtokd"), with_key("bsbd-qepajt"))) == 1
    assert len(found(hidden, with_key("bsbd-qepajt"), strict=True)) == 1


def test_when_a_heartbeat_comes_between_two_messages_is_a_matter_of_time() -> None:
    ticks = [text("1", 100 * number, DOWN, type="tick", number=number) for number in range(1, 5)]
    opening = Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=UPGRADE)
    early, late = (recording(opening, *ticks, Ping(flow="1", at=at, direction=DOWN)) for at in (150_000, 350_000))
    assert found(early, late, strict=True) == []
