"""Values in the lines of streams: server-sent events, and JSON that is delimited by newlines."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.driver import Driver, client_plan
from simulator.core.events import Chunk, End, Event, Headers, Request, Response, header
from simulator.core.recording import Correlation, Recording
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import MILLISECOND, SECOND
from simulator.core.values.correlation import propose
from simulator.core.values.lines import documents
from simulator.core.values.places import Slot, filled, place, slots, value_at
from simulator.core.values.planning import plan, uncorrelated
from tests.conversations import CREATED, DOWN, recording, text
from tests.core.playing import Staging, answer, down, get, post, upgrade

RUN, OTHER = "0b8f3c52-7d0e-4c55-9a55-5d3b8d0e6a11", "5f0e9d5a-52a1-4f0e-8f36-0d6d5fb1c522"
THEIRS, MINE = "thread_of_theirs_1", "thread_of_mine_22"
SSE: Headers = (("Content-Type", "text/event-stream"),)
NDJSON: Headers = (("Content-Type", "application/x-ndjson; charset=utf-8"),)


def piece(data: bytes, at: int = 0, flow: str = "1") -> Chunk:
    return Chunk(flow=flow, at=at * MILLISECOND, data=data)


def whole(body: bytes, headers: Headers = SSE) -> Response:
    return Response(flow="1", at=0, status=200, headers=headers, body=body)


def sse(**fields: object) -> bytes:
    return f"data: {json.dumps(fields)}\n\n".encode()


def chat(*pieces: bytes, headers: Headers = SSE, thread: str = THEIRS) -> list[Event]:
    """A request with the client's thread, and the stream that answers it; it ends 110 ms later at most."""
    return [
        post("1", 0, "/chat", thread_id=thread),
        Response(flow="1", at=10 * MILLISECOND, status=200, headers=headers, streaming=True),
        *(piece(data, 20 + 10 * number) for number, data in enumerate(pieces)),
        End(flow="1", at=110 * MILLISECOND),
    ]


def asked(played: Recording, thread: str = MINE, **settings: object) -> list[Event]:
    """What a client with a thread of its own hears of `chat`."""
    staging = Staging(played, **settings)
    staging.hears(post("1", 0, "/chat", thread_id=thread))
    return staging.says(5000)


def streamed(events: list[Event]) -> list[bytes]:
    return [event.data for event in events if isinstance(event, Chunk)]


# --- what is a document ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'data: {"id": "x"}\n\n', [("line[0]|$.id", "x")]),
        (b'data:{"id": "x"}\r\n\r\n', [("line[0]|$.id", "x")]),
        (b'event: a\nid: 7\ndata: {"id": 1}\n\n: here\n\ndata: [2]', [("line[0]|$.id", 1), ("line[1]|$[0]", 2)]),
        (b'data: {"id": "x"} \rdata: {}\rdata: {"id": "y"}\r', [("line[0]|$.id", "x"), ("line[2]|$.id", "y")]),
        (b'[]\n{"a": "{\\"id\\": 1}"}\n', [("line[1]|$.a", '{"id": 1}'), ("line[1]|$.a|$.id", 1)]),
        (b' {"id": "\xc3\xa9\xe2\x80\xa8"}', [("line[0]|$.id", "\xe9\u2028")]),
        (b"", []),
        (b"data: 7\n\ndata: text\n\ndata: [DONE]\n\n", []),
        (b'event: {"id": 1}\nid: {"id": 1}\nDATA: {"id": 1}\n', []),
        (b'data: {"id":\ndata: "x"}\n\n', []),
        (b'data: {"id": "x', []),
        (b'"}\n\ndata: {"id": NaN}\n', []),
        (b'data: {"id": "\xe9"}\n', []),
        (b'{"id": 1}\0\n{"id": 2}\n', []),
    ],
)  # fmt: skip
def test_a_document_is_what_fills_a_line(data: bytes, found: list[tuple[str, object]]) -> None:
    assert [(str(slot), value) for slot, value in slots(piece(data))] == found
    assert all(value_at(piece(data), slot) == value for slot, value in slots(piece(data)))
    assert filled(piece(data), dict(slots(piece(data)))) == piece(data)


@pytest.mark.parametrize(
    ("response", "found"),
    [
        (whole(sse(id="x") + sse(id="y")), ["line[0]|$.id", "line[1]|$.id"]),
        (whole(b'{"id": 1}\n{"id": 2}\n', NDJSON), ["line[0]|$.id", "line[1]|$.id"]),
        (whole(b'{"id": 1}\n', NDJSON), ["$.id"]),
        (whole(b'{"id": 1}\n{"id": 2}\n', (("Content-Type", "text/plain"),)), []),
        (whole(b'{"id": 1}\n{"id": 2}\n', ()), []),
        (whole(gzip.compress(sse(id="x"), mtime=0), (*SSE, ("Content-Encoding", "gzip"))), ["line[0]|$.id"]),
        (whole(sse(id="x"), (*SSE, ("Content-Encoding", "br"))), []),
    ],
)
def test_the_lines_of_a_whole_body_are_told_by_its_media_type(response: Response, found: list[str]) -> None:
    assert [str(slot) for slot, _ in slots(response) if slot.is_json] == found


@pytest.mark.parametrize(
    ("data", "slot", "value", "after"),
    [
        (b'id: 1\ndata:{"id":"x","b":1}\r\n\r\n', ("id",), "\xe9", b'id: 1\ndata:{"id":"\xc3\xa9","b":1}\r\n\r\n'),
        (b'data:  {"id": "x"} \n\n', ("id",), "y", b'data:  {"id": "y"} \n\n'),
        (b'data: { "id" : "x" }\n', ("id",), "y\n", b'data: { "id" : "y\\n" }\n'),
        (b'{"a": "{\\"id\\": 1}"}', ("a", "\0json", "id"), 2, b'{"a": "{\\"id\\": 2}"}'),
    ],
)  # fmt: skip
def test_one_value_changes_and_no_byte_beside_it(
    data: bytes, slot: tuple[str, ...], value: object, after: bytes
) -> None:
    assert filled(piece(data), {Slot("line", (0, *slot)): value}) == piece(after)  # type: ignore[dict-item]


def test_a_whole_stream_takes_its_length_and_its_coding_with_it() -> None:
    packed = gzip.compress(sse(id="x") + sse(id="y"), mtime=0)
    fields = (*SSE, ("Content-Encoding", "gzip"), ("Content-Length", str(len(packed))))
    after = filled(whole(packed, fields), {Slot("line", (1, "id")): "much longer than it was"})
    assert isinstance(after, Response)
    assert gzip.decompress(after.body) == sse(id="x") + sse(id="much longer than it was")
    assert header(after.headers, "content-length") == str(len(after.body))


def test_what_is_nowhere_changes_nothing() -> None:
    nowhere = {Slot("line", (1, "id")): 1, Slot("line", (0, "no")): 1, Slot("json", ("id",)): 1}
    for event in (piece(b'data: {"id": "x"}\n'), whole(b'data: {"id": "x"}\n'), whole(b"{}", ()), down(0, id="x")):
        assert filled(event, {slot: value for slot, value in nowhere.items() if slot.part == "line"}) == event
        assert value_at(event, Slot("line", (1, "id"))) is value_at(event, Slot("query", ("no", 0)))
    assert filled(piece(b'data: {"id": "x"}\n'), nowhere) == piece(b'data: {"id": "x"}\n')


def test_all_lines_are_one_place_whether_they_came_in_pieces_or_as_a_whole() -> None:
    data = sse(items=[{"id": 1}]) + sse(items=[{"id": 2}])
    for event in (piece(data), whole(data), answer("1", 0, items=[{"id": 1}])):
        assert {place("b /chat", event, slot) for slot, _ in slots(event)} == {"b /chat < $.items[*].id"}
    field = piece(b'data: ["1", "room", {"id": 7}]\n\n')
    places = [place("b /chat", field, slot) for slot, _ in slots(field)]
    assert places == ["b /chat < $[0]", "b /chat < $[1]", "b /chat < $[2].id"]


# --- what travels ----------------------------------------------------------------------------------------------


def test_the_clients_id_and_those_of_the_server_travel_in_a_stream() -> None:
    played = recording(
        *chat(sse(type="started", thread_id=THEIRS, run_id=RUN), sse(type="done", run=RUN)),
        get("2", 200, f"/runs/{RUN}"),
        answer("2", 210, 200),
    )
    assert [(item.kind, item.source, item.targets) for item in propose(played)] == [
        ("echoed", "backend /chat > $.thread_id", ("backend /chat < $.thread_id",)),
        ("minted", "backend /chat < $.run_id", ("backend /chat < $.run", "backend /runs/{} > path[1]")),
    ]
    assert uncorrelated(played, plan(played)) == []


@pytest.mark.parametrize("lead", [b"data: ", b"data:", b""])
def test_a_client_reads_its_own_ids_and_new_ones_and_all_else_as_it_was(lead: bytes) -> None:
    first = b'id: 1\nevent: started\n%s{"thread_id":"%s","run_id":"%s"}\r\n\r\n'
    last = b': still here\n\n%s{"n": 1.50, "of": "run %s"}\n%s{"id": "%s", "thread": "%s"}\n\n'

    def said(thread: str, run: str) -> list[bytes]:
        t, r = thread.encode(), run.encode()
        return [first % (lead, t, r), last % (lead, r, lead, r, t), b'data: {"thread_id": "', t + b'"}\n\n']

    played = recording(*chat(*said(THEIRS, RUN)))
    heard = streamed(asked(played))
    made = json.loads(heard[0].split(lead, 1)[1].splitlines()[0] if lead else heard[0].splitlines()[2])["run_id"]
    assert made != RUN
    assert heard == [*said(MINE, made)[:2], *said(THEIRS, RUN)[2:]]  # what is in two pieces stays
    assert streamed(asked(played, fresh=False)) == said(MINE, RUN)[:2] + said(THEIRS, RUN)[2:]


def test_what_leads_and_what_ends_a_line_may_come_by_itself() -> None:
    said = b"data: ", f'{{"thread_id": "{THEIRS}"}}'.encode(), b"\n\n"
    assert streamed(asked(recording(*chat(*said)))) == [
        said[0],
        said[1].replace(THEIRS.encode(), MINE.encode()),
        said[2],
    ]


def test_an_id_from_a_stream_is_the_same_wherever_it_comes_back() -> None:
    played = recording(
        *chat(sse(run_id=RUN, created=(CREATED + 20 * MILLISECOND) // SECOND), sse(run_id=RUN)),
        get("2", 200, f"/runs/{RUN}"),
        answer("2", 210, 200, run={"id": RUN}),
        *upgrade("3", 300, f"/ws?run={RUN}"),
        text("3", 500, DOWN, type="hello", run_id=RUN),
    )
    staging = Staging(played, wall=CREATED + 3600 * SECOND)
    staging.hears(post("1", 0, "/chat", thread_id=MINE))
    one, two = (json.loads(data.removeprefix(b"data: ")) for data in streamed(staging.says(190)))
    assert one["run_id"] == two["run_id"] != RUN
    assert one["created"] == CREATED // SECOND + 3600
    staging.hears(get("2", 200, f"/runs/{one['run_id']}"))
    (found,) = (event for event in staging.says(290) if isinstance(event, Response))
    assert json.loads(found.body) == {"run": {"id": one["run_id"]}}
    staging.opens("3", 300, f"/ws?run={one['run_id']}")
    assert one["run_id"] in str(staging.says(900)[-1])


def test_a_counter_of_the_client_comes_back_in_the_stream_that_answers_it() -> None:
    """As in JSON-RPC over server-sent events."""
    calls = [
        event
        for number in (1, 2, 3)
        for event in (
            post(str(number), 100 * number, "/mcp", jsonrpc="2.0", id=number, method=f"tools/{number}"),
            Response(
                flow=str(number), at=(100 * number + 10) * MILLISECOND, status=200, headers=SSE, streaming=True
            ),
            piece(sse(jsonrpc="2.0", id=number, result={}), 100 * number + 20, str(number)),
            End(flow=str(number), at=(100 * number + 30) * MILLISECOND),
        )
    ]
    played = recording(*calls)
    assert [(item.kind, item.source, item.targets) for item in propose(played)] == [
        ("paired", "backend /mcp > $.id", ("backend /mcp < $.id",))
    ]
    staging = Staging(played)
    staging.hears(post("9", 0, "/mcp", jsonrpc="2.0", id=41, method="tools/2"))
    assert streamed(staging.says(500)) == [sse(jsonrpc="2.0", id=41, result={})]


def test_the_lines_of_a_whole_response_are_made_anew_too() -> None:
    body = f'{{"thread_id":"{THEIRS}"}}\n{{"run_id":"{RUN}"}}\n{{"of":"{RUN}"}}\n'.encode()
    fields = (*NDJSON, ("Content-Length", str(len(body))))
    played = recording(post("1", 0, "/chat", thread_id=THEIRS), replace(whole(body, fields), at=10 * MILLISECOND))
    (response,) = asked(played)
    assert isinstance(response, Response)
    lines = [json.loads(line) for line in response.body.splitlines()]
    assert lines[0] == {"thread_id": MINE}
    assert lines[1]["run_id"] == lines[2]["of"] != RUN
    assert header(response.headers, "content-length") == str(len(response.body))


def test_a_header_may_name_and_ignore_the_places_of_a_stream() -> None:
    said = chat(sse(id=RUN, thread=THEIRS), sse(id=OTHER))
    ignored = recording(*said, ignore=("backend /chat < $.id",))
    assert streamed(asked(ignored)) == [sse(id=RUN, thread=MINE), sse(id=OTHER)]
    named = Correlation(name="t", kind="minted", source="backend /chat < $.id", targets=())
    one, two = streamed(asked(recording(*said, correlate=(named,))))
    assert RUN.encode() not in one
    assert THEIRS.encode() in one
    assert OTHER.encode() not in two


@pytest.mark.parametrize(
    "field", [("Content-Length", "60"), ("Content-Encoding", "gzip"), ("content-encoding", "br")]
)
def test_a_stream_of_a_known_length_or_a_coding_stays_as_it_was(field: tuple[str, str]) -> None:
    said = chat(sse(id=RUN, thread=THEIRS), headers=(*SSE, field))
    assert streamed(asked(recording(*said))) == streamed(said)
    identity = chat(sse(id=RUN), headers=(*SSE, ("Content-Encoding", "identity")))
    assert streamed(asked(recording(*identity))) != streamed(identity)


def test_two_recordings_tell_what_is_made_anew_in_a_stream_however_they_were_cut() -> None:
    def told(*pieces: bytes) -> Recording:
        return recording(*chat(*pieces))

    def lines(mark: str) -> list[bytes]:
        return [sse(mark=mark), sse(mark=mark), sse(kind="alpha-77"), sse(kind="beta-88")]

    ours = told(*lines("abc-1234567"))
    for theirs in (told(*lines("xyz-7654321")), told(*lines("xyz-7654321")[:2], b"".join(lines("")[2:]))):
        assert [item.source for item in propose(ours, theirs)] == ["backend /chat < $.mark"]
    joined = told(b"".join(lines("xyz-7654321")[:3]), lines("")[3])
    assert propose(ours, joined) == propose(ours)


# --- the client's side -----------------------------------------------------------------------------------------


def test_a_driver_sends_back_what_a_stream_told_it() -> None:
    def told(run: str, *pieces: bytes) -> Recording:
        return recording(*chat(*(pieces or (sse(run_id=run),))), get("2", 200, f"/runs/{run}"), answer("2", 210))

    ours = told(RUN, sse(n=1), sse(run_id=RUN))
    for pieces, sent in (((sse(n=1), sse(run_id=OTHER)), OTHER), ((sse(n=1) + sse(run_id=OTHER),), RUN)):
        driver = Driver(ours, client_plan(plan(ours)))
        driver.due(0)
        for event in told(OTHER, *pieces).events[1:-2]:
            driver.receive(event)
        (request,) = driver.due(SECOND)
        assert isinstance(request, Request)
        assert request.target == f"/runs/{sent}"


# --- laws ------------------------------------------------------------------------------------------------------

words = st.text(max_size=6)
values = st.dictionaries(
    words, st.integers() | words | st.floats(allow_nan=False) | st.lists(words, max_size=2), max_size=3
)
lines = st.one_of(
    st.builds(
        lambda lead, value, layout, blank: lead + json.dumps(value, **layout).encode() + blank,  # type: ignore[arg-type]
        st.sampled_from([b"", b"data: ", b"data:", b"data:\t ", b"data", b"event: "]),
        values | st.lists(values, max_size=2),
        st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}, {"separators": (",", ":")}]),
        st.sampled_from([b"", b" ", b"}", b"\0"]),
    ),
    st.binary(max_size=8),
)
streams = st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b""])), max_size=5).map(
    lambda pairs: b"".join(line + end for line, end in pairs)
)


@given(streams)
def test_filling_in_what_is_there_already_changes_no_byte(data: bytes) -> None:
    for event in (piece(data), whole(data), whole(data, NDJSON)):
        assert filled(event, dict(slots(event))) == event


@given(streams, words, st.data())
def test_filling_one_slot_changes_no_other_and_no_byte_outside_of_its_line(
    data: bytes, new: str, drawn: st.DataObject
) -> None:
    data = data.replace(b"\0", b"") + b'\ndata: {"id": "x"}\n'
    before = dict(slots(piece(data)))
    slot = drawn.draw(st.sampled_from(list(before)))
    after = filled(piece(data), {slot: new})
    assert isinstance(after, Chunk)
    assert dict(slots(after)) == {**before, slot: new}
    document = documents(data)[int(slot.at[0])]
    assert after.data.startswith(data[: document.begin])
    assert after.data.endswith(data[document.begin + len(document.text) :])


@given(st.lists(streams, max_size=4), st.sampled_from([SSE, NDJSON, ()]))
def test_every_stream_is_replayed_to_the_letter(pieces: list[bytes], headers: Headers) -> None:
    played = recording(*chat(*pieces, headers=headers))
    assert simulate(played, settings=Settings(wall=CREATED, fresh=False)).events == played.events
