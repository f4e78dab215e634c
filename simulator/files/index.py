"""The index of a large recording: where its events stand in the file, and its script without them.

It is made when a recording is opened for the first time, and kept in `$XDG_CACHE_HOME/stagesim/`. From then on the
recording is open at once, and of its events only those are in memory that are being played.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from simulator.core.events import Chunk, Direction, Event, Message, Response
from simulator.core.journal import Note
from simulator.core.lazy import Lazy
from simulator.core.matching.compare import is_heartbeat
from simulator.core.recording import Correlation, Header, Recording
from simulator.core.script import answers, find_causes, greetings, outlines
from simulator.core.sendable import sendable
from simulator.core.values.correlation import Plan, Variable, propose
from simulator.core.values.occurrences import occurrences, values_of
from simulator.core.values.places import Slot
from simulator.core.values.planning import Planner
from simulator.core.values.repeats import Repeats
from simulator.files.indexed import VARIABLE, Indexed, Lines
from simulator.files.lines import header_line
from simulator.files.reader import open_lines, ordered, read_entries, read_header

Progress = Callable[[str, float | None], None]
"""Is told what is being done, and which share of it is done, if that is known."""


def unseen(what: str, share: float | None) -> None:
    """Progress that nobody looks at."""


_LOOKING: Final = "looking for what correlates"
_TOLD: Final = 1000
"""After how many events each."""


@dataclass(slots=True)
class _Scan:
    """What is known of every event after one pass: its line, its time, and what it is without its payload."""

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    lengths: array[int] = field(default_factory=lambda: array("I"))
    times: array[int] = field(default_factory=lambda: array("q"))
    beats: bytearray = field(default_factory=bytearray)
    shapes: dict[Event, int] = field(default_factory=dict)
    shape: array[int] = field(default_factory=lambda: array("I"))
    warnings: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        beats = is_heartbeat(event)
        shape = replace(event, at=0) if beats else _light(event)
        self.times.append(event.at)
        self.beats.append(beats)
        self.shape.append(self.shapes.setdefault(shape, len(self.shapes)))

    @property
    def events(self) -> Sequence[Event]:
        """The events without their payloads."""
        shapes = list(self.shapes)
        return Lazy(range(len(self.times)), lambda index: replace(shapes[self.shape[index]], at=self.times[index]))


def index_of(path: Path, folder: Path, progress: Progress) -> tuple[dict[str, Any], dict[str, Any]]:
    """Go through a recording and say what is to be kept about it, and in which sections. Raises RecordingError.

    What would take much memory until it is written is in a file without a name in `folder`. Raises OSError too.
    """
    header, scan, repeats = _scan(path, progress, sendable)
    correlations = header.correlate
    if correlations is None:
        correlations = propose(_told(path, header, scan, progress, _LOOKING), repeats=repeats)
    with TemporaryFile(dir=folder) as text:
        sheet = _Sheet(text)
        planner = Planner(header, correlations, sheet, repeats)
        for item in occurrences(_told(path, header, scan, progress, "finding every value that does")):
            planner.hear(item)
        planner.finish()
        planned = {**sheet.sections(len(scan.offsets)), "lone": planner.lone}
    sections = {
        "offsets": scan.offsets,
        "lengths": scan.lengths,
        "times": scan.times,
        "beats": scan.beats,
        **planned,
    }
    progress("laying it out", None)
    light = Recording(header=header, events=scan.events)
    sections |= _script(light, Indexed(path, header, sections).plan(correlations))
    proposed = replace(header, correlate=correlations)
    return {"warnings": scan.warnings, "correlations": header_line(proposed)["correlate"]}, sections


def correlated(path: Path, progress: Progress = unseen) -> tuple[Correlation, ...]:
    """What correlates in a recording of any size, whatever its header says. Raises RecordingError."""
    header, scan, repeats = _scan(path, progress, iter)
    return propose(_told(path, header, scan, progress, _LOOKING), repeats=repeats)


def _told(path: Path, header: Header, scan: _Scan, progress: Progress, what: str) -> Recording:
    """The recording as it is read from its file; it is told how far somebody is who goes through it."""
    events = Lazy(range(len(scan.offsets)), Lines(path, scan.offsets, scan.lengths).event)
    return Recording(header=header, events=_Watched(events, partial(progress, what)))


class _Watched(Sequence[Event]):
    """Events, and somebody who is told which share of them was gone through."""

    def __init__(self, events: Sequence[Event], told: Callable[[float], None]) -> None:
        self._events, self._told = events, told

    def __len__(self) -> int:
        return len(self._events)

    def __getitem__(self, index: Any) -> Any:
        return self._events[index]

    def __iter__(self) -> Iterator[Event]:
        for index, event in enumerate(self._events):
            if index % _TOLD == 0:
                self._told(index / len(self._events))
            yield event


def _scan(
    path: Path, progress: Progress, checked: Callable[[Iterator[Event]], Iterator[Event]]
) -> tuple[Header, _Scan, Repeats]:
    """The first pass, in which events are `checked` as they come."""
    scan, size = _Scan(), path.stat().st_size
    repeats = Repeats.within(size)
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
                    scan.add(entry)
                    yield entry

        for item in values_of(checked(events())):
            repeats.hear(item)
    return header, scan, repeats


def _light(event: Event) -> Event:
    """An event of which everything is there that decides what its cause is, but when it was."""
    if isinstance(event, Message):
        return replace(event, at=0, data="", fragments=())
    if isinstance(event, Response):
        return replace(event, at=0, headers=(), body=b"")
    return replace(event, at=0, data=b"") if isinstance(event, Chunk) else replace(event, at=0)


class _Sheet:
    """A plan as sections: uses by event, and variables by number, whose text is in a file from the first."""

    def __init__(self, text: IO[bytes]) -> None:
        self._first, self._variables, self._slots = array("Q"), array("I"), array("I")
        self._names: dict[Slot, int] = {}
        self._composed: dict[int, list[tuple[int, int]]] = {}
        self._at, self._long = array("Q"), array("I")
        self._text, self._end = text, 0

    def use(self, index: int, slot: Slot, number: int) -> None:
        name = self._names.setdefault(slot, len(self._names))
        if index + 1 < len(self._first):
            self._composed.setdefault(index, []).append((name, number))
            return
        self._begin(index)
        self._variables.append(number)
        self._slots.append(name)

    def _begin(self, index: int) -> None:
        while len(self._first) <= index:
            self._first.append(len(self._variables))

    def variable(self, variable: Variable) -> None:
        parts = [(part.begin, part.end, part.variable.number) for part in variable.parts]
        text = json.dumps([*(getattr(variable, name) for name in VARIABLE), parts]).encode()
        missing = variable.number + 1 - len(self._at)
        self._at.extend([0] * missing)
        self._long.extend([0] * missing)
        self._at[variable.number], self._long[variable.number] = self._end, len(text)
        self._end += self._text.write(text)

    def sections(self, events: int) -> dict[str, Any]:
        """All of it, for so many events."""
        self._begin(events)
        found = _listed("use variables", ([number for _, number in self._pairs(index)] for index in range(events)))
        names = array("I", (name for index in range(events) for name, _ in self._pairs(index)))
        self._text.flush()
        text = mmap(self._text.fileno(), 0, access=ACCESS_READ) if self._end else b""
        slots = json.dumps([[slot.part, slot.at] for slot in self._names]).encode()
        return {
            **found,
            "use slots": names,
            "slots": slots,
            "variables at": self._at,
            "variables long": self._long,
            "variables": text,
        }

    def _pairs(self, index: int) -> Iterator[tuple[int, int]]:
        """The slots and variables of an event."""
        between = range(self._first[index], self._first[index + 1])
        yield from ((self._slots[each], self._variables[each]) for each in between)
        yield from self._composed.get(index, ())


def _listed(name: str, lists: Iterable[Iterable[int]]) -> dict[str, Any]:
    """Many lists behind each other: the one with an index is from `first[index]` to `first[index + 1]`."""
    first, items = array("Q", (0,)), array("I")
    for found in lists:
        items.extend(found)
        first.append(len(items))
    return {f"{name} first": first, name: items}


def _script(light: Recording, plan: Plan) -> dict[str, Any]:
    """What follows from what, and what flows there are."""
    events = len(light.events)
    after: dict[int, array[int]] = {}
    for index, cause in find_causes(light, Direction.DOWNSTREAM, greetings(light, plan)):
        after.setdefault(cause, array("I")).append(index)
    found = list(outlines(light))
    told = [[flow.flow, flow.opening, flow.upgrade, flow.begins, flow.ends, flow.closed] for flow in found]
    return {
        **_listed("reactions", (after.get(index, ()) for index in range(events))),
        **_listed("expectations", (flow.expected for flow in found)),
        "flows": json.dumps(told).encode(),
        "answers": array("I", answers(light)),
    }
