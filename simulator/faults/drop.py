"""drop: a message is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from simulator.core.events import Event
from simulator.core.fault import DATA, Context, Fault, Kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class DropFault(Fault):
    """The selected messages vanish; with `direction: upstream` the server never gets them, so it never answers."""

    name: ClassVar[str] = "drop"
    acts_on: ClassVar[Kinds] = DATA

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return []
