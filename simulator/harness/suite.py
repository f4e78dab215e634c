"""Running somebody's command against a replay, and learning test by test how it went.

A pytest command is understood test by test: a reporting plugin is loaded into it with `-p`, the suite unmodified.
Any other command is one test, which passes with exit code 0. Which traffic belongs to which test is known by time:
what was on the wire between a test's start and its end is its own, so the tests of a suite must run one after the
other (under pytest-xdist, tests share each other's traffic). What happens before the first test, at import, is
nobody's.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simulator.core.journal import Entry
from simulator.core.rule import Rule
from simulator.core.script import Script
from simulator.core.session import Settings
from simulator.core.units import SECOND, Time
from simulator.harness import reporter
from simulator.harness.verdict import Outcome, TestRun, traffic
from simulator.live.server import ReplayServer, environment

PLUGIN = "stagesim_reporter"
GRACE = 5.0
"""Seconds that a killed command gets to go away, and a suite gets beyond its tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRun:
    """One run of the command: every test in it, the whole journal, and what the command printed."""

    tests: Mapping[str, TestRun]
    journal: tuple[Entry, ...]
    output: str
    code: int | None


@dataclass(slots=True)
class _Told:
    """What the reporter told so far."""

    tests: dict[str, TestRun] = field(default_factory=dict)
    running: str | None = None
    finished: bool = False


def is_pytest(command: Sequence[str]) -> bool:
    """Whether a command runs pytest, by name or as `python -m pytest`."""
    return _pytest_word(command) is not None


def _pytest_word(command: Sequence[str]) -> int | None:
    return next((index for index, word in enumerate(command) if Path(word).name in ("pytest", "py.test")), None)


async def run_suite(
    script: Script,
    rules: Sequence[Rule],
    settings: Settings,
    command: Sequence[str],
    *,
    deadline: float,
    variables: Mapping[str, str] | None = None,
) -> SuiteRun:
    """Serve a script under some rules and run a command against it. `deadline` is in seconds for each test.

    A test that hangs or takes the process with it ends the run; the suite then goes on with the tests after it.
    """
    server = ReplayServer(script=script, rules=rules, settings=settings)
    await server.start()
    try:
        found = {**environment(server.urls), **(variables or {})}
        with tempfile.TemporaryDirectory() as folder:
            if is_pytest(command):
                tests, output, code = await _pytest(command, found, Path(folder), deadline, server)
            else:
                tests, output, code = await _plain(command, found, deadline, server)
        return SuiteRun(tests=tests, journal=tuple(server.session.journal), output=output, code=code)
    finally:
        await server.stop()


async def _plain(
    command: Sequence[str], variables: Mapping[str, str], deadline: float, server: ReplayServer
) -> tuple[dict[str, TestRun], str, int | None]:
    name, begin = " ".join(command), server.now()
    code, output = await _execute(command, {**os.environ, **variables}, deadline)
    end = server.now()
    outcome = Outcome.HUNG if code is None else Outcome.PASSED if code == 0 else Outcome.FAILED
    if code is not None and code < 0:
        outcome = Outcome.CRASHED
    return {name: _test_run(server, name, outcome, output[-4000:], begin, end)}, output, code


async def _pytest(
    command: Sequence[str], variables: Mapping[str, str], folder: Path, deadline: float, server: ReplayServer
) -> tuple[dict[str, TestRun], str, int | None]:
    shutil.copy(reporter.__file__, folder / f"{PLUGIN}.py")
    word = _pytest_word(command) or 0
    words = [*command[: word + 1], "-p", PLUGIN, *command[word + 1 :]]
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    known, outputs, code = _Told(), [], None
    while True:
        report, done = folder / "report.jsonl", folder / "done.txt"
        report.write_text("")
        done.write_text("\n".join(known.tests))
        given = {"STAGESIM_REPORT": str(report), "STAGESIM_DEADLINE": str(deadline), "STAGESIM_DONE": str(done)}
        whole = deadline * (len(known.tests) + 100) + GRACE
        code, output = await _execute(words, {**os.environ, **variables, **given, "PYTHONPATH": path}, whole)
        outputs.append(output)
        before = len(known.tests)
        _read(report, known, server)
        if known.finished or len(known.tests) == before:
            return known.tests, "\n".join(outputs), code


def _read(report: Path, known: _Told, server: ReplayServer) -> None:
    """Take in what one process told; a test that was running when it ended has hung or crashed."""
    started: dict[str, Time] = {}
    outcomes: dict[str, tuple[Outcome, str]] = {}
    known.finished = False
    for line in report.read_text().splitlines():
        fact = json.loads(line)
        test, at = fact.get("test", ""), _timeline(server, fact["at"])
        match fact["fact"]:
            case "started":
                started[test] = at
            case "outcome":
                if test not in outcomes or fact["outcome"] != "passed":
                    outcomes[test] = (Outcome(fact["outcome"]), fact["text"])
            case "ended":
                outcome, text = outcomes.get(test, (Outcome.PASSED, ""))
                known.tests[test] = _test_run(server, test, outcome, text, started.pop(test), at)
            case "finished":
                known.finished = True
    stacks = _taken(Path(f"{report}.stacks"))
    for test, begin in started.items():
        outcome = Outcome.HUNG if "Timeout (" in stacks else Outcome.CRASHED
        known.tests[test] = _test_run(server, test, outcome, stacks[-4000:], begin, server.now())


def _taken(stacks: Path) -> str:
    """What the reporter wrote when a test took too long; the file is gone after that."""
    text = stacks.read_text() if stacks.exists() else ""
    stacks.unlink(missing_ok=True)
    return text


def _test_run(server: ReplayServer, test: str, outcome: Outcome, text: str, begin: Time, end: Time) -> TestRun:
    return TestRun(
        test=test,
        outcome=outcome,
        seconds=(end - begin) / SECOND,
        text=text,
        begin=begin,
        end=end,
        traffic=traffic(server.session.journal, begin, end),
    )


def _timeline(server: ReplayServer, wall: float) -> Time:
    return round(wall * SECOND) - server.clock.wall


async def _execute(command: Sequence[str], variables: Mapping[str, str], limit: float) -> tuple[int | None, str]:
    """Run a command in a process group of its own; its exit code, None if it was killed after `limit` seconds.

    Its output goes to a file: a pipe would stay open for as long as anything that it has left behind.
    """
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        code: int | None = None
        try:
            code = await asyncio.wait_for(process.wait(), limit)
        except TimeoutError:
            code = None
        finally:
            _kill(process)
            await process.wait()
        output.seek(0)
        return code, output.read().decode(errors="replace")


def _kill(process: asyncio.subprocess.Process) -> None:
    """End the command and everything that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
