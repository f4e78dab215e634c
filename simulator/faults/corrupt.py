"""corrupt: messages whose JSON is not what it should be."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from simulator.core import jsontext
from simulator.core.errors import FaultError
from simulator.core.events import Event, Message
from simulator.core.fault import Context, Fault, Kinds
from simulator.core.jsontext import MISSING, Json, Path
from simulator.core.values.ids import fresh, has_random_part, is_id_name
from simulator.faults.rawframes import MESSAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptFault(Fault):
    """A message's JSON is broken: `malformed`, or a value missing, null, of the wrong type, or a stale id.

    `path` says which value, as in '$.data.run_id'; without it, one is picked by the seed. A stale id is one that
    stood there in an earlier message, else one of the same shape that nobody knows.
    """

    name: ClassVar[str] = "corrupt"
    acts_on: ClassVar[Kinds] = MESSAGES
    kind: Literal["malformed", "missing-field", "null", "wrong-type", "stale-id"] = "malformed"
    path: str = ""

    def __post_init__(self) -> None:
        try:
            jsontext.parse_path(self.path or "$")
        except ValueError as error:
            raise FaultError(str(error), place="path") from None

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message) or not isinstance(event.data, str):
            return [event]
        document = jsontext.parse_object(event.data)
        if document is MISSING:
            return [event]
        if self.kind == "malformed":  # the last bracket is what a cut or a careless writer loses first
            return [replace(event, data=event.data.rstrip()[:-1], fragments=())]
        path = self._path(document, context.rng)
        if path is None:
            return [event]
        broken = self._broken(document, path, context)
        style = jsontext.style_of(event.data, document) or "spaced"
        same = broken == document and jsontext.dump(broken) == jsontext.dump(document)
        return [event if same else replace(event, data=jsontext.dump(broken, style), fragments=())]

    def _path(self, document: Json, rng: random.Random) -> Path | None:
        if self.path:
            path = jsontext.parse_path(self.path)
            return None if not path or jsontext.at_path(document, path) is MISSING else path
        wanted = [
            path for path, value in jsontext.leaves(document) if self.kind != "stale-id" or _is_id(path, value)
        ]
        return rng.choice(wanted) if wanted else None

    def _broken(self, document: Json, path: Path, context: Context) -> Json:
        value = jsontext.at_path(document, path)
        if value is MISSING:
            return document
        match self.kind:
            case "missing-field":
                return without(document, path)
            case "null":
                return jsontext.replaced(document, path, None)
            case "wrong-type":
                return jsontext.replaced(document, path, _of_another_type(value))
        stale = next((old for old in _before(context.past, path) if old != value), None)
        made = fresh(value, context.rng) if isinstance(value, str) else value
        return jsontext.replaced(document, path, made if stale is None else stale)


def _is_id(path: Path, value: Json) -> bool:
    return bool(path) and is_id_name(path[-1]) and has_random_part(value)


def _before(past: Iterable[Event], path: Path) -> Iterator[Json]:
    """What stood at a path in earlier messages, the latest first."""
    for event in reversed(tuple(past)):
        found = jsontext.at_path(
            jsontext.parse_object(event.data) if isinstance(event, Message) else MISSING, path
        )
        if found is not MISSING and found is not None:
            yield found


def _of_another_type(value: Json) -> Json:
    """Text for what is no text, a number for text, a list for an object."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return []
    return jsontext.dump(value)


def without(document: Json, path: Path) -> Json:
    """A copy of a document without the value at a path."""
    parent = jsontext.at_path(document, path[:-1])
    if isinstance(parent, dict):
        return jsontext.replaced(
            document, path[:-1], {key: each for key, each in parent.items() if key != path[-1]}
        )
    if isinstance(parent, list) and isinstance(path[-1], int):
        kept = [each for index, each in enumerate(parent) if index != path[-1] % len(parent)]
        return jsontext.replaced(document, path[:-1], kept)
    return document
