"""How tables look in the terminal: no frames, whole words, no colour where nobody sees it."""

from __future__ import annotations

from rich import box
from rich.table import Table


def table(title: str, *columns: str) -> Table:
    """An empty table; cells may be markup, so text from elsewhere is escaped by whoever adds it."""
    made = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in columns:
        made.add_column(column, overflow="fold")
    return made
