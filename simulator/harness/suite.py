"""Running somebody's command against a replay, and learning test by test how it went.

A pytest command is understood test by test: a reporting plugin is loaded into it with `-p`, the suite unmodified.
Any other command is one test, which passes with exit code 0. Tests run one after the other, for pytest-xdist is
told to stay out of it: so their times say whose traffic is whose, see `simulator.harness.traffic`. What happens
before the first test, at import, is nobody's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.core.journal import Entry
from simulator.core.rule import Rule
from simulator.core.script import Script
from simulator.core.settings import Settings
from simulator.core.units import SECOND, Time
from simulator.harness import reporter
from simulator.harness.traffic import traffics
from simulator.harness.verdict import Outcome, TestRun
from simulator.live.hosts import origins_of
from simulator.live.server import ReplayServer, environment

if TYPE_CHECKING:
    from simulator.live.offline import Offline

PLUGIN = "stagesim_reporter"
GRACE = 5.0
"""Seconds beyond the deadline in which a suite may end a test by itself, its stacks written."""
KEPT = 4000
"""Characters of a test's output that are kept, the last ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRun:
    """One run of the command: every test in it, the whole journal, and what the command printed.

    `code` is None if it had to be killed; `slowest` is the longest time in seconds that nothing was heard of it.
    """

    tests: Mapping[str, TestRun]
    journal: tuple[Entry, ...]
    output: str
    code: int | None
    slowest: float = 0.0


@dataclass(slots=True)
class _Told:
    """What the reporter told so far."""

    tests: dict[str, TestRun] = field(default_factory=dict)
    finished: bool = False
    slowest: float = 0.0


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
    offline: Offline | None = None,
) -> SuiteRun:
    """Serve a script under some rules and run a command against it. `deadline` is in seconds for each test.

    With `offline`, hard-coded hosts lead to it as well. A test that hangs or takes the process with it ends the
    run; the suite then goes on with the tests after it.
    """
    origins = None if offline is None else origins_of(offline.hosts, script.services)
    server = ReplayServer(script=script, rules=rules, settings=settings, origins=origins)
    await server.start()
    try:
        async with _proxied(server, offline) as proxied:
            found = {**os.environ, **environment(server.urls), **proxied, **(variables or {})}
            if not is_pytest(command):
                return await _plain(command, found, deadline, server)
            with tempfile.TemporaryDirectory() as folder:
                return await _pytest(command, found, Path(folder), deadline, server)
    finally:
        await server.stop()


@asynccontextmanager
async def _proxied(server: ReplayServer, asked: Offline | None) -> AsyncIterator[Mapping[str, str]]:
    if asked is None:
        yield {}
        return
    from simulator.live.offline import offline  # with a cryptography library, so only if asked for

    async with offline(server, asked) as variables:
        yield variables


async def _plain(
    command: Sequence[str], variables: Mapping[str, str], deadline: float, server: ReplayServer
) -> SuiteRun:
    name, begin = " ".join(command), server.now()
    code, output = await _execute(command, variables, deadline)
    outcome = Outcome.HUNG if code is None else Outcome.PASSED if code == 0 else Outcome.FAILED
    if code is not None and code < 0:
        outcome = Outcome.CRASHED
    test = _test_run(name, outcome, output[-KEPT:], begin, server.now())
    return _suite_run(server, {name: test}, output, code, test.seconds)


def _suite_run(
    server: ReplayServer, tests: Mapping[str, TestRun], output: str, code: int | None, slowest: float
) -> SuiteRun:
    """The run with its journal, and every test with what of that was its own."""
    journal = tuple(server.session.journal)
    found = traffics(journal, [(test.begin, test.end) for test in tests.values()])
    told = {name: replace(test, traffic=its) for (name, test), its in zip(tests.items(), found, strict=True)}
    return SuiteRun(tests=told, journal=journal, output=output, code=code, slowest=slowest)


async def _pytest(
    command: Sequence[str], variables: Mapping[str, str], folder: Path, deadline: float, server: ReplayServer
) -> SuiteRun:
    shutil.copy(reporter.__file__, folder / f"{PLUGIN}.py")
    word = _pytest_word(command) or 0
    words = [*command[: word + 1], "-p", PLUGIN, *command[word + 1 :]]
    path = os.pathsep.join(filter(None, [str(folder), variables.get("PYTHONPATH")]))
    known, outputs = _Told(), []
    while True:
        report, done = folder / "report.jsonl", folder / "done.txt"
        report.write_text("")
        done.write_text("\n".join(known.tests))
        given = {"STAGESIM_REPORT": str(report), "STAGESIM_DEADLINE": str(deadline), "STAGESIM_DONE": str(done)}
        code, output = await _execute(words, {**variables, **given, "PYTHONPATH": path}, deadline + GRACE, report)
        outputs.append(output)
        before = len(known.tests)
        _read(report, known, server, output, killed=code is None)
        if known.finished or len(known.tests) == before:
            return _suite_run(server, known.tests, "\n".join(outputs), code, known.slowest)


def _read(report: Path, known: _Told, server: ReplayServer, output: str, *, killed: bool) -> None:
    """Take in what one process told; a test that was running when it ended has hung or crashed."""
    started: dict[str, Time] = {}
    outcomes: dict[str, tuple[Outcome, str]] = {}
    known.finished = False
    last: Time | None = None
    for fact in _facts(report):
        test, at = fact.get("test", ""), _timeline(server, fact["at"])
        known.slowest = max(known.slowest, (at - last) / SECOND if last is not None else 0.0)
        last = at
        match fact["fact"]:
            case "started":
                started[test] = at
            case "outcome":
                if test not in outcomes or fact["outcome"] != "passed":
                    outcomes[test] = (Outcome(fact["outcome"]), fact["text"])
            case "ended" if test in started:
                outcome, text = outcomes.get(test, (Outcome.PASSED, ""))
                known.tests[test] = _test_run(test, outcome, text, started.pop(test), at)
            case "finished":
                known.finished = True
    stacks = _taken(Path(f"{report}.stacks"))
    for test, begin in started.items():
        outcome = Outcome.HUNG if killed or "Timeout (" in stacks else Outcome.CRASHED
        known.tests[test] = _test_run(test, outcome, stacks[:KEPT] or output[-KEPT:], begin, server.now())


def _facts(report: Path) -> Iterator[dict[str, Any]]:
    """What a process told, but for a last line that it did not live to finish, and what others wrote there."""
    for line in report.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            fact = json.loads(line)
            if isinstance(fact, dict) and {"fact", "at"} <= fact.keys():
                yield fact


def _taken(stacks: Path) -> str:
    """What the reporter wrote when a test took too long; the file is gone after that."""
    text = stacks.read_text() if stacks.exists() else ""
    stacks.unlink(missing_ok=True)
    return text


def _test_run(test: str, outcome: Outcome, text: str, begin: Time, end: Time) -> TestRun:
    return TestRun(
        test=test,
        outcome=outcome,
        seconds=(end - begin) / SECOND,
        text=text,
        begin=begin,
        end=end,
    )


def _timeline(server: ReplayServer, wall: float) -> Time:
    return round(wall * SECOND) - server.clock.wall


async def _execute(
    command: Sequence[str], variables: Mapping[str, str], limit: float, life: Path | None = None
) -> tuple[int | None, str]:
    """Run a command in a process group of its own; its exit code and output, the code None if it was killed.

    That happens after `limit` seconds, or if for so long nothing was written to the file `life`. The output goes
    to a file: a pipe would stay open for as long as anything that the command has left behind.
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
        ending, silence = asyncio.ensure_future(process.wait()), asyncio.ensure_future(_silence(limit, life))
        try:
            await asyncio.wait((ending, silence), return_when=asyncio.FIRST_COMPLETED)
            code = process.returncode
        finally:
            silence.cancel()
            _kill(process)
            await ending
        output.seek(0)
        return code, output.read().decode(errors="replace")


async def _silence(limit: float, life: Path | None) -> None:
    """Return once a file has not been written to for `limit` seconds; without one, after that time."""
    rest = limit
    while rest > 0:
        await asyncio.sleep(rest)
        rest = 0 if life is None else os.stat(life).st_mtime + limit - time.time()  # noqa: PTH116, it is quick


def _kill(process: asyncio.subprocess.Process) -> None:
    """End the command and everything that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
