"""The dialects of HAR, each as small as it gets."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path

import pytest

from simulator.core.events import Direction, Message, Request, Response, header
from simulator.core.units import MILLISECOND, SECOND
from simulator.files.importers import bodies, har
from simulator.files.importers.gathering import Imported
from simulator.files.upstreams import Upstream
from tests.files.importers.reading import entry, fields, read_text
from tests.files.importers.reading import har as har_file

STARTED = 1_757_400_000 * SECOND
"""What the entries begin with: 2025-09-09T06:40:00Z."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.har"


def pair(imported: Imported) -> tuple[Request, Response]:
    request, response = imported.events[:2]
    assert isinstance(request, Request) and isinstance(response, Response)
    return request, response


def socket(
    *messages: dict[str, object], url: str = "wss://api.staging/ws", **changes: object
) -> dict[str, object]:
    return entry(url, response={"status": 101}, _webSocketMessages=list(messages), **changes)


def said(kind: str, time: float, data: str, opcode: int = 1) -> dict[str, object]:
    return {"type": kind, "time": time, "opcode": opcode, "data": data}


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://api.staging/x?y=1#top", "https://api.staging", "/x?y=1"),
        ("HTTP://API.staging:80", "http://api.staging", "/"),
        ("https://ada:pw@api.staging:8443/é x", "https://api.staging:8443", "/%C3%A9%20x"),
        ("http://[::1]:8000?q", "http://[::1]:8000", "/?q"),
        ("wss://api.staging/ws", "https://api.staging", "/ws"),
        ("https://api.staging/\ud800", "https://api.staging", "/?"),
    ],
)
def test_a_url_is_an_origin_and_a_target(path: Path, url: str, origin: str, target: str) -> None:
    request, _ = pair(read_text(har_file(path, entry(url)), Upstream("mine", origin)))
    assert (request.service, request.target) == ("mine", target)


def test_times_are_those_of_the_request_sent_whole_and_of_the_response_begun(path: Path) -> None:
    timings = {"blocked": 5, "dns": -1, "connect": 20, "ssl": 15, "send": 2, "wait": 70.5, "receive": 8}
    imported = read_text(har_file(path, entry(timings=timings)))
    request, response = pair(imported)
    assert imported.created == STARTED + 27 * MILLISECOND
    assert (request.at, response.at) == (0, 70_500)
    imported = read_text(har_file(path, entry(timings=timings), creator={"name": "mitmproxy"}))
    assert imported.created == STARTED + 2 * MILLISECOND


@pytest.mark.parametrize("scale", [1, 1000], ids=["seconds", "milliseconds"])
def test_messages_have_their_time_in_either_unit(path: Path, scale: int) -> None:
    messages = said("send", 1757400000.25 * scale, "a"), said("receive", 1757400000.5 * scale, "b")
    events = read_text(har_file(path, socket(*messages))).events
    assert [event.at for event in events] == [0, 100_000, 250_000, 500_000]
    assert [event.direction for event in events[2:]] == [Direction.UPSTREAM, Direction.DOWNSTREAM]


def test_a_101_comes_before_the_first_message_whatever_its_wait_says(path: Path) -> None:
    messages = said("receive", 1757400000.01, "hello"), said("receive", 1757400000.005, "before")
    request, response, *rest = read_text(har_file(path, socket(*messages))).events
    assert (request.at, response.at, [event.at for event in rest]) == (0, 10_000, [10_000, 10_000])


def test_a_websocket_has_the_fields_that_open_it(path: Path) -> None:
    request, response = pair(read_text(har_file(path, socket(url="http://api.staging/ws"))))
    for event in (request, response):
        assert header(event.headers, "upgrade") == "websocket"
        assert header(event.headers, "connection") == "Upgrade"
    assert header(response.headers, "sec-websocket-accept")


def test_bytes_and_halves_of_characters_come_as_they_were(path: Path) -> None:
    coded = base64.b64encode(bytes(range(256))).decode()
    messages = (
        said("send", 1757400001, coded, 2),
        said("receive", 1757400001, "a\ud83db"),
        said("error", 1.0, "", -1),
    )
    imported = read_text(har_file(path, socket(*messages)))
    data = [event.data for event in imported.events if isinstance(event, Message)]
    assert data == [bytes(range(256)), "a\ud83db"]
    assert f"{har.ERRORS}: 1" in imported.losses


def test_http2s_pseudo_fields_become_a_host_and_joined_lines_several_fields(path: Path) -> None:
    headers = fields((":method", "GET"), (":authority", "api.staging"), ("accept", "*/*"))
    cookies = fields(("set-cookie", "a=1\nb=2"), ("x-name", "Zoë ☃"))
    request, response = pair(
        read_text(har_file(path, entry(request={"headers": headers}, response={"headers": cookies})))
    )
    assert request.headers == (("Host", "api.staging"), ("accept", "*/*"))
    assert response.headers[:2] == (("set-cookie", "a=1"), ("set-cookie", "b=2"))
    assert response.headers[2][1].encode("latin-1").decode() == "Zoë ☃"


@pytest.mark.parametrize(
    ("content", "headers", "body"),
    [
        ({"text": "Zoë"}, (), "Zoë".encode()),
        ({"text": "Zoë"}, [("content-type", "text/plain; charset=ISO-8859-1")], "Zoë".encode("latin-1")),
        ({"text": "Zoë"}, [("content-length", "3")], "Zoë".encode("latin-1")),
        ({"text": "Zoë"}, [("content-type", "text/plain; charset=punycode")], "Zoë".encode()),
        ({"text": "iVBORw==", "encoding": "base64"}, (), b"\x89PNG"),
        ({"text": "hello"}, [("content-encoding", "gzip")], gzip.compress(b"hello", mtime=0)),
        ({}, [("content-length", "0")], b""),
    ],
)
def test_a_body_is_what_was_on_the_wire(
    path: Path, content: dict[str, str], headers: list[tuple[str, str]], body: bytes
) -> None:
    answer = {"headers": fields(*headers), "content": content}
    imported = read_text(har_file(path, entry(response=answer)))
    response = pair(imported)[1]
    assert response.body == body
    assert header(response.headers, "content-length") in (None, str(len(body)))
    assert not imported.losses


def test_a_coding_that_nobody_here_writes_is_left_out_and_reported(path: Path) -> None:
    answer = {"headers": fields(("Content-Encoding", "br"), ("Content-Length", "7")), "content": {"text": "hello"}}
    imported = read_text(har_file(path, entry(response=answer)))
    response = pair(imported)[1]
    assert (response.body, response.headers) == (b"hello", (("Content-Length", "5"),))
    assert imported.losses == (f"{bodies.NO_CODING}: 1",)


def test_a_head_keeps_the_length_of_what_it_did_not_get(path: Path) -> None:
    answer = {"headers": fields(("Content-Length", "7"))}
    imported = read_text(har_file(path, entry(request={"method": "HEAD"}, response=answer)))
    assert pair(imported)[1].headers == (("Content-Length", "7"),)
    assert not imported.losses


@pytest.mark.parametrize(
    ("posted", "body"),
    [
        ({"text": "a=1"}, b"a=1"),
        (
            {"params": fields(("name", "Zoë"), ("x", "1 2")), "mimeType": "application/x-www-form-urlencoded"},
            b"name=Zo%C3%AB&x=1+2",
        ),
        ({"text": "AP+ACg==", "encoding": "base64"}, b"\x00\xff\x80\n"),
    ],
)
def test_a_posted_body_in_its_three_forms(path: Path, posted: dict[str, object], body: bytes) -> None:
    asked = {"method": "POST", "postData": {"mimeType": "", **posted}}
    assert pair(read_text(har_file(path, entry(request=asked))))[0].body == body


def test_a_form_of_several_parts_of_which_only_the_fields_are_known_is_empty_and_reported(path: Path) -> None:
    kind = "multipart/form-data; boundary=x"
    asked = {
        "method": "POST",
        "headers": fields(("Content-Type", kind), ("Content-Length", "120")),
        "postData": {"mimeType": kind, "params": fields(("name", "Zoë"))},
    }
    imported = read_text(har_file(path, entry(request=asked)))
    request = pair(imported)[0]
    assert (request.body, header(request.headers, "content-length")) == (b"", "0")
    assert imported.losses == (f"{har.NO_FORM}: 1",)


def test_what_is_no_http_or_has_no_answer_is_reported(path: Path) -> None:
    others = [entry("data:text/html,x"), entry("chrome-extension://abc/x.js"), entry("blob:https://a/b")]
    connect = entry(request={"method": "CONNECT"})
    refused = entry(response={"status": 0, "headers": []})
    denied = entry("wss://api.staging/ws", _webSocketMessages=[said("send", 1, "x")], response={"status": 403})
    imported = read_text(har_file(path, *others, connect, refused, denied))
    assert set(imported.losses) == {f"{har.NOT_HTTP}: 4", f"{har.NO_RESPONSE}: 1", f"{har.NOT_ACCEPTED}: 1"}
    assert [event.kind for event in imported.events] == ["request", "request", "response"]


def test_entries_come_in_order_of_time_and_a_title_is_kept(path: Path) -> None:
    late = entry("https://api.staging/late", startedDateTime="2025-09-09T08:40:05+02:00")
    imported = read_text(har_file(path, late, entry(), comment="What happened"))
    targets = [event.target for event in imported.events if isinstance(event, Request)]
    assert (targets, imported.title, imported.created) == (["/x", "/late"], "What happened", STARTED)
