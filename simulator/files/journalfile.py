"""The file of a journal: written while a run goes on, secrets redacted, and a recording when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from simulator.core.journal import Entry
from simulator.core.recording import Header, Service
from simulator.files.redaction import Redactor
from simulator.files.writer import RecordingWriter, replace_header


class JournalFile:
    """A context: entries are appended as they come; at the end the header says what was redacted, and from where.

    An old journal of this name is replaced. Raises RecordingError where it cannot be written.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self._redactor = Redactor(known=header.standins)
        self._header = header
        self._writer = RecordingWriter(path, redact=self._redactor.event, overwrite=True)
        self._writer.begin(header)

    def write(self, entry: Entry) -> None:
        self._writer.write(entry)

    def served_at(self, urls: Mapping[str, str]) -> None:
        """By which URLs the services are known in this run, beside those in the recording."""
        recorded = {service.name: service.origins for service in self._header.services}
        services = tuple(Service(name=name, origins=(url, *recorded.get(name, ()))) for name, url in urls.items())
        self._header = replace(self._header, services=services)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._writer.close()
        if self._writer.path.is_file():  # a pipe is gone by now
            header = replace(self._header, redacted=dict(self._redactor.counts), standins=self._redactor.digests)
            replace_header(self._writer.path, header)
