"""Proof of injection: what every rule of a run matched, and what it put on the wire instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from simulator.core.journal import Note
from simulator.core.jsontext import Json
from simulator.core.session import Session
from simulator.core.units import Time

SHOWN = 2
"""How many kinds of event are named that went out instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleProof:
    """One rule's part in a run. `on` is the event that it first fired on, `at` when, `instead` what went out."""

    rule: str
    fault: str
    matched: int
    fired: int
    on: str = ""
    instead: str = ""
    at: Time | None = None

    @property
    def exercised(self) -> bool:
        """A fault that never fired proves nothing about anybody."""
        return self.fired > 0


def proofs(session: Session) -> list[RuleProof]:
    """The proof of every rule that was ever armed, in order."""
    notes = session.journal.notes()
    lives = {stage.rule.name: _lives(stage.rule.name, notes) for stage in session.stages}
    return [
        _proof(stage.rule.name, stage.rule.fault.name, stage.matched, stage.fired, next(lives[stage.rule.name]))
        for stage in session.stages
    ]


def _lives(rule: str, notes: Iterable[Note]) -> Iterator[list[Note]]:
    """What rules of this name did: a rule that was disarmed may be armed again, and is another one then."""
    mine: list[Note] = []
    for note in notes:
        if note.detail.get("rule") == rule:
            if note.what == "disarmed":
                yield mine
                mine = []
            elif note.what in ("fired", "affected"):
                mine.append(note)
    while True:  # one more is armed, or was taken away without a note
        yield mine
        mine = []


def _proof(rule: str, fault: str, matched: int, fired: int, mine: Sequence[Note]) -> RuleProof:
    if not mine:
        return RuleProof(rule=rule, fault=fault, matched=matched, fired=fired)
    first = next((note for note in mine if note.what == "fired"), mine[0])
    sent = dict.fromkeys(_label(item) for note in mine for item in _listed(note.detail["instead"]))
    shown = [*sent][:SHOWN] + (["…"] if len(sent) > SHOWN else [])
    return RuleProof(
        rule=rule,
        fault=fault,
        matched=matched,
        fired=fired,
        on=f"{_label(first.detail['on'])} of {first.detail['to']}",
        instead=", ".join(shown) or "nothing",
        at=first.at,
    )


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _label(summary: Json) -> str:
    if not isinstance(summary, dict):
        return "?"
    return f"{summary['label']}{', held' if summary.get('held') else ''}"
