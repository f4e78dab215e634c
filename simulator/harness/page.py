"""The page of a drill: one file with everything in it, for a browser that has no network."""

from __future__ import annotations

import json
import re
from importlib.resources import files

from simulator.core.events import Bytes, Chunk, Direction, Message, Request, Response
from simulator.core.journal import Entry, Note
from simulator.core.jsontext import Json
from simulator.core.matching.compare import label
from simulator.core.units import SECOND
from simulator.files.redaction import Redactor
from simulator.files.redaction.notes import redacted_text
from simulator.harness.drill import Drill
from simulator.harness.reports import document, short_names

MOST = 400
"""Entries of one conversation that the page shows."""
LONGEST = 300
"""Characters of a payload that the page shows."""
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
"""What text does not have, and bytes that are no text do."""
_NO_TEXT = re.compile("[\ud800-\udfff]")
"""Halves of surrogate pairs, which a payload's JSON may name and no file can hold."""
_PLACE = '<script id="data" type="application/json">{}</script>'


def as_html(drill: Drill) -> str:
    """The test × fault grid; each cell opens its conversation, the fault marked in it. Secrets are replaced."""
    found = document(drill)
    tests = list(drill.judgements)
    cells = {
        short: {fault: _cell(drill, test, fault, found["tests"][test][fault]) for fault in drill.runs}
        for short, test in zip(short_names(tests), tests, strict=True)
    }
    scores = dict(zip(cells, found["scores"].values(), strict=True))
    data = redacted_text(
        json.dumps({**found, "tests": cells, "scores": scores}, ensure_ascii=False), Redactor().event
    )
    safe = _NO_TEXT.sub("\ufffd", data).replace("<", "\\u003c")  # so that no payload can end the script element
    template = files("simulator.web").joinpath("drill.html").read_text(encoding="utf-8")
    return template.replace(_PLACE, _PLACE.replace("{}", safe))


def _cell(drill: Drill, test: str, fault: str, row: dict[str, Json]) -> dict[str, Json]:
    run = drill.runs[fault]
    seen = run.tests.get(test)
    shown: list[Json] = []
    if seen is not None:
        entries = [entry for entry in run.journal if seen.begin <= entry.at <= seen.end]
        for entry in entries[:MOST]:
            line = _line(entry)
            shown += [line] if line is not None else []
    return {**row, "talk": shown}


def _line(entry: Entry) -> Json:
    at = entry.at / SECOND
    if isinstance(entry, Note):
        return (
            {"at": at, "note": _note(entry)}
            if entry.what in ("triggered", "fired", "affected", "missed")
            else None
        )
    payload: str | bytes = ""
    if isinstance(entry, Message | Chunk | Bytes):
        payload = entry.data
    elif isinstance(entry, Request | Response):
        payload = entry.body
    text = payload if isinstance(payload, str) else _text(payload)
    up = entry.direction is Direction.UPSTREAM
    return {"at": at, "flow": entry.flow, "up": up, "label": label(entry), "data": text[:LONGEST]}


def _text(data: bytes) -> str:
    """Bytes as text if they are printable, else in hexadecimal: '81 fe 04 d2'."""
    text = data[: 4 * LONGEST].decode(errors="replace")[:LONGEST]
    return data[:LONGEST].hex(" ") if _ODD.search(text) else text


def _note(note: Note) -> str:
    if note.what == "missed":
        return f"not in the recording: {note.detail.get('event')}"
    instead = note.detail.get("instead")
    sent = ", ".join(_summary(item) for item in instead) if isinstance(instead, list) else ""
    on = _summary(note.detail.get("on"))
    return f"{note.detail.get('fault')} {note.what} on {on}; instead of it went out: {sent or 'nothing'}"


def _summary(value: Json) -> str:
    if not isinstance(value, dict):
        return "?"
    data = value.get("data") or value.get("reason") or value.get("body") or ""
    return f"{value.get('label')} {data}".strip() + (" (held)" if value.get("held") else "")
