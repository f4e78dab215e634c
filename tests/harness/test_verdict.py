"""Verdicts from facts: how a test ended, what was on the wire, what fired."""

from __future__ import annotations

import pytest

from simulator.harness.traffic import Sign, Traffic
from simulator.harness.verdict import Judgement, Outcome, TestRun, Verdict, judge, score

STEADY = Traffic(received={Sign(label="welcome"): 1, Sign(label="done"): 1}, touched=True)


def run(outcome: Outcome, *received: str, fired: str = "", touched: bool = True) -> TestRun:
    seen = Traffic(
        received={Sign(label=name): received.count(name) for name in received},
        touched=touched,
        fired=(fired,) if fired else (),
    )
    return TestRun(test="t", outcome=outcome, traffic=seen)


CONTROL = TestRun(test="t", outcome=Outcome.PASSED, traffic=STEADY)
UNTOUCHED = TestRun(test="t", outcome=Outcome.PASSED)


@pytest.mark.parametrize(
    ("control", "broken", "verdict"),
    [
        (CONTROL, run(Outcome.FAILED, "welcome", fired="close"), Verdict.NOTICED),
        (CONTROL, run(Outcome.FAILED, fired="refuse", touched=False), Verdict.NOTICED),
        (CONTROL, run(Outcome.PASSED, "welcome", "done", fired="latency"), Verdict.SURVIVED),
        (CONTROL, run(Outcome.PASSED, "welcome", "welcome", "done", fired="reset"), Verdict.SURVIVED),
        (CONTROL, run(Outcome.PASSED, "welcome", fired="close"), Verdict.BLIND),
        (CONTROL, run(Outcome.PASSED, fired="refuse"), Verdict.BLIND),
        (CONTROL, run(Outcome.PASSED, "welcome", "done"), Verdict.NOT_EXERCISED),
        (CONTROL, run(Outcome.FAILED, "welcome"), Verdict.NOT_EXERCISED),
        (CONTROL, run(Outcome.HUNG, "welcome", fired="stall"), Verdict.HUNG),
        (CONTROL, run(Outcome.CRASHED, fired="close"), Verdict.CRASHED),
        (CONTROL, run(Outcome.SKIPPED), Verdict.SKIPPED),
        (CONTROL, run(Outcome.ABSENT), Verdict.SKIPPED),
        (UNTOUCHED, run(Outcome.PASSED, touched=False), Verdict.BLIND),
        (UNTOUCHED, run(Outcome.FAILED, touched=False), Verdict.NOT_EXERCISED),
    ],
)
def test_a_verdict_follows_from_the_facts(control: TestRun, broken: TestRun, verdict: Verdict) -> None:
    judgement = judge(control, broken)
    assert judgement.verdict is verdict
    assert judgement.reason


def test_the_score_is_the_share_of_lethal_faults_that_were_noticed() -> None:
    judged = [Judgement(verdict=verdict, reason="") for verdict in Verdict]
    assert score(judged) == 1 / 5
    assert score([Judgement(verdict=Verdict.SURVIVED, reason="")]) is None
