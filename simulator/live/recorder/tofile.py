"""Recording into a file: secrets are replaced before the first write, and the header is completed at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from simulator.core.correlation import propose
from simulator.core.events import Event
from simulator.core.recording import Header, Service
from simulator.core.units import Time
from simulator.files.reader import load
from simulator.files.redaction import Redactor
from simulator.files.writer import RecordingWriter, save
from simulator.live.recorder.recorder import Recorder
from simulator.live.recorder.tape import Summary
from simulator.live.recorder.upstreams import Upstream


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
        recording = load(self.path).recording
        counts, digests = dict(self._redactor.counts), self._redactor.digests
        header = replace(recording.header, services=services, redacted=counts, standins=digests)
        header = replace(header, correlate=propose(replace(recording, header=header)))
        save(replace(recording, header=header), self.path)

    def discard(self) -> None:
        """Nothing was recorded: leave no file."""
        self._writer.close()
        if not self._writer.was_there:
            self.path.unlink(missing_ok=True)

    @property
    def secrets(self) -> int:
        """How many secrets were replaced so far."""
        return sum(self._redactor.counts.values())


@dataclass(slots=True)
class Recorded:
    """A recording under way; `summary` and `secrets` are complete when it has ended."""

    recorder: Recorder
    summary: Summary
    secrets: int = 0


@contextmanager
def recording_to(
    path: Path,
    upstreams: Sequence[Upstream],
    *,
    title: str = "",
    overwrite: bool = False,
    listen: tuple[str, int] = ("127.0.0.1", 0),
    forward: bool = False,
    trust: Path | None = None,
    insecure: bool = False,
    on_problem: Callable[[str], None] = lambda line: None,
) -> Iterator[Recorded]:
    """Record into a file for as long as the context lasts. Raises StagesimError where that cannot begin."""
    file: RecordingFile | None = None

    def sink(event: Event) -> None:
        if file is not None:
            file.begin(recorder.created)
            file.write(event)

    recorder = Recorder(
        sink,
        upstreams=upstreams,
        listen=listen,
        forward=forward,
        trust=trust,
        insecure=insecure,
        on_problem=on_problem,
    )
    file = RecordingFile(path, title, upstreams, overwrite=overwrite)
    recorded = Recorded(recorder, Summary())
    try:
        recorder.start()
    except BaseException:
        file.discard()
        raise
    file.begin(recorder.created)
    try:
        yield recorded
    finally:
        recorded.summary = recorder.stop()
        file.finish(recorded.summary.services)
        recorded.secrets = file.secrets
