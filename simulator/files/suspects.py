"""Suspected secrets in a recording: what redaction would still replace."""

from __future__ import annotations

from simulator.core.events import Event
from simulator.core.matching.compare import label
from simulator.core.recording import Recording
from simulator.files.redaction import Redactor


def suspects(recording: Recording) -> list[tuple[str, str]]:
    """Where a recording may hold a secret, and of which kind.

    A stand-in looks like the secret it stands for. The header of a recording that was redacted holds a digest of
    every stand-in, so that what was pasted in afterwards is told apart.
    """
    redactor = Redactor(known=recording.header.standins)
    found = []
    for index, event in enumerate(recording.events):
        before = dict(redactor.counts)
        redactor.event(event)
        kinds = [kind for kind, count in redactor.counts.items() if count > before.get(kind, 0)]
        found += [(_place(index, event), kind) for kind in kinds]
    return found


def _place(index: int, event: Event) -> str:
    return f"event {index + 1} (flow {event.flow}, {label(event)})"
