"""dialect: messages that say the same in other words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from simulator.core import jsontext
from simulator.core.events import Event, Message
from simulator.core.fault import Context, Fault, Kinds
from simulator.core.jsontext import MISSING, Json, Path
from simulator.core.matching.compare import is_discriminator
from simulator.faults.rawframes import MESSAGES


def _renamed() -> dict[str, str]:
    return {"type": "event", "data": "payload"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectFault(Fault):
    """A message's fields get other names, as `rename` says at any depth, and its type another word by `values`.

    Two versions of a backend, or two of its modules, rarely agree on whether a message has a `type` or an `event`.
    """

    name: ClassVar[str] = "dialect"
    acts_on: ClassVar[Kinds] = MESSAGES
    rename: Mapping[str, str] = field(default_factory=_renamed)
    values: Mapping[str, str] = field(default_factory=dict)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        document = jsontext.parse_object(event.data) if isinstance(event, Message) else MISSING
        if not isinstance(event, Message) or not isinstance(event.data, str) or document is MISSING:
            return [event]
        style = jsontext.style_of(event.data, document) or "spaced"
        said = self._said(document, ())
        return [event if said == document else replace(event, data=jsontext.dump(said, style), fragments=())]

    def _said(self, value: Json, path: Path) -> Json:
        if isinstance(value, dict):
            return {self.rename.get(key, key): self._said(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._said(inner, (*path, index)) for index, inner in enumerate(value)]
        if isinstance(value, str) and is_discriminator(path, value):
            return self.values.get(value, value)
        return value
