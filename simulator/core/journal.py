"""The journal of a run: every event that was on the wire, and what was decided about it.

The events alone are a recording of the run. Notes stand between them and carry the reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import ClassVar, Final

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


_ORDINARY: Final = frozenset(("opened", "matched", "triggered"))
"""Notes that say how things went as they should."""


class Journal:
    """An append-only list of entries, in order of time; its oldest may be forgotten."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lasting: list[Entry] = []
        self._forgotten = 0

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)

    def __iter__(self) -> Iterator[Entry]:
        return chain(self._lasting, self._entries)

    def __len__(self) -> int:
        """How many entries were added."""
        return self._forgotten + len(self._entries)

    def since(self, position: int) -> list[Entry]:
        """The entries from a position on that are not forgotten: `len(journal)` before, `since` after."""
        return self._entries[max(0, position - self._forgotten) :]

    def forget(self, but: int) -> None:
        """Keep of entries so many, the latest, and of older ones those that proof and misses are told by.

        It may keep twice as many, so that forgetting costs nothing worth speaking of.
        """
        if len(self._entries) > 2 * but:
            count = len(self._entries) - but
            self._lasting += [
                entry for entry in self._entries[:count] if isinstance(entry, Note) and entry.what not in _ORDINARY
            ]
            del self._entries[:count]
            self._forgotten += count

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(entry for entry in self if isinstance(entry, Event))

    def notes(self, what: str | None = None) -> tuple[Note, ...]:
        return tuple(entry for entry in self if isinstance(entry, Note) and (what is None or entry.what == what))
