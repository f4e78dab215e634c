"""The file of a journal: written while a run goes on, secrets redacted, and a recording when it has ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from simulator.core.errors import RecordingError
from simulator.core.journal import Entry
from simulator.core.recording import Header, Service
from simulator.files.reader import read_header
from simulator.files.redaction import Redactor
from simulator.files.writer import RecordingWriter, replace_header


class JournalFile:
    """A context: entries are appended as they come; at the end the header says what was redacted, and from where.

    An old journal of this name is replaced when the run has begun, and not before. Raises RecordingError where
    there is another file, or none can be.
    """

    def __init__(self, path: Path, header: Header) -> None:
        _check_replaceable(path)
        self._redactor = Redactor(known=header.standins)
        self._header = header
        self._writer = RecordingWriter(path, redact=self._redactor.event, overwrite=True)
        self._begun = False

    def write(self, entry: Entry) -> None:
        self._begin()
        self._writer.write(entry)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._writer.begin(self._header)

    def served_at(self, urls: Mapping[str, str]) -> None:
        """By which URLs the services are known in this run, beside those in the recording."""
        recorded = {service.name: service.origins for service in self._header.services}
        services = tuple(Service(name=name, origins=(url, *recorded.get(name, ()))) for name, url in urls.items())
        self._header = replace(self._header, services=services)
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._writer.close()
        if not self._begun:
            if not self._writer.was_there:
                self._writer.path.unlink(missing_ok=True)
        elif self._writer.path.is_file():  # a pipe is gone by now
            header = replace(self._header, redacted=dict(self._redactor.counts), standins=self._redactor.digests)
            replace_header(self._writer.path, header)


def check_journal(path: Path, recordings: Iterable[Path]) -> None:
    """Raise RecordingError for a journal that would replace one of the recordings, by whatever name."""
    if path.exists() and any(path.samefile(recording) for recording in recordings):
        hint = "choose another name for the journal"
        raise RecordingError("is one of the recordings that are played", place=str(path), hint=hint)


def _check_replaceable(path: Path) -> None:
    """Raise RecordingError for a file that is neither empty nor a journal or recording."""
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        with path.open("rb") as file:
            read_header(file, path)
    except OSError as error:
        raise RecordingError(f"cannot be read: {error.strerror}", place=str(path)) from None
    except RecordingError:
        hint = "choose another name, or remove it"
        raise RecordingError("is no old journal that could be replaced", place=str(path), hint=hint) from None
