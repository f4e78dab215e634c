"""A recording being written: secrets are replaced before the first write, the header is completed at the end."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from simulator.core.events import Event
from simulator.core.recording import Header, Service
from simulator.core.units import Time
from simulator.files.index import correlated
from simulator.files.reader import open_recording
from simulator.files.redaction import Redactor
from simulator.files.upstreams import Upstream
from simulator.files.writer import RecordingWriter, replace_header


class RecordingFile:
    """A recording being written; the file is there, and exclusively ours, as soon as this is made."""

    def __init__(self, path: Path, title: str, upstreams: Sequence[Upstream], *, overwrite: bool) -> None:
        self.path, self._title, self._upstreams = path, title, upstreams
        self._redactor = Redactor()
        self._writer = RecordingWriter(path, redact=self._redactor.event, overwrite=overwrite)
        self._begun, self._beginning = False, threading.Lock()

    def begin(self, created: Time) -> None:
        """Write the header, the first time; the recorder's thread and ours may both come first."""
        with self._beginning:
            if self._begun:
                return
            self._begun = True
            services = tuple(
                Service(name=upstream.name, origins=(upstream.origin,)) for upstream in self._upstreams
            )
            self._writer.begin(Header(title=self._title, created=created, services=services))

    def write(self, event: Event) -> None:
        self._writer.write(event)

    def finish(self, services: tuple[Service, ...]) -> None:
        """Close the file, and write into its header what is known only now."""
        self._writer.close()
        with open_recording(self.path, lambda warning: None) as opened:
            header = replace(opened.header, services=services, correlate=correlated(self.path))
        header = replace(header, redacted=dict(self._redactor.counts), standins=self._redactor.digests)
        replace_header(self.path, header)

    def discard(self) -> None:
        """Nothing was recorded: leave no file."""
        self._writer.close()
        if not self._writer.was_there:
            self.path.unlink(missing_ok=True)

    @property
    def secrets(self) -> int:
        """How many secrets were replaced so far."""
        return sum(self._redactor.counts.values())
