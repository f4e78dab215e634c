"""Dumps of mitmproxy: real ones of versions 11 and 12, raw ones, made ones, and files that are none."""

from __future__ import annotations

import io
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.core.errors import RecordingError
from simulator.core.events import Close, Direction, Event, Message, Ping, Pong, Request, Reset, Response
from simulator.core.recording import Recording
from simulator.files.importers.gathering import Imported, write
from simulator.files.locate import find_recording
from simulator.files.losses import Losses
from simulator.files.reader import load
from simulator.files.upstreams import ServiceNames, Upstream
from simulator.live.recorder.needed import importing_mitmproxy
from simulator.live.recorder.tnetstring import read
from tests.conversations import UPGRADE, agent_run, recording, recordings
from tests.files.importers.reading import SAMPLES, SITE, flows_of, without_frames

with importing_mitmproxy("this test"):
    from mitmproxy.io import FlowReader, tnetstring
    from mitmproxy.test import tflow
    from mitmproxy.websocket import WebSocketMessage

    from simulator.live.recorder import flowexport, flowfile
    from simulator.live.recorder.flowexport import write_flows
    from simulator.live.recorder.flowfile import read_flows

UP, DOWN = Direction.UPSTREAM, Direction.DOWNSTREAM
GOLDEN = load(find_recording("golden-path")).recording


def imported(name: str) -> Imported:
    return read_flows(SAMPLES / name, ServiceNames([SITE]))


@pytest.mark.parametrize("name", ["mitmproxy-11.flow", "mitmproxy-12.flow", "mitmproxy-12-raw.flow"])
def test_a_dump_says_what_was_on_the_wire(name: str) -> None:
    found = imported(name)
    asked = [event for event in found.events if isinstance(event, Request)]
    assert [event.target for event in asked] == ["/login", "/gzipped", "/blob", "/ws?room=1"]
    assert {event.service for event in asked} == {"site"}
    assert asked[2].body == b"\x00\xff\x80\n"
    data = [(event.direction, event.data) for event in found.events if isinstance(event, Message)]
    assert data[-3:] == [
        (DOWN, '{"type": "joined", "id": "join-4711aa", "name": "Zo\\u00eb"}'),
        (UP, b"\x01\x02\xff"),
        (DOWN, b"\xff\x02\x01"),
    ]
    close = next(event for event in found.events if isinstance(event, Close))
    assert (close.direction, close.code, close.reason) == (DOWN, 4001, "enough")


def test_a_raw_dump_says_all_of_a_websocket_and_loses_nothing() -> None:
    found = imported("mitmproxy-12-raw.flow")
    kinds = [(type(event), event.direction) for event in found.events if isinstance(event, Ping | Pong | Close)]
    assert kinds == [(Ping, DOWN), (Pong, UP), (Close, DOWN), (Close, UP)]
    assert all(event.compressed for event in found.events if isinstance(event, Message))
    assert found.losses == ()


def test_a_dump_of_messages_says_what_it_loses() -> None:
    assert set(imported("mitmproxy-11.flow").losses) == {f"{flowfile.NO_FRAMES}: 1", f"{flowfile.NO_ANSWER}: 1"}


def test_no_secret_gets_into_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    assert write(imported("mitmproxy-12.flow"), path, ()) > 5
    for secret in (b"correct-horse", b"s3cr3t", b"eyJzdWIiOiJ1c2VyLTEiLCJlbWFpbCI6ImFkYUBl"):
        assert secret in (SAMPLES / "mitmproxy-12.flow").read_bytes()
        assert secret not in path.read_bytes()


# There and back.


def there_and_back(original: Recording, *upstreams: Upstream, losses: Losses | None = None) -> Imported:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.mitm"
        with path.open("wb") as file:
            write_flows(original, file, losses or Losses())
        return read_flows(path, ServiceNames(upstreams))


def first_end(ends: list[Event]) -> list[Event]:
    return [replace(end, rst=False) if isinstance(end, Reset) else end for end in ends[:1]]


def assert_same(original: Recording, found: Imported) -> None:
    assert flows_of(found) == without_frames(original, first_end)


@settings(max_examples=40)
@given(recordings())
def test_every_recording_comes_back_from_a_dump(original: Recording) -> None:
    assert_same(original, there_and_back(original, Upstream("backend", "https://api.staging")))


@pytest.mark.parametrize("original", [agent_run(), GOLDEN], ids=["agent run", "golden path"])
def test_a_recording_comes_back_from_a_dump(original: Recording) -> None:
    services = [Upstream(service.name, service.origins[0]) for service in original.header.services]
    assert_same(original, there_and_back(original, *services))


def test_a_vanished_peer_and_a_close_without_a_code_come_back() -> None:
    for end in (
        Reset(flow="1", at=9, direction=UP),
        Close(flow="1", at=9, direction=DOWN),
        Close(flow="1", at=9, direction=UP, code=4000, reason="ade"),
    ):
        losses = Losses()
        original = recording(
            Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=UPGRADE),
            Response(flow="1", at=5, status=101, headers=UPGRADE[1:]),
            end,
        )
        found = there_and_back(original, Upstream("backend", "https://api.staging"), losses=losses)
        assert_same(original, found)
        assert (f"{flowexport.NO_RST}: 1" in losses.lines) is isinstance(end, Reset)


def test_mitmproxy_reads_what_is_exported() -> None:
    file = io.BytesIO()
    write_flows(GOLDEN, file, Losses())
    file.seek(0)
    flows = list(FlowReader(file).stream())
    assert len(flows) == len(GOLDEN.flows())
    (socket,) = [flow for flow in flows if flow.websocket]
    messages = [event for event in GOLDEN.events if isinstance(event, Message)]
    assert [message.text for message in socket.websocket.messages] == [message.data for message in messages]
    assert (socket.websocket.close_code, socket.websocket.closed_by_client) == (1000, True)
    assert len({flow.id for flow in flows}) == len(flows)


# What dumps may hold besides.


def dumped(tmp_path: Path, *flows: object) -> Path:
    path = tmp_path / "x.flow"
    path.write_bytes(b"".join(tnetstring.dumps(flow.get_state()) for flow in flows))
    return path


def test_what_never_reached_the_client_is_left_out(tmp_path: Path) -> None:
    """The client saw what it sent, dropped or not, and what came, injected or not."""
    flow = tflow.twebsocketflow(close_code=1006)
    flow.websocket.closed_by_client = False
    flow.websocket.messages = [
        WebSocketMessage(1, from_client, name.encode(), 946681204.5, dropped, injected)
        for from_client, name, dropped, injected in [
            (True, "sent", False, False),
            (True, "sent, dropped", True, False),
            (True, "injected", False, True),
            (False, "came", False, False),
            (False, "dropped", True, False),
            (False, "came, injected", False, True),
        ]
    ]
    found = read_flows(dumped(tmp_path, flow), ServiceNames(()))
    data = [event.data for event in found.events if isinstance(event, Message)]
    assert data == ["sent", "sent, dropped", "came", "came, injected"]
    assert isinstance(found.events[-1], Reset)
    assert {f"{flowfile.NOT_SENT}: 2", f"{flowfile.NO_RST}: 1"} <= set(found.losses)


def test_what_is_no_http_or_failed_or_is_not_there_is_reported(tmp_path: Path) -> None:
    streamed = tflow.tflow(resp=True)
    streamed.response.raw_content = None
    flows = [tflow.ttcpflow(), tflow.tdnsflow(), tflow.tflow(err=True), streamed]
    found = read_flows(dumped(tmp_path, *flows), ServiceNames(()))
    for line in (f"{flowfile.NOT_HTTP}: 2", f"{flowfile.NO_RESPONSE}: 1", f"{flowfile.NO_BODY}: 1"):
        assert line in found.losses
    assert [event.kind for event in found.events] == ["request", "request", "response"]


def test_a_websocket_that_was_still_open_has_no_end(tmp_path: Path) -> None:
    flow = tflow.twebsocketflow()
    flow.websocket.closed_by_client = flow.websocket.close_code = flow.websocket.timestamp_end = None
    found = read_flows(dumped(tmp_path, flow), ServiceNames(()))
    assert not any(isinstance(event, Close | Reset) for event in found.events)
    assert f"{flowfile.NO_END}: 1" in found.losses


# Files that are none.

NEGATIVE = b"12:" + b"-1:-1:-1:-1:"[:12] + b"]"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            b"1000000000:x",
            "flow 1: not a dump that mitmproxy reads: a value of 1000000000 bytes is announced, and 1",
        ),
        (b"9999999999999:x", "flow 1: not a dump that mitmproxy reads: expected a length"),
        (NEGATIVE, "flow 1: not a dump that mitmproxy reads: expected a length and ':', got b'-1'"),
        (b"3:abc,", "flow 1: not a dump that mitmproxy reads: "),
        (b"0:}", "flow 1: not a dump that mitmproxy reads: "),
        (tnetstring.dumps({"version": 99}), "flow 1: not a dump that mitmproxy reads: "),
        (tnetstring.dumps({"version": 21, "type": "http"}), "flow 1: not a dump that mitmproxy reads: "),
        (tnetstring.dumps(tflow.tflow().get_state())[:-1], "flow 1: not a dump that mitmproxy reads: a value of"),
        (b"4:" + b"0:]]" + b"]", "flow 1: not a dump that mitmproxy reads: "),
    ],
)
def test_what_is_no_dump_is_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "x.flow"
    path.write_bytes(data)
    with pytest.raises(RecordingError) as caught:
        read_flows(path, ServiceNames(()))
    line = str(caught.value)
    assert line.startswith(f"{path}: {said}") and "\n" not in line


def test_a_deep_dump_is_refused() -> None:
    data = b"0:]"
    for _ in range(100):
        data = b"%d:%s]" % (len(data), data)
    with pytest.raises(ValueError, match="nests deeper"):
        read(io.BytesIO(data), len(data))


def test_flows_of_the_wrong_types_are_one_line(tmp_path: Path) -> None:
    state = tflow.tflow(resp=True).get_state()
    for part, name, value in (("request", "timestamp_start", "noon"), ("response", "headers", 7)):
        broken = {**state, part: {**state[part], name: value}}
        path = tmp_path / "x.flow"
        path.write_bytes(tnetstring.dumps(broken))
        with pytest.raises(RecordingError, match="flow 1: not a"):
            read_flows(path, ServiceNames(()))


keys = st.text(max_size=3) | st.binary(max_size=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | keys,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


@given(values)
def test_tnetstrings_are_read_as_mitmproxy_reads_them(value: object) -> None:
    data = tnetstring.dumps(value)  # type: ignore[arg-type]
    assert read(io.BytesIO(data), len(data)) == (tnetstring.loads(data), 0)


@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b"0:]", b"3:", b"-1:", b"1:", b"}", b"]", b"~"])).map(b"".join)
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        _, left = read(io.BytesIO(data), len(data))
    except ValueError:
        return
    assert 0 <= left < len(data)
