"""The generated parts of the README: every fault, trigger, selector and option, from the code itself.

What clients report of each fault is found out anew each time, over real sockets. `python -m tests.reference`
writes them; a test checks that they are current.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path

import click

from simulator.cli import COMMANDS, Commands
from simulator.core.fault import Fault
from simulator.core.rule import Selector, Trigger
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.registry import all_faults, description
from simulator.files.rulemodels import SelectModel, WhenModel
from tests.faults.foreign import CLIENTS
from tests.faults.http.foreign import BROWSERS
from tests.faults.table import CONTROL, VISITS, Play, rows, talks

README = Path(__file__).parent.parent / "README.md"
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.S)

TRIGGERS: Mapping[str, str] = {
    "on": "`connect`: when a WebSocket opens; `match` (default): on the events that `select` means",
    "nth": "on the Nth match only",
    "every": "on every Nth match",
    "after_n": "on all matches beyond the Nth",
    "times": "at most so many times",
    "after": "so long after the (first) match",
    "for": "for so long; without it, until disarmed",
    "first_connections": "on the first N connections of the run only",
    "per": "count matches per `flow`, `client` or `run` (default: a WebSocket each by itself, HTTP all together)",
    "window": "only between these times after the flow began, such as `[10s, 15s]`",
    "during": "only between these times of the run, counted from its first request; then it is disarmed",
    "ramp": "the probability rises from 0 to `probability` over this time",
}
SELECTORS: Mapping[str, str] = {
    "direction": "`upstream` (from the client) or `downstream`",
    "event": "the kind: request, response, chunk, end, message, ping, pong, close, reset, bytes",
    "service": "the recorded service",
    "path": "the path of the flow's request, `*` for any part",
    "method": "its method",
    "json": "values at JSON paths: `{$.type: start_agent}`, a list of them, `{matches: REGEX}` (the whole text), "
    "`{exists: false}`; in a stream, of a line of it",
    "text": "a regular expression found in the payload",
    "opcode": "`text` or `binary`",
    "status": "the status of a response",
    "code": "the code of a close",
    "client": "the client's name in the journal, `*` for any part",
}


def faults() -> str:
    rows = [f"| `{name}` | {description(fault)} | {_fields(fault)} |" for name, fault in all_faults().items()]
    return _table("fault", "what happens", "fields (default)", rows=rows)


def _fields(fault: type[Fault]) -> str:
    return ", ".join(f"`{field.name}` ({_default(field)})" for field in fields(fault)) or "–"


def _default(field: Field[object]) -> str:
    if field.default is MISSING:
        return "none" if field.default_factory is not MISSING else "required"
    if "Duration" in str(field.type) and isinstance(field.default, int):
        milliseconds = field.default // MILLISECOND
        return f"{milliseconds} ms" if 0 < field.default < SECOND else f"{field.default / SECOND:g} s"
    return {"": "none", "None": "none"}.get(str(field.default), str(field.default))


def clients() -> str:
    return _reported(talks(), list(CLIENTS)) + "\n" + _reported(VISITS, list(BROWSERS))


def _reported(plays: Sequence[Play], clients: Sequence[str]) -> str:
    """One table: what each of these clients reports of each of these plays."""
    found = rows(plays, clients).items()
    lines = [f"| {'none' if file == CONTROL else f'`{file}`'} | {' | '.join(cells)} |" for file, cells in found]
    return _table("fault", *(f"`{client}`" for client in clients), rows=lines)


def triggers() -> str:
    named = [field.alias or name for name, field in WhenModel.model_fields.items()]
    return _table("`when:`", "fires", rows=[f"| `{name}` | {TRIGGERS[name]} |" for name in named])


def selectors() -> str:
    named = [field.alias or name for name, field in SelectModel.model_fields.items()]
    return _table("`select:`", "means events", rows=[f"| `{name}` | {SELECTORS[name]} |" for name in named])


def options() -> str:
    rows: list[str] = []
    group = Commands(name="stagesim")
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        rows += _options(name, command)
    return _table("command", "option", "", rows=rows)


def _options(name: str, command: click.Command) -> list[str]:
    given = [option for option in command.params if isinstance(option, click.Option)]
    rows = [f"| `{name}` | `{'`, `'.join(each.opts)}` | {_escaped(each.help or '')} |" for each in given]
    inner = command.commands if isinstance(command, click.Group) else {}
    return rows + [row for word, each in inner.items() for row in _options(f"{name} {word}", each)]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _table(*columns: str, rows: list[str]) -> str:
    head = "| " + " | ".join(columns) + " |"
    return "\n".join([head, "|" + " --- |" * len(columns), *rows]) + "\n"


PARTS: Mapping[str, Callable[[], str]] = {
    "faults": faults,
    "clients": clients,
    "triggers": triggers,
    "selectors": selectors,
    "options": options,
}


def parts(text: str) -> dict[str, str]:
    """The generated parts that stand in the README, by name."""
    return {part[2]: part[0] for part in PART.finditer(text)}


def generated(text: str) -> str:
    """The README, or a part of it, with its generated parts made anew."""
    return PART.sub(lambda part: part[1] + PARTS[part[2]]() + part[3], text)


def unused() -> set[str]:
    """Fields of the core's own classes that no file can set: there are none."""
    names = {field.name for owner in (Trigger, Selector) for field in fields(owner)} - {"lasts"}
    return names - set(TRIGGERS) - set(SELECTORS)


if __name__ == "__main__":
    README.write_text(generated(README.read_text()))
