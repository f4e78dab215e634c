"""One of two recordings, and what its values mean: which are made anew in every run, and of what kind they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from simulator.core.jsontext import Json, Path
from simulator.core.recording import Recording, standin_digest
from simulator.core.units import Time
from simulator.core.values.correlation import COMPOSED, TIME, TOKEN, Plan, Variable
from simulator.core.values.ids import has_random_part, is_id_name, is_jwt, is_secret_name, without_ids
from simulator.core.values.origins import Origins
from simulator.core.values.places import lines_of
from simulator.core.values.planning import plan
from simulator.core.values.timestamps import is_timestamp, looks_like_time, without_dates

ID_HOLE, TIME_HOLE, SECRET_HOLE = "{id}", "{time}", "{secret}"

_OPAQUE: Final = frozenset(
    "age alt-svc authorization cookie etag last-modified set-cookie traceparent tracestate x-request-id".split()
)
"""Header fields whose values say nothing beyond this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One recording: its plan knows the values that travel, its origins are where its services were."""

    recording: Recording
    plan: Plan
    origins: Origins
    strict: bool

    @classmethod
    def of(cls, recording: Recording, *, strict: bool) -> Side:
        header = recording.header
        names = {service.name: f"http://{service.name}" for service in header.services}
        origins = Origins.of(header.services, names)
        return cls(recording=recording, plan=plan(recording), origins=origins, strict=strict)

    def variables(self, index: int) -> dict[Path, Variable]:
        """The values of an event that travel, by their path in the document of its item."""
        found: dict[Path, Variable] = {}
        for slot, variable in self.plan.at(index):
            if slot.part != "line":
                found["$" if slot.part == "json" else slot.part, *slot.at] = variable
        return found

    def in_lines(self, indices: Iterable[int]) -> dict[str, deque[tuple[int, Variables]]]:
        """The same for the JSON lines of a stream, in order for each text, and which event each line is in."""
        found: dict[str, deque[tuple[int, Variables]]] = {}
        for index in indices:
            lines: list[tuple[str, dict[Path, Variable]]] = [
                (line.text.decode(), {}) for line in lines_of(self.recording.events[index])
            ]
            for slot, variable in self.plan.at(index):
                if slot.part == "line":
                    lines[int(slot.at[0])][1]["$", *slot.within] = variable
            for text, variables in lines:
                found.setdefault(text, deque()).append((index, variables))
        return found

    def normal(self, value: Json, path: Path, variable: Variable | None, at: Time) -> Json:
        """A value without what is another in every run; equal for values that mean the same in any run."""
        if self.strict or value is None or isinstance(value, bool):
            return value
        if variable is not None and variable.kind != COMPOSED:
            return TIME_HOLE if variable.kind == TIME else ID_HOLE
        if self._is_time(value, at):
            return TIME_HOLE
        if self.is_secret(value):
            return SECRET_HOLE
        if isinstance(value, str):
            return self._text(value, path, variable)
        return ID_HOLE if is_id_name(path[-1]) else value

    def is_secret(self, value: Json) -> bool:
        """Whether a text stands for a secret that was not recorded: what stands for it is another each time."""
        known = self.recording.header.standins
        return bool(known) and isinstance(value, str) and standin_digest(value) in known

    def _is_time(self, value: Json, at: Time) -> bool:
        return is_timestamp(value, self.recording.header.created + at) or (
            isinstance(value, str) and looks_like_time(value)
        )

    def _text(self, text: str, path: Path, variable: Variable | None) -> str:
        named = [step for step in path if isinstance(step, str)]
        if text and (is_secret_name(named[-1]) or (path[0] == "header" and named[-1] in _OPAQUE)):
            return SECRET_HOLE
        if is_id_name(named[-1]) and has_random_part(text):
            return ID_HOLE
        for part in reversed(variable.parts if variable and variable.kind != TOKEN else ()):
            text = text[: part.begin] + ID_HOLE + text[part.end :]
        return without_ids(without_dates(self.origins.in_text(text), TIME_HOLE), ID_HOLE)


def may_be(variable: Variable, value: Json) -> bool:
    """Whether a value of the other recording can be what this variable is called there."""
    if variable.kind == TOKEN:
        return is_jwt(value)
    if variable.kind == TIME:
        return looks_like_time(value)
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def travels(variable: Variable | None) -> bool:
    """Whether a value is made by one side and sent back by the other: an id, or a token."""
    return variable is not None and variable.kind not in (COMPOSED, TIME)


Variables = Mapping[Path, Variable]
