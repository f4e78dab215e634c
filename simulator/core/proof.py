"""Proof of injection: what every rule of a run matched, and what it put on the wire instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.core.journal import Note
from simulator.core.jsontext import Json
from simulator.core.session import Session
from simulator.core.units import Time


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleProof:
    """One rule's part in a run. `on` is the event that it last fired on, `instead` what went out, `at` when."""

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
    return [
        _proof(stage.rule.name, stage.rule.fault.name, stage.matched, stage.fired, notes)
        for stage in session.stages
    ]


def _proof(rule: str, fault: str, matched: int, fired: int, notes: Iterable[Note]) -> RuleProof:
    mine = [note for note in notes if note.what in ("fired", "affected") and note.detail.get("rule") == rule]
    if not mine:
        return RuleProof(rule=rule, fault=fault, matched=matched, fired=fired)
    last = mine[-1]
    return RuleProof(
        rule=rule,
        fault=fault,
        matched=matched,
        fired=fired,
        on=_label(last.detail["on"]),
        instead=_instead(last.detail["instead"]),
        at=last.at,
    )


def _instead(summaries: Json) -> str:
    labels = [_label(item) for item in summaries] if isinstance(summaries, list) else []
    return ", ".join(labels) or "nothing"


def _label(summary: Json) -> str:
    if not isinstance(summary, dict):
        return "?"
    return f"{summary['label']}{', held' if summary.get('held') else ''}"
