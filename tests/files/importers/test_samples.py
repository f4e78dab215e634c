"""Real files of other tools: what is in them is what was on the wire, and none of their secrets is recorded."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from simulator.core.events import Direction, Event, Message, Request, Response, header
from simulator.core.script import compile_script
from simulator.core.units import MILLISECOND, SECOND
from simulator.files.importers import cassette, har
from simulator.files.importers.bodies import OTHER_LENGTH
from simulator.files.importers.gathering import Imported, write
from simulator.files.reader import load
from tests.files.importers.reading import SAMPLES, SITE, read_text

BROWSERS = ["chrome.har", "playwright.har"]
HARS = [*BROWSERS, "mitmproxy-11.har", "mitmproxy-12.har"]
CASSETTES = ["requests.yaml", "requests.json", "aiohttp.yaml"]
ITEMS = b'{"items": [{"id": 0, "name": "item 0"}'
SECRETS = (b"correct-horse-9-staple", b"s3cr3t-s4mple-c00kie", b"eyJzdWIiOiJ1c2VyLTEiLCJlbWFpbCI6ImFkYUBl")
UP, DOWN = Direction.UPSTREAM, Direction.DOWNSTREAM


def asked(imported: Imported, target: str) -> tuple[Request, Response]:
    """The request for a target, and its response."""
    request = next(event for event in imported.events if isinstance(event, Request) and event.target == target)
    flow = [event for event in imported.events if event.flow == request.flow]
    return request, next(event for event in flow if isinstance(event, Response))


def messages(imported: Imported) -> list[Message]:
    return [event for event in imported.events if isinstance(event, Message)]


@pytest.mark.parametrize("name", HARS)
def test_a_har_says_what_was_on_the_wire(name: str) -> None:
    imported = read_text(SAMPLES / name, SITE)
    request, response = asked(imported, "/gzipped")
    assert (request.service, request.method, response.status) == ("site", "GET", 200)
    assert gzip.decompress(response.body).startswith(ITEMS)
    assert header(response.headers, "content-length") == str(len(response.body))
    assert 0 < response.at - request.at < 5 * SECOND
    _, login = asked(imported, "/login")
    assert [value for name, value in login.headers if name == "Set-Cookie"][1] == "theme=dark; Path=/"


@pytest.mark.parametrize("name", HARS)
def test_a_har_says_what_a_websocket_said(name: str) -> None:
    imported = read_text(SAMPLES / name, SITE)
    request, upgrade = asked(imported, "/ws?room=1")
    assert (upgrade.status, header(upgrade.headers, "sec-websocket-protocol")) == (101, "chat")
    said = messages(imported)
    assert sorted(said, key=lambda message: message.at) == said
    assert {message.flow for message in said} == {request.flow}
    assert [(message.direction, message.data) for message in said[2:]] == [
        (DOWN, '{"type": "joined", "id": "join-4711aa", "name": "Zo\\u00eb"}'),
        (UP, b"\x01\x02\xff"),
        (DOWN, b"\xff\x02\x01"),
    ]
    assert {message.direction for message in said[:2]} == {UP, DOWN}
    # the server waited for 50 ms before it answered: the unit of time is the right one
    joined = next(message for message in said if "join-" in str(message.data) and message.direction is UP)
    assert 45 * MILLISECOND < said[2].at - joined.at < 1 * SECOND
    assert upgrade.at <= min(message.at for message in said)


@pytest.mark.parametrize("name", HARS)
def test_bytes_in_a_request_are_those_that_were_sent_or_reported_missing(name: str) -> None:
    imported = read_text(SAMPLES / name, SITE)
    request, _ = asked(imported, "/blob")
    missing = f"{OTHER_LENGTH}: 1"
    assert (request.body, missing in imported.losses) in [(b"\x00\xff\x80\n", False), (b"", True)]
    assert (request.body == b"") is (name == "playwright.har")
    assert header(request.headers, "content-length") == str(len(request.body))


@pytest.mark.parametrize("name", BROWSERS)
def test_images_are_bytes_and_what_a_browser_does_not_keep_is_reported(name: str) -> None:
    imported = read_text(SAMPLES / name, SITE)
    assert asked(imported, "/dot.png")[1].body.startswith(b"\x89PNG")
    assert asked(imported, "/moved")[1].status == 302
    for line in (har.NO_BODY, har.NO_PIECES, har.NO_END, har.NO_FRAMES):
        assert f"{line}: 1" in imported.losses


@pytest.mark.parametrize("name", CASSETTES)
def test_a_cassette_says_what_was_asked_and_answered(name: str) -> None:
    imported = read_text(SAMPLES / name, SITE)
    request, response = asked(imported, "/login")
    assert request.body == b'{"email": "ada@example.com", "password": "correct-horse-9-staple"}'
    assert (request.method, response.status, response.reason) == ("POST", 200, "OK")
    assert asked(imported, "/gzipped")[1].headers
    count = len({event.flow for event in imported.events})
    assert f"{cassette.NO_TIMES}: {count}" in imported.losses
    assert any(line.startswith(cassette.NO_BYTES) for line in imported.losses) is (name == "aiohttp.yaml")


def test_a_cassette_with_a_decoded_body_is_coded_as_its_header_says() -> None:
    response = asked(read_text(SAMPLES / "requests.yaml", SITE), "/gzipped")[1]
    assert gzip.decompress(response.body).startswith(ITEMS)
    response = asked(read_text(SAMPLES / "requests.json", SITE), "/gzipped")[1]
    assert header(response.headers, "content-encoding") is None
    assert response.body.startswith(ITEMS)


def test_a_cassette_has_its_bytes() -> None:
    imported = read_text(SAMPLES / "requests.yaml", SITE)
    assert asked(imported, "/blob")[0].body == b"\x00\xff\x80\n"
    assert asked(imported, "/dot.png")[1].body.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", [*HARS, *CASSETTES])
def test_no_secret_gets_into_the_recording(name: str, tmp_path: Path) -> None:
    source = (SAMPLES / name).read_bytes()
    assert any(secret in source for secret in SECRETS)
    imported, path = read_text(SAMPLES / name, SITE), tmp_path / "imported.jsonl"
    replaced = write(imported, path, (), overwrite=False)
    written = path.read_bytes()
    assert replaced and not any(secret in written for secret in SECRETS)
    loaded = load(path)
    assert not loaded.warnings
    assert kinds(loaded.recording.events) == kinds(imported.events)
    assert loaded.recording.header.redacted
    assert compile_script(loaded.recording).flows


def kinds(events: tuple[Event, ...]) -> list[tuple[str, str, int]]:
    return [(event.flow, event.kind, event.at) for event in events]
