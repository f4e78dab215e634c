"""stagesim drill: what does each test do when staging breaks?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from simulator.cli import options
from simulator.cli.child import BeforeACommand, check_command, divided, end_by_signals
from simulator.cli.opening import open_script, warn_unasked
from simulator.cli.serving import complain
from simulator.cli.shrink import shrink_and_write, wanted_of
from simulator.cli.tables import console_for, table
from simulator.core.auth import AuthMode
from simulator.core.errors import FaultError, StagesimError
from simulator.core.recording import Recording
from simulator.core.script import Script
from simulator.files.derive import PREFIX
from simulator.files.faultfiles import LoadedFault, load_fault
from simulator.files.keys import auth_of
from simulator.files.locate import fault_names
from simulator.files.named import derived_of
from simulator.harness.drill import Drill, Plan, drill
from simulator.harness.expectations import Expectations, load_expectations, surprises
from simulator.harness.page import as_html
from simulator.harness.reports import as_json, as_junit, short_names
from simulator.harness.suite import SuiteRun
from simulator.harness.verdict import BAD, Verdict, score
from simulator.live.hosts import host_of

if TYPE_CHECKING:
    from simulator.live.offline import Offline

COLOURS = {
    Verdict.NOTICED: "green",
    Verdict.SURVIVED: "green",
    Verdict.BLIND: "bold red",
    Verdict.HUNG: "red",
    Verdict.CRASHED: "red",
    Verdict.SKIPPED: "yellow",
    Verdict.NOT_EXERCISED: "dim",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the options said, or the drill file for them; each field is an option's name."""

    seed: int | None
    speed: str
    auth: str
    auth_key: str | None
    offline: bool
    hosts: tuple[str, ...]
    jobs: int
    deadline: float | None
    json_file: Path | None
    html_file: Path | None
    junit_file: Path | None
    shrink: bool
    verdict: str | None
    test: str | None
    together: int | None
    out: Path | None


@click.command("drill", cls=BeforeACommand)
@click.argument("recording", required=False)
@click.option(
    "--file", "drill_file", type=click.Path(path_type=Path), help="Take from a drill.toml what is not given here."
)
@click.option(
    "--faults", "patterns", multiple=True, metavar="all|GLOB|FILE", help="Default: all but incidents; repeatable."
)
@click.option("--derive", is_flag=True, help="Every point of the recording that can fail is a fault.")
@click.option("--seed", type=int, default=None, help="Repeat a drill's luck and ids. Default: random, printed.")
@click.option("--speed", default="1", metavar="N|max", help="Divide recorded delays; 'max' drops them.")
@options.authorizing[0]
@options.authorizing[1]
@click.option("--offline", is_flag=True, help="Answer the command's hard-coded URLs from the recording.")
@click.option("--host", "hosts", multiple=True, metavar="NAME[=SERVICE]", help="A host to answer for; repeatable.")
@click.option("-j", "--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Runs at a time.")
@click.option("--deadline", type=click.FloatRange(1), help="Seconds for each test. Default: from the control run.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write it all as JSON.")
@click.option(
    "--html", "html_file", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to look at."
)
@click.option("--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML.")
@click.option("--shrink", is_flag=True, help="Find the fewest faults at once that still give a bad verdict.")
@click.option("--verdict", type=click.Choice(list(map(str, Verdict))), help="Which one. Default: any bad one.")
@click.option("--test", metavar="GLOB", help="On which test. Default: any.")
@click.option("--together", type=click.IntRange(1), metavar="N", help="Draw N faults at a time. Default: all.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the incident to this file.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND …]")
def drill_command(
    recording: str | None,
    drill_file: Path | None,
    patterns: tuple[str, ...],
    derive: bool,
    command: tuple[str, ...],
    **options_given: Any,
) -> None:
    """Run a command without a fault, then under every fault, and say what each test did.

    \b
    noticed        failed in time, and the fault fired on its traffic
    survived       passed, and everything arrived in spite of the fault
    blind          passed although what it tests never arrived, or without touching staging at all
    hung, crashed  did not end, or died; skipped: the fault turned it into a skip
    not exercised  the fault did not fire on its traffic

    pytest suites are understood test by test, any other command as one test. Exit code 1 if a test was blind,
    hung, crashed or skipped; with --file, if a verdict is not what the file says. What the command line says,
    comes before what the file says.

    With --shrink, the faults are laid all at once, or N at a time, until a test has the verdict; then it finds the
    fewest of their rules that still do that, and writes them as a fault file. Exit code 1 if it finds none.

    \b
    stagesim drill golden-path -- pytest tests/e2e
    stagesim drill golden-path --faults 'none-*' --faults stall --html drill.html -- pytest tests/e2e
    stagesim drill golden-path --derive --faults 'derived:ws-*-lost' -- pytest tests/e2e
    stagesim drill golden-path --derive --shrink --together 3 --verdict hung --out hung.yaml -- pytest tests/e2e
    stagesim drill --file drill.toml
    stagesim drill --file drill.toml --seed 7 --faults stall
    """
    recordings, command = divided((*(() if recording is None else (recording,)), *command))
    expected = load_expectations(drill_file) if drill_file is not None else None
    if expected is not None:
        recordings, command = recordings or (expected.recording,), command or tuple(expected.command)
        patterns = patterns or tuple(expected.faults)
        options_given |= _of_file(expected)
    given = Given(**options_given)
    if len(recordings) != 1 or not command:
        raise StagesimError(
            "expected one recording and a command, or --file", hint="stagesim drill RECORDING -- COMMAND"
        )
    _check(command, given)
    derived = (f"{PREFIX}*",) if derive else ()
    plan = _plan(recordings[0], (*patterns, *derived) or ("all",), command, given)
    if given.shrink:
        wanted = wanted_of(given.verdict, given.test, given.together)
        sys.exit(shrink_and_write(plan, wanted, given.out))
    files = {given.json_file: as_json, given.html_file: as_html, given.junit_file: as_junit}
    sys.exit(_run(plan, expected, {path: report for path, report in files.items() if path is not None}))


def _of_file(expected: Expectations) -> dict[str, Any]:
    """The options that a drill file says and the command line does not."""
    said = {"seed": expected.seed, "speed": f"{expected.speed}", "deadline": expected.deadline}
    context = click.get_current_context()
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if "auth" not in given:
        said |= {"auth": expected.auth, "auth_key": expected.auth_key}
    elif context.params["auth"] == AuthMode.VERIFY:
        said["auth_key"] = expected.auth_key
    return {name: value for name, value in said.items() if name not in given}


def _check(command: tuple[str, ...], given: Given) -> None:
    """Raises StagesimError before anything runs in vain."""
    check_command(command)
    reports = [name for name in ("json_file", "html_file", "junit_file") if getattr(given, name) is not None]
    of_shrink = [name for name in ("verdict", "test", "together", "out") if getattr(given, name) is not None]
    if given.shrink and reports:
        raise StagesimError("--shrink writes an incident and no report", place=f"--{reports[0].partition('_')[0]}")
    if of_shrink and not given.shrink:
        raise StagesimError("is for --shrink alone", place=f"--{of_shrink[0]}", hint="give --shrink as well")
    for path in (getattr(given, name) for name in (*reports, "out") if getattr(given, name) is not None):
        if not path.absolute().parent.is_dir():
            raise StagesimError("there is no such folder", place=str(path.absolute().parent))
    if given.hosts and not given.offline:
        raise StagesimError("nothing to do without --offline", place="--host")


def _plan(recording: str, patterns: Sequence[str], command: Sequence[str], given: Given) -> Plan:
    script, auth = open_script([recording]), auth_of(given.auth, given.auth_key)
    plan = Plan(
        script=script,
        faults=chosen(patterns, script.recording),
        command=command,
        recording=recording,
        also=_also(given),
        settings=options.settings_of(given.seed, given.speed, strict=False, auth=auth),
        jobs=given.jobs,
        deadline=given.deadline,
        offline=_offline(script, given.hosts) if given.offline else None,
    )
    warn_unasked(script, auth)
    return plan


def _offline(script: Script, hosts: Sequence[str]) -> Offline:
    """What leads the command's clients to its runs; its CA lasts as long as the command line."""
    from simulator.live.certificates import local_ca
    from simulator.live.offline import Offline

    ca = click.get_current_context().with_resource(local_ca())
    return Offline(hosts=[host_of(text, script.services) for text in hosts], ca=ca, say=complain)


def _also(given: Given) -> list[str]:
    """Whom to let in and what to answer for, as the options that say so again."""
    named = {"--auth": given.auth, "--auth-key": given.auth_key}
    pairs = [(option, value) for option, value in named.items() if value not in (None, "recorded")]
    pairs += [("--host", host) for host in given.hosts]
    return [*(["--offline"] if given.offline else []), *(word for pair in pairs for word in pair)]


def _run(plan: Plan, expected: Expectations | None, reports: Mapping[Path, Callable[[Drill], str]]) -> int:
    """Run the drill, show and write what came of it; gives back the exit code."""
    console = console_for(stderr=True)
    console.print(f"seed {plan.settings.seed}", highlight=False)
    done = asyncio.run(_watched(plan, console))
    console_for().print(grid(done))
    console.print(_summary(done), highlight=False)
    for path, report in reports.items():
        path.write_text(report(done), encoding="utf-8")
    if expected is None:
        return 1 if done.bad else 0
    found = list(surprises(expected, done))
    for surprise in found:
        click.echo(f"stagesim: {surprise}", err=True)
    return 1 if found else 0


def chosen(patterns: Sequence[str], recording: Recording) -> list[LoadedFault]:
    """The faults that patterns mean, each once. Raises FaultError.

    'all' are the shipped ones but incidents; globs go over names; 'derived:GLOB' over what the recording gives.
    """
    names: dict[str, LoadedFault | None] = {}
    for pattern in patterns:
        if pattern.startswith(PREFIX):
            names |= {fault.again: fault for fault in derived_of(pattern, recording)}
            continue
        if pattern == "all":
            found = [name for name in fault_names() if "/" not in name]
        else:
            found = [name for name in fault_names() if fnmatchcase(name, pattern)] or [pattern]
        if any(char in pattern for char in "*?[") and found == [pattern]:
            raise FaultError("no fault has a name like this", place=pattern, hint="`stagesim faults` lists them")
        names |= dict.fromkeys(found)
    return [fault or load_fault(name) for name, fault in names.items()]


async def _watched(plan: Plan, console: Console) -> Drill:
    """Run the drill with a live list of its runs on stderr."""
    states: dict[str, str] = {"": "waiting", **{fault.name: "waiting" for fault in plan.faults}}

    def progress(name: str, run: SuiteRun | None) -> None:
        states[name] = "running …" if run is None else _counted(run)
        live.update(_states(states))

    end_by_signals()
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
    title = f"what each test did, seed {done.plan.settings.seed}"
    shown = table(title, "test", "fault", "verdict", "why")
    for name, row in zip(_names(done), done.judgements.values(), strict=True):
        for fault, judgement in row.items():
            colour = COLOURS[judgement.verdict]
            verdict = f"[{colour}]{judgement.verdict}[/]"
            shown.add_row(escape(name), escape(fault), verdict, escape(judgement.reason))
            name = ""
    return shown


def _names(done: Drill) -> list[str]:
    return short_names(list(done.judgements))


def _summary(done: Drill) -> str:
    judged = [judgement for row in done.judgements.values() for judgement in row.values()]
    counts = {verdict: sum(one.verdict is verdict for one in judged) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    share = score(judged)
    lethal = "no fault was lethal" if share is None else f"{share:.0%} of lethal faults noticed"
    bad = sum(one.verdict in BAD for one in judged)
    never = f"; fired on no test: {', '.join(done.unexercised)}" if done.unexercised else ""
    shares = [
        (name, score(row.values())) for name, row in zip(_names(done), done.judgements.values(), strict=True)
    ]
    each = "".join(f"\n  {share:4.0%}  {name}" for name, share in shares if share is not None and len(shares) > 1)
    return f"{told}\n{lethal}, {bad} verdicts that a suite must not have{never}{each}"
