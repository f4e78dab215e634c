"""Suites as they come: run in parallel, stuck at import, ended by what they test."""

from __future__ import annotations

import asyncio
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.files.faultfiles import load_fault
from simulator.files.locate import find_recording
from simulator.files.reader import load
from simulator.harness import suite
from simulator.harness.drill import judgements
from simulator.harness.suite import SuiteRun, run_suite
from simulator.harness.verdict import Outcome

SUITE = """
import os, time, urllib.error, urllib.request, pytest

def healthy():
    try:
        return urllib.request.urlopen(os.environ["STAGESIM_URL"] + "/health").status == 200
    except urllib.error.HTTPError:
        return False

while not healthy():
    time.sleep(1)

@pytest.mark.parametrize("number", range(3))
def test_health(number):
    assert healthy()
    if number == 1 and os.environ.get("DIES"):
        print("last words", flush=True)
        os._exit(3)
    if number == 1 and os.environ.get("FORKS"):
        child = os.fork()
        assert child, "the child returns into pytest"
        os.waitpid(child, 0)
    if number == 2 and os.environ.get("SCRIBBLES"):
        with open(os.environ["STAGESIM_REPORT"], "r+") as report:
            told = report.read()
            ended = next(line for line in told.splitlines() if '"ended"' in line)
            report.write(f"[1]\\n5\\n{{}}\\n{ended}\\n")
"""


def run(path: Path, fault: str | None = None, deadline: float = 20, **variables: str) -> SuiteRun:
    file = path / "test_health.py"
    file.write_text(SUITE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "-n",
        "2",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(path),
    ]
    script = compile_script(load(find_recording("golden-path")).recording)
    rules = load_fault(fault).rules if fault else ()
    settings = Settings(speed=20)
    words = [*command, str(file)]
    return asyncio.run(run_suite(script, rules, settings, words, deadline=deadline, variables=variables))


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> SuiteRun:
    return run(tmp_path_factory.mktemp("control"))


def test_a_suite_that_would_run_in_parallel_runs_one_test_after_the_other(control: SuiteRun) -> None:
    times = [(test.begin, test.end) for test in control.tests.values()]
    assert len(times) == 3
    assert all(end <= begin for (_, end), (begin, _) in pairwise(times))
    assert all(len(test.traffic.received) == 1 for test in control.tests.values()), "each one its own answer"
    assert 0 < control.slowest < 20


def test_a_suite_that_hangs_at_import_is_killed_and_all_its_tests_hung(
    control: SuiteRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "GRACE", 0.0)
    stuck = run(tmp_path, "status", deadline=3)
    assert stuck.code is None
    verdicts = [str(row["status"].verdict) for row in judgements(control, {"status": stuck}).values()]
    assert verdicts == ["hung"] * 3


def test_a_test_that_takes_its_process_along_has_crashed_and_the_others_run(tmp_path: Path) -> None:
    tests = run(tmp_path, DIES="yes").tests
    assert [test.outcome for test in tests.values()] == [Outcome.PASSED, Outcome.CRASHED, Outcome.PASSED]
    assert "last words" in next(test.text for test in tests.values() if test.outcome is Outcome.CRASHED)


def test_the_child_of_a_test_that_forks_tells_nothing(tmp_path: Path) -> None:
    ran = run(tmp_path, FORKS="yes")
    assert [test.outcome for test in ran.tests.values()] == [Outcome.PASSED] * 3
    assert ran.code == 0


def test_what_others_write_into_the_report_is_left_out(tmp_path: Path) -> None:
    ran = run(tmp_path, SCRIBBLES="yes")
    assert [test.outcome for test in ran.tests.values()] == [Outcome.PASSED] * 3
    assert all(test.seconds > 0 for test in ran.tests.values()), "the first end counts"
