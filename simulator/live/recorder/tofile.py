"""Recording into a file, for as long as a context lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulator.core.events import Event
from simulator.files.recordingfile import RecordingFile
from simulator.files.upstreams import Upstream
from simulator.live.recorder.recorder import Recorder
from simulator.live.recorder.tape import Summary


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
