"""What correlates in a recording, for people: in a line each, or with the evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator

from simulator.core.jsontext import Json
from simulator.core.recording import Correlation, Recording
from simulator.core.script import Script
from simulator.core.values.correlation import SENT
from simulator.core.values.evidence import findings, left_alone
from simulator.core.values.planning import uncorrelated

_LONGEST = 44


def correlations(script: Script) -> Iterator[str]:
    """What correlates, and what looks as if it should."""
    found = script.plan.correlations
    if found:
        yield _heading(script.recording)
    for item in found:
        yield f"  {_made(item)}  {item.source}  →  {', '.join(item.targets) or 'fresh for each client'}"
    alone = uncorrelated(script.recording, script.plan)
    if alone:
        yield "look like ids and are not correlated:"
    yield from (f"  {place}" for place in alone)


def explained(recording: Recording, *others: Recording) -> Iterator[str]:
    """The same with evidence; with `others` of the same scenario, as it is learned from all of them."""
    found = findings(recording, *others)
    if found:
        yield "correlated, learned from all of them:" if others else _heading(recording)
    for finding in found:
        item = finding.correlation
        yield f"  {_made(item)}  {item.source}"
        yield from (f"    →  {target}" for target in item.targets or ("fresh for each client",))
        examples = ", ".join(map(_shown, finding.examples)) or "not in this recording"
        times = "once" if finding.seen == 1 else f"{finding.seen} times"
        yield f"    {examples}; seen {times}; {'; '.join(finding.why)}"
    alone = left_alone(recording, *others)
    if alone:
        yield "look like ids and are left alone:"
    yield from (f"  {item.place}  {_shown(item.example)}  ({item.why})" for item in alone)


def _heading(recording: Recording) -> str:
    return f"correlated, {'found now' if recording.header.correlate is None else 'as the header says'}:"


def _made(item: Correlation) -> str:
    return f"{item.name} (made by the {'client' if item.kind in SENT else 'server'})"


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
