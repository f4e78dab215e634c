"""stagesim faults: what can go wrong, and what files there are for it."""

from __future__ import annotations

import click
from rich.console import Console
from rich.markup import escape

from simulator.cli.tables import table
from simulator.faults.registry import all_faults, description
from simulator.files.faultfiles import load_fault
from simulator.files.locate import fault_names, find_fault


@click.command("faults")
@click.argument("name", required=False)
def faults_command(name: str | None) -> None:
    """List the fault files that --fault takes by name, and the kinds of fault that files can use.

    With a NAME, print that file: a starting point for one of your own.
    """
    if name is not None:
        load_fault(name)
        click.echo(find_fault(name).read_text(), nl=False)
        return
    console = Console()
    files = table("--fault NAME", "fault file", "what it does")
    for known in fault_names():
        files.add_row(known, escape(load_fault(known).file.title))
    kinds = table("fault: KIND, in your own files", "fault", "what happens")
    for kind, fault in all_faults().items():
        kinds.add_row(kind, escape(description(fault)))
    console.print(files, kinds)
