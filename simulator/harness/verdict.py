"""Verdicts: what a test did under a fault, from how it ended and from what the journal shows. Pure.

The control run, without a fault, gives the steady state: everything that the server sent while the test ran. A
fault is lethal to a test if some of that never arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.core.events import Direction, Event, Message, Request, Response
from simulator.core.journal import Entry, Note
from simulator.core.jsontext import Json
from simulator.core.matching import is_heartbeat, label
from simulator.core.places import json_of
from simulator.core.units import Time


class Outcome(StrEnum):
    """How a test ended, by its own account or by ours."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    HUNG = "hung"
    CRASHED = "crashed"
    ABSENT = "absent"
    """It was not even collected."""


class Verdict(StrEnum):
    """What that means under a fault."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    BLIND = "blind"
    HUNG = "hung"
    CRASHED = "crashed"
    SKIPPED = "skipped"
    NOT_EXERCISED = "not exercised"


BAD = frozenset({Verdict.BLIND, Verdict.HUNG, Verdict.CRASHED, Verdict.SKIPPED})
"""Verdicts that a suite must not have: staging was broken, and nobody was told so properly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What was on the wire while a test ran. `received` counts messages and answers by sign, see `sign`."""

    received: Mapping[str, int] = field(default_factory=dict)
    touched: bool = False
    fired: tuple[str, ...] = ()
    """Names of the rules that fired on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """One test in one run: how long it took, when that was on the run's timeline, and its failure as text."""

    __test__ = False  # pytest would take it for a test
    test: str
    outcome: Outcome
    seconds: float = 0.0
    text: str = ""
    begin: Time = 0
    end: Time = 0
    traffic: Traffic = field(default_factory=Traffic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and its reason in one line; `missing` is what the steady state has and this run never saw."""

    verdict: Verdict
    reason: str
    missing: tuple[str, ...] = ()

    @property
    def lethal(self) -> bool:
        """Whether the fault kept the test's success from arriving."""
        return self.verdict in BAD or self.verdict is Verdict.NOTICED


def judge(control: TestRun, run: TestRun) -> Judgement:
    """The verdict on a test that passed its control run."""
    missing = missing_signs(control.traffic, run.traffic)
    match run.outcome:
        case Outcome.HUNG:
            return Judgement(verdict=Verdict.HUNG, reason="did not end within its deadline", missing=missing)
        case Outcome.CRASHED:
            return Judgement(verdict=Verdict.CRASHED, reason="died without a report", missing=missing)
        case Outcome.SKIPPED | Outcome.ABSENT:
            reason = "was skipped" if run.outcome is Outcome.SKIPPED else "was not collected any more"
            return Judgement(verdict=Verdict.SKIPPED, reason=f"{reason}: the fault passes unseen", missing=missing)
    if not control.traffic.touched:
        return _untouched(run)
    if not run.traffic.fired:
        failed = "failed, and " if run.outcome is Outcome.FAILED else ""
        return Judgement(verdict=Verdict.NOT_EXERCISED, reason=f"{failed}the fault did not fire on its traffic")
    fired = ", ".join(run.traffic.fired)
    if run.outcome is Outcome.FAILED:
        return Judgement(verdict=Verdict.NOTICED, reason=f"failed in time, under {fired}", missing=missing)
    if missing:
        return Judgement(verdict=Verdict.BLIND, reason=f"passed without {', '.join(missing[:3])}", missing=missing)
    return Judgement(verdict=Verdict.SURVIVED, reason=f"passed, and everything arrived in spite of {fired}")


def _untouched(run: TestRun) -> Judgement:
    if run.outcome is Outcome.PASSED:
        return Judgement(verdict=Verdict.BLIND, reason="passed without touching staging at all")
    return Judgement(verdict=Verdict.NOT_EXERCISED, reason="failed, and has never touched staging")


def missing_signs(control: Traffic, run: Traffic) -> tuple[str, ...]:
    """What arrived in the control run and not, or not as often, in this one."""
    return tuple(
        sign.partition(" {")[0] for sign, count in control.received.items() if run.received.get(sign, 0) < count
    )


def traffic(entries: Iterable[Entry], begin: Time, end: Time) -> Traffic:
    """What happened on the wire between two times; entries are those of the whole run."""
    requests: dict[str, Request] = {}
    received: Counter[str] = Counter()
    fired: dict[str, None] = {}
    touched = False
    for entry in entries:
        if isinstance(entry, Request):
            requests[entry.flow] = entry
        if not begin <= entry.at <= end:
            continue
        if isinstance(entry, Note):
            if entry.what in ("triggered", "fired", "affected"):
                fired[str(entry.detail.get("rule"))] = None
            continue
        touched = True
        if entry.direction is Direction.DOWNSTREAM and not is_heartbeat(entry):
            found = sign(entry, requests.get(entry.flow))
            if found is not None:
                received[found] = received[found] + 1 if isinstance(entry, Message) else 1
    return Traffic(received=received, touched=touched, fired=tuple(fired))


def sign(event: Event, request: Request | None) -> str | None:
    """What makes two server events the same to a test: the label and the shape of their JSON, not the values."""
    if isinstance(event, Response):
        return f"{event.status} to {label(request) if request else '?'} {_shape(json_of(event))}".strip()
    if isinstance(event, Message):
        return f"{label(event)} {_shape(json_of(event))}".strip()
    return None


def _shape(value: object) -> str:
    """The keys and types of a JSON value; list items count as one."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_shape(inner)}" for key, inner in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(sorted({_shape(inner) for inner in value})) + "]"
    if isinstance(value, bool):
        return "boolean"
    return {str: "text", int: "number", float: "number", type(None): "null"}.get(type(value), "")


def score(judgements: Iterable[Judgement]) -> float | None:
    """The share of lethal faults that were noticed, from 0 to 1; None where no fault was lethal."""
    lethal = [judgement for judgement in judgements if judgement.lethal]
    noticed = sum(judgement.verdict is Verdict.NOTICED for judgement in lethal)
    return noticed / len(lethal) if lethal else None


def as_json(judgement: Judgement) -> Json:
    return {"verdict": str(judgement.verdict), "reason": judgement.reason, "missing": list(judgement.missing)}
