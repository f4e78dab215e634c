"""The verdicts that the users' suite must get, from verdicts.toml; and a check of all of them, many times over.

`python -m tests.harness.verdicts 20` says which verdicts were otherwise in how many of 20 drills: none may be.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import simulator.demo
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.files.faultfiles import load_fault
from simulator.files.locate import find_recording
from simulator.files.reader import load
from simulator.harness.drill import Drill, Plan, drill
from simulator.harness.verdict import Verdict

SUITE = Path(simulator.demo.__file__).parent / "agents_suite.py"
OPTIONS = ["-q", "-c", os.devnull, "-p", "no:cacheprovider", "--rootdir", str(SUITE.parent)]
COMMAND = [sys.executable, "-m", "pytest", *OPTIONS, str(SUITE)]
LETTERS = {
    "N": Verdict.NOTICED,
    "S": Verdict.SURVIVED,
    "B": Verdict.BLIND,
    "H": Verdict.HUNG,
    "K": Verdict.SKIPPED,
    "X": Verdict.NOT_EXERCISED,
}


def table() -> dict[str, dict[str, set[Verdict]]]:
    """By fault and test, what the verdict must be: one, unless the fault goes by a clock and not by traffic."""
    content = tomllib.loads(Path(__file__).with_name("verdicts.toml").read_text())
    return {
        fault: dict(zip(content["tests"], map(_verdicts, like["verdicts"].split()), strict=True))
        for like in content["like"]
        for fault in like["faults"]
    }


def _verdicts(letters: str) -> set[Verdict]:
    return {LETTERS[letter] for letter in letters}


def drilled(faults: Sequence[str], *, jobs: int, command: Sequence[str] = COMMAND) -> Drill:
    """A drill as verdicts.toml means it."""
    plan = Plan(
        script=compile_script(load(find_recording("golden-path")).recording),
        faults=[load_fault(name) for name in faults],
        command=command,
        recording="golden-path",
        settings=Settings(seed=1, speed=20),
        jobs=jobs,
        deadline=8,
        variables={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    return asyncio.run(drill(plan))


def surprises(done: Drill) -> list[str]:
    """What was otherwise, in a line each."""
    expected = table()
    return [
        f"{test.rpartition('::')[2]} under {fault}: {judgement.verdict}, {judgement.reason}"
        for test, row in done.judgements.items()
        for fault, judgement in row.items()
        if judgement.verdict not in expected[fault][test.rpartition("::")[2]]
    ]


def main(times: int, jobs: int) -> int:
    """Drill so often; the exit code is 1 if any verdict was ever otherwise."""
    faults, wrong, judged = list(table()), Counter[str](), 0
    for number in range(1, times + 1):
        done = drilled(faults, jobs=jobs)
        found = surprises(done)
        judged += sum(map(len, done.judgements.values()))
        wrong.update(found)
        print(f"{number} of {times}: {judged} verdicts, {wrong.total()} otherwise", *found, sep="\n  ", flush=True)  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), jobs=int(sys.argv[2]) if len(sys.argv) > 2 else 2))
