"""What every importer gives: events in order of time, and what its format could not say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from simulator.core.errors import RecordingError
from simulator.core.events import Event
from simulator.core.recording import Header, Recording, Service
from simulator.core.sendable import check_sendable
from simulator.core.units import SECOND, Time, since_epoch
from simulator.files.losses import Losses
from simulator.files.recordingfile import RecordingFile

LONGEST: Final = 10**9 * SECOND
"""The longest recording that its file can say."""
FIRST: Final = since_epoch(datetime.min)
LAST: Final = since_epoch(datetime.max)
"""When recordings may begin, in µs since the Unix epoch: what their files can say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and all that follows on its flow, in order; times are µs since the Unix epoch.

    `place` is where it stands in its file. What the events say their flow is does not matter.
    """

    place: str
    events: Sequence[Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A file of another tool, read: events of a recording that began at `created`, and what is lost."""

    created: Time
    title: str
    events: tuple[Event, ...]
    losses: tuple[str, ...]


def gathered(exchanges: Sequence[Exchange], losses: Losses, *, path: Path, title: str) -> Imported:
    """The events of all exchanges, named by flow and ordered by time. Raises RecordingError.

    Within an exchange nothing goes back in time: wall clocks do, recordings do not.
    """
    if not exchanges:
        raise RecordingError("there is no HTTP request in it", place=str(path))
    ordered = sorted(exchanges, key=lambda exchange: exchange.events[0].at)
    created = ordered[0].events[0].at
    if not FIRST <= created < LAST:
        problem = "happens before the year 1 or after the year 9999, in UTC"
        raise RecordingError(problem, place=f"{path}: {ordered[0].place}")
    events: list[Event] = []
    for number, exchange in enumerate(ordered, 1):
        events += _flow(exchange, str(number), created, path)
    events.sort(key=lambda event: event.at)
    return Imported(created=created, title=title, events=tuple(events), losses=losses.lines)


def _flow(exchange: Exchange, flow: str, created: Time, path: Path) -> list[Event]:
    events: list[Event] = []
    last = 0
    for event in exchange.events:
        last = max(last, event.at - created)
        events.append(replace(event, flow=flow, at=last))
    place = f"{path}: {exchange.place}"
    if last > LONGEST:
        problem = f"happens {last // SECOND} s after the first request; a recording lasts {LONGEST // SECOND} s"
        raise RecordingError(problem, place=place)
    try:
        check_sendable(Recording(header=Header(), events=tuple(events)))
    except RecordingError as error:
        raise RecordingError(error.problem, place=place, hint=error.hint) from None
    return events


def write(
    imported: Imported, path: Path, services: tuple[Service, ...], *, title: str = "", overwrite: bool = False
) -> int:
    """Write a recording as `stagesim record` does, and say how many secrets were replaced on the way.

    Raises RecordingError.
    """
    file = RecordingFile(path, title or imported.title, (), overwrite=overwrite)
    try:
        file.begin(imported.created)
        for event in imported.events:
            file.write(event)
    except BaseException:
        file.discard()
        raise
    file.finish(services)
    return file.secrets
