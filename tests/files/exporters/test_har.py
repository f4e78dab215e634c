"""A recording that goes through a HAR comes back as far as a HAR can say it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings

from simulator.core.events import (
    Bytes,
    Chunk,
    Close,
    Direction,
    End,
    Fragment,
    Message,
    Ping,
    Request,
    Reset,
    Response,
)
from simulator.core.recording import Recording
from simulator.core.script import compile_script
from simulator.core.units import MILLISECOND
from simulator.files.exporters import exchanges
from simulator.files.exporters import har as exported
from simulator.files.exporters.har import har_of
from simulator.files.importers import har
from simulator.files.importers.gathering import Imported
from simulator.files.locate import find_recording
from simulator.files.losses import Losses
from simulator.files.reader import load
from simulator.files.upstreams import Upstream
from tests.conversations import UPGRADE, agent_run, recording, recordings
from tests.files.importers.reading import flows_of, read_text, without_frames

BACKEND = Upstream("backend", "https://api.staging")
GOLDEN = load(find_recording("golden-path")).recording


def there_and_back(original: Recording, *upstreams: Upstream) -> Imported:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.har"
        path.write_text(json.dumps(har_of(original, Losses())))
        return read_text(path, *upstreams)


def assert_same(original: Recording, imported: Imported) -> None:
    assert flows_of(imported) == without_frames(original, lambda ends: ())
    assert compile_script(Recording(header=original.header, events=imported.events)).flows


@settings(max_examples=40)
@given(recordings())
def test_every_recording_comes_back_from_a_har(original: Recording) -> None:
    assert_same(original, there_and_back(original, BACKEND))


def test_an_agent_run_comes_back_from_a_har() -> None:
    assert_same(agent_run(), there_and_back(agent_run(), BACKEND))


def test_the_golden_path_comes_back_from_a_har() -> None:
    services = [Upstream(service.name, service.origins[0]) for service in GOLDEN.header.services]
    imported = there_and_back(GOLDEN, *services)
    assert_same(GOLDEN, imported)
    assert imported.title == GOLDEN.header.title
    assert set(imported.losses) == {f"{har.NO_END}: 1", f"{har.NO_FRAMES}: 1"}


def everything() -> Recording:
    """A stream, bytes, a reset, pings, fragments: what a HAR can and cannot say."""
    bad = Fragment(size=1), Fragment(size=2, after=5)
    return recording(
        Request(flow="a", at=0, service="backend", method="PUT", target="/x?q=%20&q=2", body=b"\x00\xff"),
        Response(flow="a", at=9, status=200, headers=(("Content-Encoding", "br"),), streaming=True),
        Chunk(flow="a", at=10, data=b"\xff\xfe"),
        Chunk(flow="a", at=20, data=b"x"),
        End(flow="a", at=30),
        Request(flow="b", at=40, service="other", method="GET", target="/y"),
        Reset(flow="b", at=50, direction=Direction.DOWNSTREAM),
        Request(flow="c", at=60, service="backend", method="GET", target="/ws", headers=UPGRADE),
        Response(flow="c", at=70 * MILLISECOND, status=101),
        Ping(flow="c", at=80 * MILLISECOND, direction=Direction.DOWNSTREAM, data=b"x"),
        Message(flow="c", at=90 * MILLISECOND, direction=Direction.UPSTREAM, data="abc", fragments=bad),
        Message(flow="c", at=91 * MILLISECOND, direction=Direction.DOWNSTREAM, data=b"\xff", compressed=True),
        Bytes(flow="c", at=92 * MILLISECOND, direction=Direction.DOWNSTREAM, data=b"\xff"),
        Close(flow="c", at=93 * MILLISECOND, direction=Direction.DOWNSTREAM, code=1011),
        ignore=("backend /x > $.id",),
    )


def test_every_loss_is_counted() -> None:
    losses = Losses()
    har_of(everything(), losses)
    said = dict(line.rsplit(": ", 1) for line in losses.lines)
    assert said == {
        exchanges.NO_HEADER: "1",
        exchanges.NO_PIECES: "1",
        exchanges.NO_ORIGIN: "1",
        exchanges.NO_PINGS: "1",
        exchanges.NO_FRAGMENTS: "1",
        exchanges.NO_COMPRESSION: "1",
        exchanges.NO_BYTES: "1",
        exported.NO_CLOSES: "2",
        exported.AS_SENT: "1",
    }


def test_what_is_not_lost_comes_back() -> None:
    imported = there_and_back(everything(), BACKEND, Upstream("other", "http://other"))
    put, stream, get = imported.events[:3]
    assert isinstance(put, Request) and isinstance(stream, Response) and isinstance(get, Request)
    assert (put.method, put.target, put.body) == ("PUT", "/x?q=%20&q=2", b"\x00\xff")
    assert (stream.body, get.service) == (b"\xff\xfex", "other")


def test_a_har_has_what_the_format_requires() -> None:
    """HAR 1.2: every name that is not optional."""
    log = har_of(GOLDEN, Losses())["log"]
    entries = log["entries"]  # type: ignore[index]
    assert {"version", "creator", "entries"} <= log.keys()  # type: ignore[attr-defined]
    for entry in entries:
        assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= entry.keys()
        both = {"httpVersion", "cookies", "headers", "headersSize", "bodySize"}
        assert both | {"method", "url", "queryString"} <= entry["request"].keys()
        assert both | {"status", "statusText", "content", "redirectURL"} <= entry["response"].keys()
        assert {"size", "mimeType"} <= entry["response"]["content"].keys()
        assert {"send", "wait", "receive"} <= entry["timings"].keys()
    (socket,) = [entry for entry in entries if "_webSocketMessages" in entry]
    assert (socket["request"]["url"][:5], socket["_resourceType"]) == ("ws://", "websocket")
