"""Verdicts: what a test did under a fault, from how it ended and from what the journal shows. Pure.

The control run, without a fault, gives the steady state: everything that reached the test, flow by flow. A fault
is lethal to a test if some of that never arrived.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.core.jsontext import Json
from simulator.core.units import Time
from simulator.harness.traffic import Traffic, missing_signs


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


def score(judgements: Iterable[Judgement]) -> float | None:
    """The share of lethal faults that were noticed, from 0 to 1; None where no fault was lethal."""
    lethal = [judgement for judgement in judgements if judgement.lethal]
    noticed = sum(judgement.verdict is Verdict.NOTICED for judgement in lethal)
    return noticed / len(lethal) if lethal else None


def as_json(judgement: Judgement) -> Json:
    return {"verdict": str(judgement.verdict), "reason": judgement.reason, "missing": list(judgement.missing)}
