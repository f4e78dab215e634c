"""stagesim drill: what does each test do when staging breaks?"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from simulator.cli import options
from simulator.cli.child import check_command
from simulator.cli.replay import warn
from simulator.cli.tables import table
from simulator.core.errors import FaultError, StagesimError
from simulator.files.faultfiles import LoadedFault, load_fault
from simulator.files.locate import fault_names
from simulator.harness.drill import Drill, Plan, drill
from simulator.harness.expectations import Expectations, load_expectations, surprises
from simulator.harness.page import as_html
from simulator.harness.reports import as_json, as_junit, short_names
from simulator.harness.suite import SuiteRun
from simulator.harness.verdict import BAD, Verdict, score

COLOURS = {
    Verdict.NOTICED: "green",
    Verdict.SURVIVED: "green",
    Verdict.BLIND: "bold red",
    Verdict.HUNG: "red",
    Verdict.CRASHED: "red",
    Verdict.SKIPPED: "yellow",
    Verdict.NOT_EXERCISED: "dim",
}


@click.command("drill", context_settings={"ignore_unknown_options": True})
@click.argument("recording", required=False)
@click.option("--file", "drill_file", type=click.Path(path_type=Path), help="Take it all from a drill.toml.")
@click.option("--faults", "patterns", multiple=True, metavar="all|GLOB|FILE", help="Default: all but incidents.")
@click.option("--seed", type=int, default=None, help="Repeat a drill's luck and ids. Default: random, printed.")
@click.option("--speed", default="1", metavar="N|max", help="Divide recorded delays; 'max' drops them.")
@click.option("-j", "--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Runs at a time.")
@click.option("--deadline", type=click.FloatRange(1), help="Seconds for each test. Default: from the control run.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write it all as JSON.")
@click.option(
    "--html", "html_file", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to look at."
)
@click.option("--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND …]")
def drill_command(
    recording: str | None,
    drill_file: Path | None,
    patterns: tuple[str, ...],
    seed: int | None,
    speed: str,
    jobs: int,
    deadline: float | None,
    json_file: Path | None,
    html_file: Path | None,
    junit_file: Path | None,
    command: tuple[str, ...],
) -> None:
    """Run a command without a fault, then under every fault, and say what each test did.

    \b
    noticed        failed in time, and the fault fired on its traffic
    survived       passed, and everything arrived in spite of the fault
    blind          passed although what it tests never arrived, or without touching staging at all
    hung, crashed  did not end, or died; skipped: the fault turned it into a skip
    not exercised  the fault did not fire on its traffic

    pytest suites are understood test by test, any other command as one test. Exit code 1 if a test was blind,
    hung, crashed or skipped; with --file, if a verdict is not what the file says.

    \b
    stagesim drill golden-path -- pytest tests/e2e
    stagesim drill golden-path --faults 'none-*' --faults stall --html drill.html -- pytest tests/e2e
    stagesim drill --file drill.toml
    """
    expected = load_expectations(drill_file) if drill_file is not None else None
    if expected is not None:
        recording, command, patterns = expected.recording, tuple(expected.command), tuple(expected.faults)
        seed, speed, deadline = expected.seed, f"{expected.speed}", expected.deadline
    if recording is None or not command:
        raise StagesimError(
            "expected a recording and a command, or --file", hint="stagesim drill RECORDING -- COMMAND"
        )
    check_command(command)
    for path in (json_file, html_file, junit_file):
        if path is not None and not path.absolute().parent.is_dir():
            raise StagesimError("there is no such folder", place=str(path.absolute().parent))
    plan = Plan(
        script=options.script_of((recording,), warn),
        faults=chosen(patterns or ("all",)),
        command=command,
        recording=recording,
        settings=options.settings_of(seed, speed, strict=False),
        jobs=jobs,
        deadline=deadline,
    )
    files = {json_file: as_json, html_file: as_html, junit_file: as_junit}
    sys.exit(_run(plan, expected, {path: report for path, report in files.items() if path is not None}))


def _run(plan: Plan, expected: Expectations | None, reports: Mapping[Path, Callable[[Drill], str]]) -> int:
    """Run the drill, show and write what came of it; gives back the exit code."""
    console = Console(stderr=True)
    console.print(f"seed {plan.settings.seed}", highlight=False)
    done = asyncio.run(_watched(plan, console))
    Console().print(grid(done))
    console.print(_summary(done), highlight=False)
    for path, report in reports.items():
        path.write_text(report(done), encoding="utf-8")
    if expected is None:
        return 1 if done.bad else 0
    found = list(surprises(expected, done))
    for surprise in found:
        click.echo(f"stagesim: {surprise}", err=True)
    return 1 if found else 0


def chosen(patterns: Sequence[str]) -> list[LoadedFault]:
    """The faults that patterns mean, each once: 'all', globs over names, names and files. Raises FaultError."""
    names: dict[str, None] = {}
    for pattern in patterns:
        if pattern == "all":
            found = [name for name in fault_names() if "/" not in name]
        else:
            found = [name for name in fault_names() if fnmatchcase(name, pattern)] or [pattern]
        if any(char in pattern for char in "*?[") and found == [pattern]:
            raise FaultError("no fault has a name like this", place=pattern, hint="`stagesim faults` lists them")
        names |= dict.fromkeys(found)
    return [load_fault(name) for name in names]


async def _watched(plan: Plan, console: Console) -> Drill:
    """Run the drill with a live list of its runs on stderr."""
    states: dict[str, str] = {"": "waiting", **{fault.name: "waiting" for fault in plan.faults}}

    def progress(name: str, run: SuiteRun | None) -> None:
        states[name] = "running …" if run is None else _counted(run)
        live.update(_states(states))

    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with Live(_states(states), console=console, refresh_per_second=4, transient=True) as live:
        try:
            return await drill(plan, progress)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


def _states(states: dict[str, str]) -> Table:
    shown = table("", "run", "")
    for name, state in states.items():
        shown.add_row(escape(name) or "control run", state)
    return shown


def _counted(run: SuiteRun) -> str:
    outcomes = [str(test.outcome) for test in run.tests.values()]
    return ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(outcomes)) or "no test"


def grid(done: Drill) -> Table:
    """Tests down, faults across if they fit, each with its verdict; a reason for every bad one."""
    shown = table("what each test did", "test", "fault", "verdict", "why")
    names = short_names(list(done.judgements))
    for name, row in zip(names, done.judgements.values(), strict=True):
        for fault, judgement in row.items():
            colour = COLOURS[judgement.verdict]
            verdict = f"[{colour}]{judgement.verdict}[/]"
            shown.add_row(escape(name), escape(fault), verdict, escape(judgement.reason))
            name = ""
    return shown


def _summary(done: Drill) -> str:
    judged = [judgement for row in done.judgements.values() for judgement in row.values()]
    counts = {verdict: sum(one.verdict is verdict for one in judged) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    share = score(judged)
    lethal = "no fault was lethal" if share is None else f"{share:.0%} of lethal faults noticed"
    bad = sum(one.verdict in BAD for one in judged)
    never = f"; fired on no test: {', '.join(done.unexercised)}" if done.unexercised else ""
    return f"{told}\n{lethal}, {bad} verdicts that a suite must not have{never}"
