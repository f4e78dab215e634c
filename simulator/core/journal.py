"""The journal of a run: every event that was on the wire, and what was decided about it.

The events alone are a recording of the run. Notes stand between them and carry the reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from simulator.core.events import Event
from simulator.core.jsontext import Json
from simulator.core.units import Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something decided at a time, about a flow.

    `what` is one word: 'opened', 'matched', 'missed', 'refused', 'triggered', 'fired', 'affected', 'failed', or of
    no flow: 'armed', 'disarmed', 'reset'. `detail` is data.
    """

    kind: ClassVar[str] = "note"
    at: Time
    flow: str
    what: str
    detail: Mapping[str, Json] = field(default_factory=dict)


Entry = Event | Note


class Journal:
    """An append-only list of entries, in order of time."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def since(self, position: int) -> list[Entry]:
        """The entries from a position on: `len(journal)` before, `since` after."""
        return self._entries[position:]

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(entry for entry in self._entries if isinstance(entry, Event))

    def notes(self, what: str | None = None) -> tuple[Note, ...]:
        return tuple(
            entry for entry in self._entries if isinstance(entry, Note) and (what is None or entry.what == what)
        )
