"""stagesim show: a recording as a conversation between two sides."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.cli.replay import warn
from simulator.core.events import Chunk, Close, Direction, Event, Message, Request, Response
from simulator.core.journal import Entry, Note
from simulator.core.matching import label
from simulator.core.units import seconds
from simulator.core.visible import visible
from simulator.files.lines import entry_line, header_line
from simulator.files.locate import find_recording
from simulator.files.reader import load


@click.command("show")
@click.argument("recording")
@click.option("--flow", "flows", multiple=True, help="Only this flow; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="The lines as JSON, for programs.")
def show_command(recording: str, flows: tuple[str, ...], as_json: bool) -> None:
    """Draw a recording or journal as a timeline: the client's side left, the server's right."""
    loaded = load(find_recording(recording))
    for warning in loaded.warnings:
        warn(warning)
    entries: list[Entry] = [*loaded.recording.events, *loaded.notes]
    entries = sorted(entries, key=lambda entry: entry.at)
    entries = [entry for entry in entries if not flows or entry.flow in flows]
    if as_json:
        for line in [header_line(loaded.recording.header), *map(entry_line, entries)]:
            click.echo(json.dumps(line, ensure_ascii=False))
        return
    header = loaded.recording.header
    console = Console()
    origins = ", ".join(f"{service.name} = {' '.join(service.origins)}" for service in header.services)
    console.print(visible(f"{header.title or recording} · {origins}"), markup=False, highlight=False)
    console.print(timeline(entries))


def timeline(entries: list[Entry]) -> Table:
    """A two-sided table: when, which flow, what the client sent, what the server sent."""
    shown = Table(box=None, pad_edge=False, expand=True)
    shown.add_column("time", justify="right", no_wrap=True, min_width=9, style="dim")
    shown.add_column("flow", justify="right", no_wrap=True, min_width=4, style="dim")
    shown.add_column("client", ratio=1, no_wrap=True, overflow="ellipsis")
    shown.add_column("", no_wrap=True, min_width=1)
    shown.add_column("server", ratio=1, no_wrap=True, overflow="ellipsis")
    for entry in entries:
        time, flow = seconds(entry.at), visible(entry.flow)
        if isinstance(entry, Note):
            shown.add_row(time, flow, "", "·", Text(visible(_note(entry)), style="magenta"))
        elif entry.direction is Direction.UPSTREAM:
            shown.add_row(time, flow, _said(entry), "→", "")
        else:
            shown.add_row(time, flow, "", "←", _said(entry))
    return shown


def _said(event: Event) -> Text:
    text = Text()
    if isinstance(event, Request):
        text.append(visible(f"{event.method} {event.target}"), style="bold cyan")
        text.append(visible(f"  {event.service}"), style="dim")
    elif isinstance(event, Response):
        text.append(
            visible(f"{event.status} {event.reason}".strip()),
            style="bold green" if event.status < 400 else "bold red",
        )
        text.append(visible(f"  {_short(event.body)}"), style="dim")
    elif isinstance(event, Message):
        text.append(visible(label(event)), style="bold")
        text.append(visible(f"  {_short(event.data)}"), style="dim")
    elif isinstance(event, Close):
        text.append(visible(f"{label(event)} {event.reason}".strip()), style="bold yellow")
    elif isinstance(event, Chunk):
        text.append(visible(f"chunk  {_short(event.data)}"), style="dim")
    else:
        text.append(visible(label(event)), style="yellow")
    return text


def _short(data: str | bytes) -> str:
    text = data if isinstance(data, str) else data[:300].decode(errors="replace")
    return " ".join(text[:300].split())


def _note(note: Note) -> str:
    details = " ".join(f"{key}={_value(value)}" for key, value in note.detail.items())
    return f"{note.what} {details}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return str(value.get("label", ""))
    return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)
