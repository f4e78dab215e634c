"""Verdicts from facts: how a test ended, what was on the wire, what fired."""

from __future__ import annotations

import pytest

from simulator.core.events import Request, Response
from simulator.core.journal import Note
from simulator.harness.verdict import Judgement, Outcome, TestRun, Traffic, Verdict, judge, score, sign, traffic
from tests.conversations import DOWN, agent_run, text

STEADY = Traffic(received={"welcome": 1, "done": 1}, touched=True)


def run(outcome: Outcome, *received: str, fired: str = "", touched: bool = True) -> TestRun:
    seen = Traffic(
        received={name: received.count(name) for name in received},
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


def test_traffic_is_what_happened_between_two_times() -> None:
    fired = Note(at=1_200_000, flow="2", what="fired", detail={"rule": "close"})
    entries = sorted([*agent_run().events, fired], key=lambda entry: entry.at)
    whole, before, after = traffic(entries, 0, 10**9), traffic(entries, 0, 500_000), traffic(entries, 10**8, 10**9)
    assert whole.fired == ("close",)
    assert sum(whole.received.values()) == 6, "two answers, four messages; the JSON ping does not count"
    assert [name.split()[0] for name in before.received] == ["200"]
    assert not before.fired
    assert not after.touched


def test_a_sign_is_about_shape_and_not_about_values() -> None:
    one = text("1", 1, DOWN, type="done", data={"id": "a", "n": 1})
    same = text("1", 1, DOWN, type="done", data={"id": "b", "n": 2.5})
    null = text("1", 1, DOWN, type="done", data={"id": None, "n": 1})
    less = text("1", 1, DOWN, type="done", data={"n": 1})
    assert sign(one, None) == sign(same, None)
    assert len({sign(event, None) for event in (one, null, less)}) == 3
    request = Request(flow="1", at=0, service="a", method="GET", target="/x")
    assert sign(Response(flow="1", at=1, status=503), request) != sign(
        Response(flow="1", at=1, status=200), request
    )


def test_the_score_is_the_share_of_lethal_faults_that_were_noticed() -> None:
    judged = [Judgement(verdict=verdict, reason="") for verdict in Verdict]
    assert score(judged) == 1 / 5
    assert score([Judgement(verdict=Verdict.SURVIVED, reason="")]) is None
