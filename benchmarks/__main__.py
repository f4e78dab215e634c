"""Every figure of every benchmark, printed and kept in the README: `python -m benchmarks [NAME …]`.

A benchmark is a module of this package with `figures()`, which yields pairs: what was measured, and the figure.
The README's rows of a benchmark that does not run stay as they are.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import benchmarks

README = Path(__file__).parent.parent / "README.md"
PART = re.compile(r"(<!-- measured -->\n)(.*?)(<!-- end -->)", re.S)
HEAD = "| benchmark | measured | figure |\n| --- | --- | --- |\n"
Rows = dict[str, list[str]]


def found() -> Iterator[tuple[str, ModuleType]]:
    """The benchmarks, by name."""
    for module in sorted(pkgutil.iter_modules(benchmarks.__path__), key=lambda module: module.name):
        if module.name != "__main__":
            imported = importlib.import_module(f"benchmarks.{module.name}")
            if hasattr(imported, "figures"):
                yield module.name, imported


def rows(text: str) -> Rows:
    """The rows of the README's table, by benchmark."""
    part = PART.search(text)
    kept: Rows = {}
    for line in part[2].splitlines() if part else ():
        if name := re.match(r"\| `(\w+)` \|", line):
            kept.setdefault(name[1], []).append(line)
    return kept


def written(text: str, table: Rows) -> str:
    """The README with these rows."""
    lines = "".join(f"{line}\n" for name in sorted(table) for line in table[name])
    return PART.sub(lambda part: f"{part[1]}{HEAD}{lines}{part[3]}", text)


def measure(name: str, module: ModuleType) -> list[str]:
    """Run a benchmark; its rows, each printed as soon as it is there."""
    made = []
    for what, figure in module.figures():
        print(f"{name}: {what}: {figure}", flush=True)  # noqa: T201
        made.append(f"| `{name}` | {_cell(what)} | {_cell(figure)} |")
    return made


def _cell(text: object) -> str:
    return " ".join(str(text).replace("|", "\\|").split())


def main(names: Iterable[str]) -> None:
    wanted, known = set(names), dict(found())
    if unknown := wanted - known.keys():
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    table = {name: lines for name, lines in rows(README.read_text()).items() if name in known}
    for name, module in known.items():
        if not wanted or name in wanted:
            table[name] = measure(name, module)
            README.write_text(written(README.read_text(), table))


if __name__ == "__main__":
    main(sys.argv[1:])
