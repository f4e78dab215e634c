"""The index of a large recording: where its events stand in the file, and its script without them.

It is made when a recording is opened for the first time, and kept in `$XDG_CACHE_HOME/stagesim/`. From then on the
recording is open at once, and of its events only those are in memory that are being played.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from simulator.core.events import Chunk, Event, Message, Response
from simulator.core.journal import Note
from simulator.core.lazy import Lazy
from simulator.core.matching.compare import is_heartbeat
from simulator.core.recording import Header, Recording
from simulator.core.script import Script, cut
from simulator.core.sendable import sendable
from simulator.core.values import correlation
from simulator.core.values.correlation import Plan
from simulator.core.values.places import Slot
from simulator.files.indexed import VARIABLE, Lines
from simulator.files.lines import header_line
from simulator.files.reader import open_lines, ordered, read_entries, read_header

Progress = Callable[[str, float | None], None]
"""Is told what is being done, and which share of it is done, if that is known."""


def unseen(what: str, share: float | None) -> None:
    """Progress that nobody looks at."""


_TOLD: Final = 1000
"""After how many events each."""


@dataclass(slots=True)
class _Scan:
    """What is kept of every event: its line, its time, and an event without its payload."""

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    lengths: array[int] = field(default_factory=lambda: array("I"))
    times: array[int] = field(default_factory=lambda: array("q"))
    beats: bytearray = field(default_factory=bytearray)
    light: list[Event] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def index_of(path: Path, progress: Progress) -> tuple[dict[str, Any], dict[str, Any]]:
    """Go through a recording and say what is to be kept about it, and in which sections. Raises RecordingError."""
    header, scan = _scan(path, progress)
    progress("looking for what correlates", None)
    lines = Lines(path, scan.offsets, scan.lengths)
    recording = Recording(header=header, events=Lazy(range(len(scan.offsets)), lines.event))
    plan = correlation.plan(recording)
    script = cut(Recording(header=header, events=scan.light), plan)
    sections = {
        "offsets": scan.offsets,
        "lengths": scan.lengths,
        "times": scan.times,
        "beats": scan.beats,
        **_reactions(script, len(scan.light)),
        **_uses(plan, len(scan.light)),
        **_variables(plan),
        **_flows(script),
        "answers": array("I", script.answers),
    }
    proposed = replace(header, correlate=plan.correlations)
    about = {"warnings": scan.warnings, "correlations": header_line(proposed)["correlate"]}
    return about, sections


def _scan(path: Path, progress: Progress) -> tuple[Header, _Scan]:
    scan, size = _Scan(), path.stat().st_size
    with open_lines(path) as stream:
        header = read_header(stream, path)
        at = stream.tell()

        def events() -> Iterator[Event]:
            nonlocal at
            for entry in ordered(read_entries(stream, path, scan.warnings.append), path):
                begin, at = at, stream.tell()
                if not isinstance(entry, Note):
                    if len(scan.times) % _TOLD == 0:
                        progress("reading", begin / size)
                    scan.offsets.append(begin)
                    scan.lengths.append(at - begin)
                    yield entry

        for event in sendable(events()):
            beats = is_heartbeat(event)
            scan.times.append(event.at)
            scan.beats.append(beats)
            scan.light.append(event if beats else _light(event))
    return header, scan


def _light(event: Event) -> Event:
    """An event of which everything is there that decides what its cause is."""
    flow = sys.intern(event.flow)
    if isinstance(event, Message):
        return replace(event, flow=flow, data="", fragments=())
    if isinstance(event, Response):
        return replace(event, flow=flow, headers=(), body=b"")
    return replace(event, flow=flow, data=b"") if isinstance(event, Chunk) else event


def _reactions(script: Script, events: int) -> dict[str, Any]:
    """By event, the indices of what follows from it: those from `first[event]` to `first[event + 1]`."""
    after: dict[int, list[int]] = {}
    for flow in script.flows:
        for item in (flow.opening, *flow.expectations):
            after[item.index] = [reaction.index for reaction in item.reactions]
    return _listed("reactions", (after.get(index, ()) for index in range(events)))


def _listed(name: str, lists: Iterable[Iterable[int]]) -> dict[str, Any]:
    first, items = array("Q", (0,)), array("I")
    for found in lists:
        items.extend(found)
        first.append(len(items))
    return {f"{name} first": first, name: items}


def _uses(plan: Plan, events: int) -> dict[str, Any]:
    slots: dict[Slot, int] = {}
    pairs = [plan.at(index) for index in range(events)]
    found = _listed("use variables", ([variable.number for _, variable in each] for each in pairs))
    places = array("I", (slots.setdefault(slot, len(slots)) for each in pairs for slot, _ in each))
    text = json.dumps([[slot.part, slot.at] for slot in slots]).encode()
    return {**found, "use slots": places, "slots": text}


def _variables(plan: Plan) -> dict[str, Any]:
    first, text = array("Q", (0,)), bytearray()
    for variable in plan.variables:
        parts = [(part.begin, part.end, part.variable.number) for part in variable.parts]
        text += json.dumps([*(getattr(variable, name) for name in VARIABLE), parts]).encode()
        first.append(len(text))
    return {"variables first": first, "variables": text}


def _flows(script: Script) -> dict[str, Any]:
    told = [
        [flow.flow, flow.opening.index, flow.upgrade, flow.begins, flow.ends, flow.closed] for flow in script.flows
    ]
    found = _listed("expectations", ([item.index for item in flow.expectations] for flow in script.flows))
    return {**found, "flows": json.dumps(told).encode()}
