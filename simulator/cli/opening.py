"""Opening recordings: a large one takes its time when it is opened first, and people see how far it is."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from simulator.core.auth import Auth, unasked
from simulator.core.script import Script
from simulator.files.named import script_of


def warn(text: str) -> None:
    click.echo(f"stagesim: warning: {text}", err=True)


def warn_unasked(script: Script, auth: Auth) -> None:
    """Say on stderr that verifying tokens refuses nobody here."""
    told = unasked(auth, script.flows)
    if told is not None:
        warn(f"--auth {auth.mode}: {told}")


def open_script(names: Sequence[str]) -> Script:
    """The script of the recordings with these names or paths; progress on stderr if it is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.fields[name]}: {task.description}", markup=False), BarColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("reading", total=1.0, visible=False, name=" + ".join(names))

        def progress(what: str, share: float | None) -> None:
            total = None if share is None else 1.0
            shown.update(task, description=what, completed=share or 0, total=total, visible=True)

        return script_of(names, warn, progress)
