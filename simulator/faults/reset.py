"""reset: the connection is gone without a goodbye."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from simulator.core.events import Event, Reset
from simulator.core.fault import ANY, Context, Fault, Kinds, Mode, sent


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetFault(Fault):
    """The connection ends by TCP RST, or with `rst: false` by a bare FIN; a WebSocket client reports 1006."""

    name: ClassVar[str] = "reset"
    mode: ClassVar[Mode] = Mode.STRIKE
    acts_on: ClassVar[Kinds] = ANY
    direction = None
    rst: bool = True

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [sent(Reset, context, rst=self.rst)]
