"""Starting and stopping: addresses, mistakes said in one line, and nothing left behind."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
from pathlib import Path

import httpx
import pytest
from staging import RawClient, Recorded, Staging, frame, switching

from simulator.core.errors import StagesimError
from simulator.core.events import Close, Direction, Event, Message
from simulator.live.recorder import Recorder, Summary, Upstream
from simulator.live.recorder.exchange import Exchange

SOMEWHERE = [Upstream("a", "http://127.0.0.1:1"), Upstream("b", "http://localhost:1")]


@pytest.fixture
def notes() -> Recorded:
    return Recorded()


def upgrade(staging: Staging, last: bytes = b"") -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(head) + frame(1, b"hello") + last)
        await reader.read()

    staging.handler = serve


def test_every_upstream_has_an_address(notes: Recorded) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Recorder(notes.sink, upstreams=SOMEWHERE, listen=("127.0.0.1", port)) as recorder:
        first, second = recorder.addresses["a"], recorder.addresses["b"]
        assert first == f"http://127.0.0.1:{port}"
        assert second.startswith("http://127.0.0.1:")
        assert first != second
        assert recorder.proxy_address is None
        for address in (first, second):
            assert httpx.get(address, trust_env=False).status_code == 502


def test_ipv6(notes: Recorded) -> None:
    with Recorder(notes.sink, upstreams=SOMEWHERE[:1], listen=("::1", 0)) as recorder:
        assert recorder.addresses["a"].startswith("http://[::1]:")
        assert httpx.get(recorder.addresses["a"], trust_env=False).status_code == 502


def test_where_a_recorder_that_listens_everywhere_is_reached(notes: Recorded) -> None:
    with Recorder(notes.sink, upstreams=SOMEWHERE[:1], listen=("0.0.0.0", 0)) as recorder:  # noqa: S104
        assert httpx.get(recorder.addresses["a"], trust_env=False).status_code == 502


def test_a_port_that_is_in_use(notes: Recorded) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for _ in range(2):
            recorder = Recorder(
                notes.sink, upstreams=SOMEWHERE, listen=("127.0.0.1", port), on_problem=notes.problem
            )
            with pytest.raises(StagesimError, match=f"^127.0.0.1:{port} is in use") as raised:
                recorder.start()
            assert raised.value.hint
            assert recorder.stop() == Summary(services=recorder.stop().services)
    with Recorder(notes.sink, upstreams=SOMEWHERE, listen=("127.0.0.1", port)):
        pass
    assert not notes.problems


def test_a_host_that_is_not_ours(notes: Recorded) -> None:
    recorder = Recorder(notes.sink, upstreams=SOMEWHERE, listen=("192.0.2.1", 0))
    with pytest.raises(StagesimError, match=r"cannot listen on 192.0.2.1:0: "):
        recorder.start()


def test_a_process_has_one_recorder(notes: Recorded) -> None:
    before = set(threading.enumerate())
    with Recorder(notes.sink, upstreams=SOMEWHERE):
        with pytest.raises(StagesimError, match="only one recorder at a time"):
            Recorder(notes.sink, upstreams=SOMEWHERE).start()
        assert len(set(threading.enumerate()) - before) == 1
    assert set(threading.enumerate()) <= before


def test_nothing_to_record(notes: Recorded) -> None:
    with pytest.raises(StagesimError, match="nothing to record"):
        Recorder(notes.sink, upstreams=[])
    Recorder(notes.sink, upstreams=[], forward=True)


def test_without_mitmproxy(notes: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mitmproxy", None)
    with pytest.raises(StagesimError) as raised:
        Recorder(notes.sink, upstreams=SOMEWHERE)
    assert raised.value.hint == "pip install 'stagesim[record]'"


def test_with_a_broken_mitmproxy(notes: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simulator.live.recorder.master", None)
    recorder = Recorder(notes.sink, upstreams=SOMEWHERE)
    with pytest.raises(StagesimError, match="mitmproxy cannot be imported: ") as raised:
        recorder.start()
    assert raised.value.hint == "pip install 'stagesim[record]'"


def test_what_is_open_at_the_end_is_cut_without_a_word(staging: Staging, raw_port: int, notes: Recorded) -> None:
    upgrade(staging, b"\x81\x05ab")
    upstreams = [Upstream("raw", f"http://127.0.0.1:{raw_port}")]
    with Recorder(notes.sink, upstreams=upstreams, on_problem=notes.problem) as recorder:
        with RawClient(recorder.addresses["raw"]) as client:
            assert client.read().data == "hello"
            summary = recorder.stop()
            with pytest.raises(EOFError):
                client.read()
        assert recorder.stop() == summary
    # The frame that was under way is there; that nobody closed is not anybody's reset.
    assert [event.kind for event in notes.events] == ["request", "response", "message", "bytes"]
    assert (summary.requests, summary.sockets, summary.messages, summary.events) == (1, 1, 1, 4)
    assert summary.problems == 0
    assert not notes.problems


def test_last_words_are_heard(staging: Staging, raw_port: int, notes: Recorded) -> None:
    upgrade(staging)
    with Recorder(notes.sink, upstreams=[Upstream("raw", f"http://127.0.0.1:{raw_port}")]) as recorder:
        for number in range(20):
            with RawClient(recorder.addresses["raw"]) as client:
                client.read()  # What is not read would make an RST of the end.
                client.send(Message(flow="", at=0, direction=Direction.UPSTREAM, data=str(number)))
                client.send(Close(flow="", at=0, direction=Direction.UPSTREAM, code=1000))
        recorder.stop()
    assert [event.kind for event in notes.events].count("close") == 20


def test_a_response_that_is_open_at_the_end(staging: Staging, raw_port: int, notes: Recorded) -> None:
    async def serve(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        await reader.read()

    staging.handler = serve
    recorder = Recorder(notes.sink, upstreams=[Upstream("raw", f"http://127.0.0.1:{raw_port}")])
    recorder.start()
    with httpx.stream("GET", recorder.addresses["raw"], trust_env=False) as response:
        pieces = response.iter_raw()
        assert next(pieces) == b"ab"
        recorder.stop()
        with pytest.raises(httpx.RemoteProtocolError):
            next(pieces)
    assert [event.kind for event in notes.events] == ["request", "response", "chunk"]


def test_how_long_a_socket_may_be_idle_is_for_the_recorder_to_say(
    staging: Staging, raw_port: int, notes: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(staging)
    monkeypatch.setattr("simulator.live.recorder.addon._A_YEAR", 0.1)
    recorder = Recorder(notes.sink, upstreams=[Upstream("raw", f"http://127.0.0.1:{raw_port}")])
    with recorder, RawClient(recorder.addresses["raw"]) as client:
        client.read()
        with pytest.raises(EOFError):
            client.read()


def test_times_begin_when_the_recorder_listens(staging: Staging, raw_port: int, notes: Recorded) -> None:
    now = [5_000_000]
    upgrade(staging)
    upstreams = [Upstream("raw", f"http://127.0.0.1:{raw_port}")]
    with Recorder(notes.sink, upstreams=upstreams, clock=lambda: now[0]) as recorder:
        assert recorder.created > 1_700_000_000_000_000
        now[0] += 250_000
        with RawClient(recorder.addresses["raw"]) as client:
            client.read()
    assert {event.at for event in notes.events} == {250_000}


def test_a_sink_that_raises_gets_nothing_more(staging: Staging, raw_port: int, notes: Recorded) -> None:
    got: list[Event] = []

    def sink(event: Event) -> None:
        got.append(event)
        if len(got) == 2:
            raise OSError("no space left on device")

    upgrade(staging)
    upstreams = [Upstream("raw", f"http://127.0.0.1:{raw_port}")]
    with Recorder(sink, upstreams=upstreams, on_problem=notes.problem) as recorder:
        with RawClient(recorder.addresses["raw"]) as client:
            assert client.read().data == "hello"  # The client is served all the same.
        summary = recorder.stop()
    assert [event.kind for event in got] == ["request", "response"]
    assert len(notes.problems) == 1
    assert "the recording ends at 0." in notes.problems[0]
    assert "no space left on device" in notes.problems[0]
    assert (summary.requests, summary.sockets, summary.events, summary.problems) == (1, 0, 1, 1)


def test_a_mistake_of_the_recorder_is_not_swallowed(
    staging: Staging, raw_port: int, notes: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    upgrade(staging)
    monkeypatch.setattr(Exchange, "end", broken)
    upstreams = [Upstream("raw", f"http://127.0.0.1:{raw_port}")]
    recorder = Recorder(notes.sink, upstreams=upstreams, on_problem=notes.problem)
    with recorder, RawClient(recorder.addresses["raw"]):
        notes.until(lambda: notes.problems)
    assert notes.problems[0].startswith("mitmproxy: Addon error")
    assert "a bug (RuntimeError)" in notes.problems[0]


def test_nothing_is_left_behind(notes: Recorded) -> None:
    def state() -> tuple[object, ...]:
        logger = logging.getLogger("mitmproxy")
        handlers = (list(logging.getLogger().handlers), list(logger.handlers), logger.propagate)
        return (*handlers, len(os.listdir("/proc/self/fd")), threading.active_count())  # noqa: PTH208

    with Recorder(notes.sink, upstreams=SOMEWHERE):
        pass
    before = state()
    for _ in range(3):
        with Recorder(notes.sink, upstreams=SOMEWHERE) as recorder:
            httpx.get(recorder.addresses["a"], trust_env=False)
            scratch = recorder.ca_file.parent
            assert scratch.is_dir()
        assert not scratch.exists()
    assert state() == before


def test_a_confdir_stays(notes: Recorded, tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        with Recorder(notes.sink, upstreams=SOMEWHERE, confdir=tmp_path) as recorder:
            contents.append(recorder.ca_file.read_bytes())
    assert contents[0] == contents[1] == (tmp_path / "mitmproxy-ca-cert.pem").read_bytes()


def test_a_confdir_that_is_none(notes: Recorded, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    recorder = Recorder(notes.sink, upstreams=SOMEWHERE, confdir=tmp_path / "file")
    for _ in range(2):
        with pytest.raises(StagesimError, match=r"the recorder does not start: mitmproxy: .* File exists: "):
            recorder.start()


def test_a_recorder_records_once(notes: Recorded) -> None:
    with Recorder(notes.sink, upstreams=SOMEWHERE) as recorder:
        pass
    with pytest.raises(StagesimError, match="a recorder records once"):
        recorder.start()


def test_a_start_that_failed_may_be_tried_again(notes: Recorded) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        recorder = Recorder(notes.sink, upstreams=SOMEWHERE, listen=taken.getsockname())
        with pytest.raises(StagesimError, match="is in use"):
            recorder.start()
    with recorder:
        assert recorder.ca_file.exists()


def test_a_certificate_before_there_is_one(notes: Recorded) -> None:
    with pytest.raises(StagesimError, match="before it is started"):
        _ = Recorder(notes.sink, upstreams=SOMEWHERE).ca_file
