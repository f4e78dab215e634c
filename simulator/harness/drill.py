"""The drill: a control run, then every fault, then the verdict on each test under each fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.core.errors import StagesimError
from simulator.core.rule import Rule
from simulator.core.script import Script
from simulator.core.settings import Settings
from simulator.core.units import NEVER
from simulator.files.faultfiles import LoadedFault
from simulator.harness.suite import KEPT, SuiteRun, run_suite
from simulator.harness.traffic import Traffic, traffic
from simulator.harness.verdict import BAD, Judgement, Outcome, TestRun, Verdict, judge, score

if TYPE_CHECKING:
    from simulator.live.offline import Offline

SHORTEST_DEADLINE = 15.0
"""Seconds that any test gets: more than the 10 s after which common clients give up by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to drill. `deadline` is in seconds for each test; None takes it from the control run.

    `recording` is the name or path by which somebody gets this script again, `also` what options besides seed and
    speed `stagesim run` needs for it.
    """

    script: Script
    faults: Sequence[LoadedFault]
    command: Sequence[str]
    settings: Settings = field(default_factory=Settings)
    recording: str = "RECORDING"
    also: Sequence[str] = ()
    jobs: int = 1
    deadline: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    offline: Offline | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What came of it: the control run, one run per fault, and judgements by test and fault."""

    plan: Plan
    control: SuiteRun
    runs: Mapping[str, SuiteRun]
    judgements: Mapping[str, Mapping[str, Judgement]]

    @property
    def bad(self) -> list[tuple[str, str]]:
        """Tests and faults with a verdict that a suite must not have."""
        return [
            (test, fault)
            for test, row in self.judgements.items()
            for fault, judgement in row.items()
            if judgement.verdict in BAD
        ]

    @property
    def unexercised(self) -> list[str]:
        """Faults that fired on no test's traffic."""
        return [
            fault
            for fault in self.runs
            if all(row[fault].verdict is Verdict.NOT_EXERCISED for row in self.judgements.values())
        ]

    @property
    def score(self) -> float | None:
        """The share of lethal faults that were noticed, over all tests."""
        return score(judgement for row in self.judgements.values() for judgement in row.values())


Progress = Callable[[str, SuiteRun | None], None]
"""Told the name of a run, first without and then with what came of it; '' is the control run."""


async def drill(plan: Plan, progress: Progress = lambda name, run: None) -> Drill:
    """Run it all. Raises StagesimError if the control run does not pass: then there is no steady state."""
    control, deadline = await control_run(plan, progress)
    gate = asyncio.Semaphore(plan.jobs)

    async def one(fault: LoadedFault) -> SuiteRun:
        async with gate:
            progress(fault.name, None)
            run = await run_under(plan, fault.rules, deadline)
            progress(fault.name, run)
            return run

    done = await asyncio.gather(*(one(fault) for fault in plan.faults))
    runs = {fault.name: run for fault, run in zip(plan.faults, done, strict=True)}
    return Drill(plan=plan, control=control, runs=runs, judgements=judgements(control, runs))


async def control_run(plan: Plan, progress: Progress = lambda name, run: None) -> tuple[SuiteRun, float]:
    """The run without faults, and the seconds that each test gets from then on. Raises StagesimError."""
    progress("", None)
    control = await run_under(plan, (), plan.deadline or 120.0)
    progress("", control)
    _check_control(control)
    return control, plan.deadline or max(SHORTEST_DEADLINE, 3 * control.slowest + 5)


async def run_under(plan: Plan, rules: Sequence[Rule], deadline: float) -> SuiteRun:
    """One run of the plan's command under some rules."""
    return await run_suite(
        plan.script,
        rules,
        plan.settings,
        plan.command,
        deadline=deadline,
        variables=plan.variables,
        offline=plan.offline,
    )


def judgements(control: SuiteRun, runs: Mapping[str, SuiteRun]) -> dict[str, dict[str, Judgement]]:
    """Every test of the control run that passed it, under every fault."""
    passed = {name: test for name, test in control.tests.items() if test.outcome is Outcome.PASSED}
    had = {fault: {**_absent(passed.keys() - run.tests.keys(), run), **run.tests} for fault, run in runs.items()}
    return {
        name: {fault: judge(test, tests[name]) for fault, tests in had.items()} for name, test in passed.items()
    }


def _absent(names: Collection[str], run: SuiteRun) -> dict[str, TestRun]:
    """Tests that this run did not have. If the suite failed for it, at import, then the whole suite noticed.

    If it had to be killed before it came to these tests, then they hung.
    """
    outcome, seen = Outcome.FAILED, Traffic()
    if run.code is None:
        outcome = Outcome.HUNG
    elif run.code in (0, 5):  # pytest's 'no tests were collected' is no failure to most who look
        outcome = Outcome.ABSENT
    elif names:
        seen = traffic(run.journal, 0, NEVER)
    return {name: TestRun(test=name, outcome=outcome, text=run.output[-KEPT:], traffic=seen) for name in names}


def _check_control(control: SuiteRun) -> None:
    failed = [
        name for name, test in control.tests.items() if test.outcome not in (Outcome.PASSED, Outcome.SKIPPED)
    ]
    if failed or not control.tests:
        problem = f"{failed[0]} does not pass" if failed else "no test ran"
        last = control.output.strip().splitlines()[-1:] or [""]
        raise StagesimError(
            f"{problem} without any fault, so there is no steady state to compare with",
            place="control run",
            hint=f"its last line was: {last[0][:200]}",
        )
