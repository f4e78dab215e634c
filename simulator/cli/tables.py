"""How tables look in the terminal: no frames, whole words, no colour where nobody sees it."""

from __future__ import annotations

import os
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

_WIDTH: Final = 120
"""Columns where nobody says how many there are: in a file, a pipe or a CI log."""


def console_for(*, stderr: bool = False) -> Console:
    """Where tables go: as wide as the terminal, or wide enough for most."""
    found = Console(stderr=stderr, highlight=False)
    if found.is_terminal or "COLUMNS" in os.environ:
        return found
    return Console(stderr=stderr, highlight=False, width=_WIDTH)


def table(title: str, *columns: str) -> Table:
    """An empty table; cells may be markup, so text from elsewhere is escaped by whoever adds it."""
    made = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in columns:
        made.add_column(column, overflow="fold")
    return made
