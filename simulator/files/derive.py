"""Derived faults: every point of a recorded success where it could have been prevented, as ready fault files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from simulator.core.events import Direction, Event, Message, Request, Response, is_upgrade
from simulator.core.jsontext import leaves, path_text
from simulator.core.matching.compare import discriminator, is_discriminator, is_heartbeat, label
from simulator.core.recording import Recording
from simulator.core.values.places import json_of
from simulator.files.faultfiles import LoadedFault, fault_of
from simulator.files.yamlfile import dump_yaml

LATE = "10s"
PREFIX = "derived:"
"""What stands before a derived fault's name where it is given by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """One point and one way: a name, and a fault file's content."""

    name: str
    content: dict[str, Any]


def derive(recording: Recording) -> list[Derived]:
    """Each server message lost, late, doubled, cut; each socket closed or reset there; each answer failing.

    Points that no selector can tell apart (equal messages of one flow) are told apart by their number.
    """
    found: dict[str, Derived] = {}
    requests: dict[str, Request] = {}
    numbers: Counter[tuple[str, str]] = Counter()
    for event in recording.events:
        if isinstance(event, Request):
            requests[event.flow] = event
        elif event.direction is Direction.DOWNSTREAM and event.flow in requests:
            request = requests[event.flow]
            numbers[event.flow, label(event)] += 1
            for derived in _points(event, request, numbers[event.flow, label(event)]):
                found.setdefault(derived.name, derived)
    return list(found.values())


def derived_faults(recording: Recording, pattern: str = "*") -> list[LoadedFault]:
    """The derived faults whose names fit a pattern, ready to be armed; 'derived:NAME' is what loads each again."""
    return [_loaded(derived) for derived in derive(recording) if fnmatchcase(derived.name, pattern)]


def _loaded(derived: Derived) -> LoadedFault:
    rules = [{**rule, "name": derived.name} for rule in derived.content["rules"]]
    fault = fault_of({**derived.content, "rules": rules})
    return replace(fault, name=derived.name, given=f"{PREFIX}{derived.name}")


def _points(event: Event, request: Request, number: int) -> Iterator[Derived]:
    if isinstance(event, Response):
        yield from _answers(event, request)
    elif isinstance(event, Message) and not is_heartbeat(event):
        yield from _messages(event, request, number)


def _answers(event: Response, request: Request) -> Iterator[Derived]:
    select = {"service": request.service, "path": request.path, "method": request.method}
    about = f"{request.method} {request.path}"
    if is_upgrade(event):
        yield _made(f"{about} refused", {"fault": "refuse", "status": 503, "select": select})
    else:
        yield _made(f"{about} is 503", {"fault": "status", "status": 503, "select": select})
        yield _made(f"{about} is 401", {"fault": "status", "status": 401, "select": select})
    late = {**select, "event": "response"}
    yield _made(f"{about} late", {"fault": "latency", "delay": LATE, "select": late})
    yield _made(f"{about} reset", {"fault": "reset", "select": late})


def _messages(event: Message, request: Request, number: int) -> Iterator[Derived]:
    select: dict[str, Any] = {"direction": "downstream", "event": "message", "path": request.path}
    condition = _condition(event)
    if condition:
        select["json"] = condition
    when = {"nth": number}
    about = f"{request.path} {discriminator(event) or 'message'}" + (f" {number}" if number > 1 else "")
    yield _made(f"{about} lost", {"fault": "drop", "select": select, "when": when})
    yield _made(f"{about} late", {"fault": "latency", "delay": LATE, "select": select, "when": when})
    yield _made(f"{about} doubled", {"fault": "duplicate", "select": select, "when": when})
    yield _made(f"{about} cut", {"fault": "truncate", "select": select, "when": when})
    yield _made(f"{about} closed", {"fault": "close", "code": 1011, "select": select, "when": when})
    yield _made(f"{about} reset", {"fault": "reset", "select": select, "when": when})


def _condition(event: Message) -> dict[str, Any]:
    """The discriminator by which a message is known, as a selector says it."""
    document = json_of(event)
    if not isinstance(document, dict | list):
        return {}
    named = [(path, value) for path, value in leaves(document) if is_discriminator(path, value)]
    if not named:
        return {}
    path, value = min(named, key=lambda item: len(item[0]))
    return {path_text(path): value}


def _made(title: str, rule: dict[str, Any]) -> Derived:
    words = "".join(char if char.isalnum() or char == "_" else "-" for char in title)
    name = "-".join(word for word in words.split("-") if word)
    return Derived(name=name, content={"title": title, "rules": [rule]})


def write_derived(faults: list[Derived], folder: Path) -> list[Path]:
    """One file for each; existing files are overwritten."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for fault in faults:
        path = folder / f"{fault.name}.yaml"
        path.write_text(dump_yaml(fault.content), encoding="utf-8")
        paths.append(path)
    return paths
