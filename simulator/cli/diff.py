"""stagesim diff: what has drifted between two recordings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.text import Text

from simulator.cli.opening import warn
from simulator.cli.tables import console_for, table
from simulator.core.drift import Difference, Drift, FlowDrift, drift, percentile
from simulator.core.errors import StagesimError
from simulator.core.units import MILLISECOND, SECOND, duration
from simulator.core.visible import visible
from simulator.files.named import recording_of


@click.command("diff")
@click.argument("before")
@click.argument("after")
@click.option("--strict", is_flag=True, help="Values that are new in every run count, and how frames were cut.")
@click.option("--timing", metavar="DURATION", help="Delays count that differ by more than this, such as 250ms.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def diff_command(before: str, after: str, strict: bool, timing: str | None, as_json: bool) -> None:
    """Compare two recordings (or journals) of the same scenario: has staging drifted from what was recorded?

    Flows are paired by what they ask for and messages by what they are. Ids, tokens and times may differ, as long
    as each still travels the way it did. Exit code 0 if nothing else differs, 1 if something does.

    \b
    stagesim diff golden-path tonight.jsonl
    stagesim diff golden-path tonight.jsonl --timing 500ms --json
    """
    tolerance = None if timing is None else _tolerance(timing)
    found = drift(recording_of(before, warn), recording_of(after, warn), strict=strict, tolerance=tolerance)
    if as_json:
        click.echo(json.dumps(_document(found), ensure_ascii=False, indent=2))
    else:
        _show(found, _short(before), _short(after))
    sys.exit(1 if found.differences else 0)


def _tolerance(text: str) -> int:
    try:
        return duration(text)
    except StagesimError as error:
        raise error.within("--timing") from None


def _short(name: str) -> str:
    return Path(name).name if len(name) > 30 else name


def _show(found: Drift, before: str, after: str) -> None:
    console = console_for()
    for flow in found.flows:
        if flow.differences:
            console.print(_flow(flow, before, after))
    both = sum(flow.before is not None and flow.after is not None for flow in found.flows)
    count = len(found.differences)
    said = f"{count} differences" if count > 1 else "1 difference" if count else "no difference"
    line = f"{said}; {both} of {len(found.flows)} flows are in both"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    if found.timings:
        half, most = (
            percentile([each.error for each in found.timings], share) / MILLISECOND for share in (0.5, 0.99)
        )
        line = f"delays differ by {half:.1f} ms (median) and {most:.1f} ms (99 %)"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _flow(flow: FlowDrift, before: str, after: str) -> object:
    names = " → ".join("none" if name is None else name for name in (flow.before, flow.after))
    shown = table("", "what", "where", before, after)
    shown.title = Text(visible(f"{flow.label}, flow {names}"))
    for each in flow.differences:
        where = visible(" ".join(filter(None, (each.event, each.field))))
        shown.add_row(Text(each.kind.value), Text(where), _cell(each.before, "red"), _cell(each.after, "green"))
    return shown


def _cell(value: str | None, style: str) -> Text:
    return Text("nothing", style="dim") if value is None else Text(visible(value), style=style)


def _document(found: Drift) -> dict[str, object]:
    errors = [each.error for each in found.timings]
    return {
        "same": not found.differences,
        "differences": [_difference(flow, each) for flow in found.flows for each in flow.differences],
        "flows": len(found.flows),
        "timing": {
            "delays": len(errors),
            "p50": percentile(errors, 0.5) / SECOND,
            "p99": percentile(errors, 0.99) / SECOND,
        },
    }


def _difference(flow: FlowDrift, each: Difference) -> dict[str, object]:
    return {
        "kind": each.kind.value,
        "flow": {"label": flow.label, "before": flow.before, "after": flow.after},
        "event": each.event,
        "field": each.field,
        "before": each.before,
        "after": each.after,
    }
