"""Takes the secrets out of notes: they quote what was on the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from simulator.core.events import Direction, Event, Message
from simulator.core.journal import Entry, Note
from simulator.core.jsontext import Json


def redacted_entry(entry: Entry, redact: Callable[[Event], Event]) -> Entry:
    """An event without its secrets, or a note whose texts are without them: the same object if there are none."""
    if not isinstance(entry, Note):
        return redact(entry)
    detail = {key: _redacted(value, redact) for key, value in entry.detail.items()}
    return entry if detail == entry.detail else replace(entry, detail=detail)


def _redacted(value: Json, redact: Callable[[Event], Event]) -> Json:
    if isinstance(value, dict):
        return {key: _redacted(inner, redact) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redacted(inner, redact) for inner in value]
    if not isinstance(value, str):
        return value
    return redacted_text(value, redact)


def redacted_text(text: str, redact: Callable[[Event], Event]) -> str:
    """A text that somebody will read, such as a report, without the secrets that it quotes."""
    said = redact(Message(flow="", at=0, direction=Direction.DOWNSTREAM, data=text))
    return said.data if isinstance(said, Message) and isinstance(said.data, str) else text
