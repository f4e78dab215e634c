"""Reading foreign files in tests, and what is left of a recording that went through another format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from simulator.core.events import (
    Chunk,
    Close,
    End,
    Event,
    Headers,
    Message,
    Ping,
    Pong,
    Request,
    Reset,
    Response,
    is_upgrade,
)
from simulator.core.recording import Recording
from simulator.files.importers.cassette import read_cassette, read_yaml_cassette
from simulator.files.importers.formats import Format, format_of, load_json
from simulator.files.importers.gathering import Imported
from simulator.files.importers.har import read_har
from simulator.files.upstreams import ServiceNames, Upstream

SAMPLES = Path(__file__).parent / "samples"
SITE = Upstream("site", "http://127.0.0.1:8765")
_ADDED = ("upgrade", "connection", "sec-websocket-accept")


def read_text(path: Path, *upstreams: Upstream) -> Imported:
    """What is in a HAR or a cassette."""
    names = ServiceNames(upstreams)
    if format_of(path) is Format.YAML_CASSETTE:
        return read_yaml_cassette(path, names)
    data = load_json(path)
    return read_har(data, path, names) if "log" in data else read_cassette(data, path, names)


def entry(url: str = "https://api.staging/x", **changes: object) -> dict[str, object]:
    """A plain entry of a HAR: a GET, answered by 200 after 100 ms, with other parts as given."""
    request = {"method": "GET", "url": url, "headers": []}
    response = {"status": 200, "statusText": "OK", "headers": [], "content": {"size": 0, "text": ""}}
    timings = {"send": 0, "wait": 100, "receive": 0}
    started = "2025-09-09T06:40:00.000Z"
    plain = {"startedDateTime": started, "time": 100, "request": request, "response": response}
    made: dict[str, object] = {**plain, "timings": timings}
    for name, value in changes.items():
        old = made.get(name)
        made[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return made


def har(path: Path, *entries: object, **log: object) -> Path:
    """A file with a HAR of these entries."""
    path.write_text(json.dumps({"log": {"version": "1.2", **log, "entries": list(entries)}}))
    return path


def fields(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def without_frames(recording: Recording, ends: Callable[[list[Event]], Iterable[Event]]) -> list[list[Event]]:
    """The flows of a recording, but for what only frames and pieces show; times are since the epoch.

    Of how a WebSocket ended, what `ends` makes of it is left.
    """
    flows = sorted(recording.flows().values(), key=lambda events: events[0].at)
    return [_flow(list(events), recording.header.created, ends) for events in flows]


def _flow(events: list[Event], created: int, ends: Callable[[list[Event]], Iterable[Event]]) -> list[Event]:
    body = b"".join(event.data for event in events if isinstance(event, Chunk))
    socket = any(is_upgrade(event) for event in events)
    left: list[Event] = []
    for event in events:
        if isinstance(event, Message):
            event = replace(event, fragments=(), compressed=False)
        elif isinstance(event, Response):
            event = replace(event, streaming=False, body=event.body + body, headers=_given(event.headers))
        elif isinstance(event, Request):
            event = replace(event, headers=_given(event.headers))
        if isinstance(event, Request | Response | Message):
            left.append(event)
    left += ends([event for event in events if isinstance(event, Close | Reset)]) if socket else []
    return [replace(event, flow="", at=event.at + created, id=None, cause=None) for event in left]


def _given(headers: Headers) -> Headers:
    """Header fields without those that an importer adds where they are missing."""
    return tuple(field for field in headers if field[0].lower() not in _ADDED)


def flows_of(imported: Imported) -> list[list[Event]]:
    """The flows of what was imported, as `without_frames` gives them."""
    assert not any(isinstance(event, Ping | Pong | Chunk | End) for event in imported.events)
    found: dict[str, list[Event]] = {}
    for event in imported.events:
        if isinstance(event, Request | Response):
            event = replace(event, headers=_given(event.headers))
        found.setdefault(event.flow, []).append(replace(event, flow="", at=event.at + imported.created))
    return list(found.values())
