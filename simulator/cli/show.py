"""stagesim show: a recording as a conversation between two sides."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import click
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from simulator.cli.opening import warn
from simulator.cli.tables import console_for
from simulator.core.errors import StagesimError
from simulator.core.events import Chunk, Close, Direction, Event, Message, Request, Response
from simulator.core.journal import Entry, Note
from simulator.core.matching.compare import label
from simulator.core.units import NEVER, Time, duration, seconds
from simulator.core.visible import visible
from simulator.files.lines import entry_line, header_line
from simulator.files.locate import find_recording
from simulator.files.reader import open_recording

PAGE = 500
"""How many rows are laid out together: a timeline is drawn page by page, so that it may have any length."""


def _time(ctx: click.Context, param: click.Parameter, given: str | None) -> Time | None:
    try:
        return None if given is None else duration(given)
    except StagesimError as error:
        raise click.BadParameter(str(error)) from None


def _pattern(ctx: click.Context, param: click.Parameter, given: str | None) -> re.Pattern[str] | None:
    try:
        return None if given is None else re.compile(given)
    except re.error as error:
        raise click.BadParameter(f"expected a regular expression, got {given!r}: {error}") from None


@click.command("show")
@click.argument("recording")
@click.option("--flow", "flows", multiple=True, help="Only this flow; repeatable.")
@click.option("--from", "begin", callback=_time, default="0s", metavar="TIME", help="Only from then on: 10s.")
@click.option("--to", "end", callback=_time, metavar="TIME", help="Only until then: 2m.")
@click.option("--grep", "pattern", callback=_pattern, metavar="REGEX", help="Only what was said so.")
@click.option("--json", "as_json", is_flag=True, help="The lines as JSON, for programs.")
def show_command(
    recording: str,
    flows: tuple[str, ...],
    begin: Time,
    end: Time | None,
    pattern: re.Pattern[str] | None,
    as_json: bool,
) -> None:
    """Draw a recording or journal as a timeline: the client's side left, the server's right.

    It may have any length: it is read as it is drawn, and no further than --to.
    """
    if end is not None and begin > end:
        raise StagesimError(
            f"begins at {seconds(begin)}, after its end", place="--from", hint="give --to a later time"
        )
    with open_recording(find_recording(recording), warn) as opened:
        header = opened.header
        entries = _until(opened.entries, NEVER if end is None else end)
        chosen = (
            entry
            for entry in entries
            if entry.at >= begin
            and (not flows or entry.flow in flows)
            and (pattern is None or pattern.search(_text(entry)))
        )
        if as_json:
            for line in chain([header_line(header)], map(entry_line, chosen)):
                click.echo(json.dumps(line, ensure_ascii=False))
            return
        console = console_for()
        origins = ", ".join(f"{service.name} = {' '.join(service.origins)}" for service in header.services)
        console.print(visible(f"{header.title or recording} · {origins}"), markup=False, highlight=False)
        first = next(chosen, None)
        if first is None:
            click.echo(f"nothing in {recording} is meant by these options", err=True)
            return
        for page in timeline(chain([first], chosen)):
            console.print(page)


def _until(entries: Iterable[Entry], end: Time) -> Iterator[Entry]:
    """The entries up to a time; events stand in order of time, so nothing is read after the first later one."""
    for entry in entries:
        if entry.at <= end:
            yield entry
        elif not isinstance(entry, Note):
            return


def _text(entry: Entry) -> str:
    """What --grep looks at: the first line of a request or response, and the payload; what a note says."""
    if isinstance(entry, Note):
        return _note(entry)
    head = f"{entry.status} {entry.reason}" if isinstance(entry, Response) else label(entry)
    payload = getattr(entry, "body", getattr(entry, "data", getattr(entry, "reason", "")))
    return f"{head}\n{payload if isinstance(payload, str) else payload.decode(errors='replace')}"


Row = tuple[str, str, Text | str, str, Text | str]


def timeline(entries: Iterable[Entry]) -> Iterator[Table]:
    """A two-sided table: when, which flow, what the client sent, what the server sent; page by page."""
    rows = map(_row, entries)
    page, width, first = list(islice(rows, PAGE)), 4, True
    while page or first:
        width = max(width, *(cell_len(flow) for _, flow, *_ in page), 0)
        shown = Table(box=None, pad_edge=False, expand=True, show_header=first)
        shown.add_column("time", justify="right", no_wrap=True, min_width=9, style="dim")
        shown.add_column("flow", justify="right", no_wrap=True, min_width=width, style="dim")
        shown.add_column("client", ratio=1, no_wrap=True, overflow="ellipsis")
        shown.add_column("", no_wrap=True, min_width=1)
        shown.add_column("server", ratio=1, no_wrap=True, overflow="ellipsis")
        for row in page:
            shown.add_row(*row)
        yield shown
        page, first = list(islice(rows, PAGE)), False


def _row(entry: Entry) -> Row:
    time, flow = seconds(entry.at), visible(entry.flow)
    if isinstance(entry, Note):
        return time, flow, "", "·", Text(visible(_note(entry)), style="magenta")
    if entry.direction is Direction.UPSTREAM:
        return time, flow, _said(entry), "→", ""
    return time, flow, "", "←", _said(entry)


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
