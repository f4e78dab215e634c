"""What came and is not in the recording, beside what is nearest in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from simulator.cli.tables import table
from simulator.core.journal import Note
from simulator.core.matching.compare import NearMiss
from simulator.files.redaction import Redactor
from simulator.files.redaction.notes import redacted_entry

_SHOWN = 5


def misses_table(missed: Sequence[Note]) -> Table:
    """The last few things that were not in the recording: each with its near misses, in two columns."""
    beginning = f"not in the recording: {len(missed)}"
    title = beginning + (f", the last {_SHOWN}" if len(missed) > _SHOWN else "")
    shown = table(title, "what came", "the nearest recorded", "differs at", "recorded", "came")
    redactor = Redactor()
    for note in missed[-_SHOWN:]:
        clean = redacted_entry(note, redactor.event)
        if isinstance(clean, Note):
            for row in _rows(clean):
                shown.add_row(*map(escape, row))
    return shown


def _rows(note: Note) -> Iterator[tuple[str, ...]]:
    event = str(note.detail["event"])
    nearest = list(NearMiss.read(note.detail.get("nearest")))
    if not nearest:
        yield event, "nothing of this kind", "", "", ""
    for miss in nearest:
        if miss.used:
            yield event, miss.label, "already used", "", ""
        label = miss.label
        for each in miss.mismatches:
            yield event, label, each.place, each.expected, each.found
            event = label = ""
        event = ""
