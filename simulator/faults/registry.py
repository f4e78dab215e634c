"""All faults by name: the modules of this package, and those that other packages add by entry point.

Another package adds faults with an entry point in the group 'stagesim.faults' that names a Fault class.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from inspect import isabstract
from types import ModuleType

import simulator.faults
from simulator.core.errors import FaultError
from simulator.core.fault import Fault

GROUP = "stagesim.faults"


@cache
def all_faults() -> Mapping[str, type[Fault]]:
    """Every fault class by its name, in order of names. Raises FaultError for an entry point that is no fault."""
    found: dict[str, type[Fault]] = {}
    for info in pkgutil.iter_modules(simulator.faults.__path__, "simulator.faults."):
        found |= {fault.name: fault for fault in _classes(importlib.import_module(info.name))}
    for point in entry_points(group=GROUP):
        added = point.load()
        if not (isinstance(added, type) and issubclass(added, Fault)):
            raise FaultError(f"is no Fault class: {added!r}", place=f"entry point {point.name} of {GROUP}")
        found[added.name] = added
    return dict(sorted(found.items()))


def _classes(module: ModuleType) -> Iterator[type[Fault]]:
    for value in vars(module).values():
        ours = isinstance(value, type) and issubclass(value, Fault) and value.__module__ == module.__name__
        if ours and not isabstract(value):
            yield value


def description(fault: type[Fault]) -> str:
    """The first sentence of a fault's docstring."""
    return " ".join((fault.__doc__ or "").split("\n\n")[0].split())
