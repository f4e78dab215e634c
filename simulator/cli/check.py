"""stagesim check: is this file right, and what was found in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from simulator.cli.explain import correlations, explained
from simulator.cli.opening import open_script
from simulator.cli.tables import console_for
from simulator.core.errors import FaultError, RecordingError, StagesimError
from simulator.core.matching.advice import advice
from simulator.core.matching.conflicts import conflicts
from simulator.core.script import Script
from simulator.core.values.correlation import propose
from simulator.files.components import FILE_NAME, check_components
from simulator.files.faultfiles import read_fault
from simulator.files.locate import RECORDING_ENDINGS, find_recording, recording_names, shipped
from simulator.files.named import together
from simulator.files.reader import load
from simulator.files.suspects import suspects
from simulator.files.writer import replace_header


@click.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--quiet", is_flag=True, help="Only say what is wrong.")
@click.option("--explain", is_flag=True, help="Say why each correlation is one, and what was left alone.")
@click.option("--learn", is_flag=True, help="Learn the first recording's correlations from all: one scenario.")
@click.option("--write", is_flag=True, help="With --learn, write them into the first recording's header.")
def check_command(files: tuple[str, ...], quiet: bool, explain: bool, learn: bool, write: bool) -> None:
    """Check recordings, fault files and component files, by path or name.

    For a recording, also say what correlates in it, which ids look as if they should, what its header could say
    about matching, and what looks like a secret; for several, where they answer the same question otherwise. Exit
    code 2 if a file is wrong, 1 if a recording has suspected secrets, else 0.
    """
    if write and not learn:
        raise click.UsageError("--write goes with --learn")
    console = console_for()
    if learn:
        _learn(files, console, write=write, quiet=quiet)
        return
    wrong = leaks = 0
    scripts: dict[str, Script] = {}
    for name in files:
        try:
            if _is_recording(name):
                scripts[name] = open_script([name])
                leaks += _recording(name, scripts[name], console, quiet=quiet, explain=explain)
            else:
                found = list(_fault(name))
                for problem in found:
                    click.echo(f"stagesim: {problem}", err=True)
                wrong += len(found)
                if not found and not quiet:
                    console.print(f"{name}: fine", markup=False, highlight=False)
        except StagesimError as error:
            click.echo(f"stagesim: {error}", err=True)
            wrong += 1
    if len(scripts) > 1 and not wrong and not quiet:
        for conflict in conflicts(together(scripts)):
            console.print(str(conflict), markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(2 if wrong else 1 if leaks else 0)


def _is_recording(name: str) -> bool:
    if not Path(name).is_file():
        return name.endswith(RECORDING_ENDINGS) or name in recording_names()
    return name.endswith(RECORDING_ENDINGS) or _begins_as_recording(Path(name))


def _begins_as_recording(path: Path) -> bool:
    """Whether a file with another name is a recording all the same, as a journal may be."""
    with path.open("rb") as file:
        return file.read(16).lstrip().startswith(b'{"stagesim"')


def _fault(name: str) -> Iterable[FaultError]:
    if Path(name).name == FILE_NAME:
        found = check_components(Path(name))
        return found if isinstance(found, list) else ()
    return read_fault(name)[1]


def _recording(name: str, script: Script, console: Console, *, quiet: bool, explain: bool) -> int:
    recording = script.recording
    found = suspects(recording)
    for place, what in found:
        click.echo(f"stagesim: {name}: {place}: looks like {what}", err=True)
    if not quiet:
        flows = len(script.flows)
        line = f"{name}: {flows} flows, {len(recording.events)} events, {recording.length / 1e6:.1f} s"
        console.print(line, markup=False, highlight=False)
        found_out = explained(recording) if explain else correlations(script)
        for text in (*found_out, *_advised(script)):
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    return len(found)


def _learn(names: Sequence[str], console: Console, *, write: bool, quiet: bool) -> None:
    """Say what correlates in the first of several recordings, by what differs between them and what does not."""
    if len(names) < 2 or not all(map(_is_recording, names)):
        raise click.UsageError("--learn takes two or more recordings of one scenario")
    paths = [find_recording(name) for name in names]
    if write:
        _check_writable(paths[0])
    first, *others = (load(path).recording for path in paths)
    if not quiet:
        for text in explained(first, *others):
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    if write:
        header = replace(first.header, correlate=propose(first, *others))
        replace_header(paths[0], header)
        console.print(f"{names[0]}: header written", markup=False, highlight=False, soft_wrap=True)


def _check_writable(path: Path) -> None:
    """Raise RecordingError for a file whose first line is not to be replaced."""
    if path.suffix == ".zst":
        hint = f"`zstd -d {path.name}` writes one that is not"
        raise RecordingError("is compressed; --write replaces line 1 of a .jsonl file", place=str(path), hint=hint)
    if path.resolve().is_relative_to((shipped() / "recordings").resolve()):
        raise RecordingError("is a shipped recording", place=str(path), hint="write into a copy of it")


def _advised(script: Script) -> Iterator[str]:
    found = advice(script)
    if found:
        yield "the header could say about matching:"
    yield from (f"  {item.option}  {item.place}  ({item.because})" for item in found)
