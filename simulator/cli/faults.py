"""stagesim faults: what can go wrong, what files there are for it, and breaking a replay while it runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from simulator.cli.graph import component_tree
from simulator.cli.opening import warn
from simulator.cli.options import overrides_of
from simulator.cli.tables import console_for, table
from simulator.core.errors import StagesimError
from simulator.faults.registry import all_faults, description
from simulator.files.components import find_components
from simulator.files.derive import Derived, write_derived
from simulator.files.derive import derive as derived_faults
from simulator.files.faultfiles import load_fault
from simulator.files.locate import fault_names, find_fault
from simulator.files.named import faults_of, recording_of
from simulator.files.symptoms import SYMPTOMS
from simulator.files.written import written
from simulator.live.control.client import VARIABLE, ControlClient
from simulator.live.control.models import Rules


class NameOrCommand(click.Group):
    """A group whose first word may also be a name, which its hidden command 'show' is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(
    "faults", cls=NameOrCommand, invoke_without_command=True, subcommand_metavar="[NAME | COMMAND [ARGS]...]"
)
@click.option(
    "--graph", is_flag=True, help="Draw the components: what needs what, what the wire shows without it."
)
@click.option("--symptoms", is_flag=True, help="List what clients can see, and the files that show it.")
@click.option("--derive", metavar="RECORDING", help="List every point of a recorded success that can fail.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write what --derive finds as files."
)
@click.pass_context
def faults_command(ctx: click.Context, graph: bool, symptoms: bool, derive: str | None, out: Path | None) -> None:
    """List the fault files that --fault takes by name, and the kinds of fault that files can use.

    With a NAME, print that file: a starting point for one of your own. The commands change a replay while it runs,
    which was started with --control.

    \b
    stagesim faults
    stagesim faults none-orchestrator
    stagesim faults --graph
    stagesim faults --symptoms
    stagesim faults --derive golden-path --out derived/
    stagesim faults arm none-orchestrator --set after=500ms
    """
    if ctx.invoked_subcommand is not None:
        return
    if out is not None and derive is None:
        raise StagesimError(
            "nothing to write without --derive", place="--out", hint="give --derive RECORDING as well"
        )
    if graph + symptoms + (derive is not None) > 1:
        raise click.UsageError("--graph, --symptoms and --derive are one at a time")
    console = console_for()
    if graph:
        console.print(component_tree(find_components(Path.cwd() / "faults")))
        return
    if symptoms:
        _show_symptoms()
        return
    if derive is not None:
        _show_derived(derived_faults(recording_of(derive, warn)), out)
        return
    files = table("--fault NAME", "fault file", "what it does")
    for known in fault_names():
        files.add_row(known, escape(load_fault(known).file.title))
    kinds = table("fault: KIND, in your own files", "fault", "what happens")
    for kind, fault in all_faults().items():
        kinds.add_row(kind, escape(description(fault)))
    console.print(files, kinds)


def _show_symptoms() -> None:
    files = {known: load_fault(known).file.symptoms for known in fault_names()}
    for symptom, meaning in SYMPTOMS.items():
        click.echo(f"{symptom}: {meaning}")
        for name in (known for known, shown in files.items() if symptom in shown):
            click.echo(f"  {name}")


def _show_derived(found: list[Derived], out: Path | None) -> None:
    if out is not None:
        paths = write_derived(found, out)
        click.echo(f"{len(paths)} fault files in {out}", err=True)
        return
    for derived in found:
        click.echo(f"{derived.name}: {json.dumps(derived.content['rules'][0])}")


@faults_command.command("show", hidden=True)
@click.argument("name")
def show_command(name: str) -> None:
    """Print a fault file."""
    load_fault(name)
    click.echo(find_fault(name).read_text(), nl=False)


def _controlling(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--control",
        envvar=VARIABLE,
        show_envvar=True,
        metavar="URL",
        help="The replay, as its line 'control on …' has it.",
    )(command)


@faults_command.command("arm")
@click.argument("fault", metavar="NAME|FILE")
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Set a parameter.")
@_controlling
def arm_command(fault: str, overrides: tuple[str, ...], control: str | None) -> None:
    """Lay a fault over a running replay.

    What is under way there meets it as well.
    """
    client = _client(control)
    (loaded,) = faults_of([fault], overrides=overrides_of(overrides))
    armed = client.arm([written(rule) for rule in loaded.rules], loaded.file.title).armed
    for name in armed:
        click.echo(f"armed {name}")


@faults_command.command("disarm")
@click.argument("rule")
@_controlling
def disarm_command(rule: str, control: str | None) -> None:
    """Take a rule off a running replay.

    RULE is its name, or the name of a fault for all its rules. What they held back is sent, in order.
    """
    for name in _client(control).disarm(rule).disarmed:
        click.echo(f"disarmed {name}")


@faults_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@_controlling
def list_command(as_json: bool, control: str | None) -> None:
    """List the rules of a running replay.

    Those that were disarmed as well, all with the proof of what they did.
    """
    found = _client(control).rules()
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        console_for().print(_shown(found))


def _client(control: str | None) -> ControlClient:
    if control is None:
        hint = f"--control URL, or the variable {VARIABLE}; `stagesim replay --control` prints it"
        raise StagesimError("which replay?", place="--control", hint=hint)
    return ControlClient.of(control)


def _shown(found: Rules) -> Table:
    shown = table("", "rule", "fault", "state", "matched", "fired", "at", "on", "went out instead")
    for rule in found.rules:
        state = "armed" if rule.armed else "waits" if rule.waits else "disarmed"
        fired = str(rule.fired) if rule.fired else "never"
        at = "" if rule.at is None else f"{rule.at:.3f} s"
        row = (rule.name, rule.fault, state, str(rule.matched), fired, at, rule.on, rule.instead)
        shown.add_row(*map(escape, row))
    return shown
