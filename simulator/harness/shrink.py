"""Shrinking: of many rules at once, the fewest that still bring a test to its verdict, as an incident."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from simulator.core.errors import StagesimError
from simulator.core.rule import Rule
from simulator.files.faultfiles import LoadedFault
from simulator.files.redaction import Redactor
from simulator.files.redaction.notes import redacted_text
from simulator.files.written import written
from simulator.harness.ddmin import ddmin
from simulator.harness.drill import Plan, control_run, judgements, run_under
from simulator.harness.suite import SuiteRun
from simulator.harness.verdict import BAD, Judgement, Verdict, judge

TRIES = 50
"""Combinations that are drawn before nobody looks any further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for: a verdict, on a test whose name or its last part fits a pattern.

    `together` faults are laid at once, drawn by the plan's seed; None lays all of the plan's.
    """

    verdicts: frozenset[Verdict] = BAD
    test: str = "*"
    together: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """What came of it: no single one of these rules can be spared for this verdict on this test."""

    rules: tuple[Rule, ...]
    test: str
    judgement: Judgement
    began_with: int
    runs: int


Say = Callable[[str], None]
"""Told in a line what is being tried."""


async def shrink(plan: Plan, wanted: Wanted, say: Say = lambda line: None) -> Shrunk | None:
    """Find a combination of the plan's faults that gives the verdict, then the fewest of its rules that do.

    None if no combination gave it. Raises StagesimError where the control run does not pass, or where no test can
    come to this verdict by a fault.
    """
    say("control run")
    control, deadline = await control_run(plan)
    trials = _Trials(plan, control, deadline, _eligible(control, wanted), say)
    found = await trials.search(wanted)
    if found is None:
        return None
    rules, test, judgement = found
    minimal, judgement = await trials.minimal(rules, test, judgement)
    return Shrunk(rules=minimal, test=test, judgement=judgement, began_with=len(rules), runs=trials.runs)


def _eligible(control: SuiteRun, wanted: Wanted) -> dict[str, frozenset[Verdict]]:
    """By test, the wanted verdicts that it does not have without any fault already."""
    fitting = {
        name: wanted.verdicts - {judge(test, test).verdict}
        for name, test in control.tests.items()
        if name in judgements(control, {})
        and (fnmatchcase(name, wanted.test) or name.endswith(f"::{wanted.test}"))
    }
    found = {name: verdicts for name, verdicts in fitting.items() if verdicts}
    if not found:
        place = f"--test {wanted.test}"
        if fitting:
            raise StagesimError("is that without any fault", place=place, hint="there is nothing to shrink")
        known = ", ".join(name.rpartition("::")[2] for name in control.tests)
        raise StagesimError("no test of this name passes the control run", place=place, hint=f"there are {known}")
    return found


@dataclass(slots=True)
class _Trials:
    """Runs of the plan's command under sets of rules, and what they say about the tests that are eligible."""

    plan: Plan
    control: SuiteRun
    deadline: float
    eligible: dict[str, frozenset[Verdict]]
    say: Say
    runs: int = 0

    async def search(self, wanted: Wanted) -> tuple[tuple[Rule, ...], str, Judgement] | None:
        """The first combination, in the order of the draws, that gives the verdict, with the test's judgement."""
        draws = list(_draws(self.plan, wanted.together))
        for start in range(0, len(draws), self.plan.jobs):
            batch = draws[start : start + self.plan.jobs]
            self.say(f"combinations {start + 1} to {start + len(batch)} of {len(draws)}")
            for rules, judged in zip(batch, await asyncio.gather(*map(self.judged, batch)), strict=True):
                for test, verdicts in self.eligible.items():
                    if judged[test].verdict in verdicts:
                        return rules, test, judged[test]
        return None

    async def minimal(
        self, rules: tuple[Rule, ...], test: str, judgement: Judgement
    ) -> tuple[tuple[Rule, ...], Judgement]:
        """The fewest of these rules that bring the test to the same verdict, and how they do."""
        tried = {tuple(range(len(rules))): judgement}
        search = ddmin(range(len(rules)))
        try:
            candidate = next(search)
            while True:
                if candidate not in tried:
                    self.say(f"{test}: {judgement.verdict} under {len(candidate)} of {len(rules)} rules?")
                    tried[candidate] = (await self.judged([rules[index] for index in candidate]))[test]
                candidate = search.send(tried[candidate].verdict is judgement.verdict)
        except StopIteration as done:
            return tuple(rules[index] for index in done.value), tried[done.value]

    async def judged(self, rules: Sequence[Rule]) -> dict[str, Judgement]:
        self.runs += 1
        run = await run_under(self.plan, rules, self.deadline)
        return {test: row[""] for test, row in judgements(self.control, {"": run}).items()}


def _draws(plan: Plan, together: int | None) -> Iterator[tuple[Rule, ...]]:
    """Combinations of the plan's faults, as rules, each once; the same for the same seed."""
    faults: Sequence[LoadedFault] = plan.faults
    if together is None or together >= len(faults):
        yield tuple(rule for fault in faults for rule in fault.rules)
        return
    drawn: set[tuple[int, ...]] = set()
    for number in range(TRIES):
        luck = random.Random(f"{plan.settings.seed} {number}")
        chosen = tuple(sorted(luck.sample(range(len(faults)), together)))
        if chosen not in drawn:
            drawn.add(chosen)
            yield tuple(rule for index in chosen for rule in faults[index].rules)


def incident(plan: Plan, shrunk: Shrunk) -> dict[str, Any]:
    """The content of a fault file: what to lay, and what was seen with which command. Secrets are replaced."""
    redact = Redactor().event
    names = " and ".join(rule.name for rule in shrunk.rules)
    seen = f"{shrunk.test}: {shrunk.judgement.verdict}, {shrunk.judgement.reason}"
    counted = f"{len(shrunk.rules)} of {shrunk.began_with} rules left after {shrunk.runs} runs"
    return {
        "title": f"{shrunk.test.rpartition('::')[2]} is {shrunk.judgement.verdict} under {names}",
        "reported": redacted_text(seen, redact),
        "source": f"stagesim drill --shrink, {counted}",
        "recording": plan.recording,
        "seed": plan.settings.seed,
        "command": [redacted_text(word, redact) for word in plan.command],
        "rules": [written(rule) for rule in shrunk.rules],
    }
