"""stagesim export: a recording in the formats of other tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import click

from simulator.cli.opening import warn
from simulator.core.errors import StagesimError
from simulator.core.recording import Recording
from simulator.files.exporters.har import har_of
from simulator.files.losses import Losses
from simulator.files.named import recording_of
from simulator.files.writer import new_file
from simulator.live.recorder.needed import importing_mitmproxy

_OUT = click.Path(path_type=Path, dir_okay=False)


@click.command("export")
@click.argument("recording")
@click.option("--har", type=_OUT, help="Write a HAR, for DevTools and the like.")
@click.option("--mitm", type=_OUT, help="Write a dump, for mitmweb and mitmproxy.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def export_command(recording: str, har: Path | None, mitm: Path | None, force: bool) -> None:
    """Write a recording as a HAR with its WebSocket messages, or as a dump that mitmweb opens.

    What the format cannot say is said in a warning.

    \b
    stagesim export golden-path --har golden.har
    stagesim export golden-path --mitm golden.mitm
    """
    if har is None and mitm is None:
        raise StagesimError("there is nothing to write", hint="give --har FILE or --mitm FILE")
    found = recording_of(recording, warn)
    if har is not None:
        _export(har, found, _as_har, overwrite=force)
    if mitm is not None:
        with importing_mitmproxy("writing dumps of mitmproxy's"):
            from simulator.live.recorder.flowexport import write_flows
        _export(mitm, found, write_flows, overwrite=force)


def _export(
    path: Path, recording: Recording, export: Callable[[Recording, BinaryIO, Losses], None], *, overwrite: bool
) -> None:
    losses = Losses()
    with new_file(path, overwrite=overwrite) as file:
        export(recording, file, losses)
    for line in losses.lines:
        warn(f"{path}: {line}")


def _as_har(recording: Recording, file: BinaryIO, losses: Losses) -> None:
    text = json.dumps(har_of(recording, losses), ensure_ascii=False, indent=1)
    file.write(text.encode("utf-8", "backslashreplace") + b"\n")
