"""A recording with an index: its script, of which everything is made from the file when it is needed."""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final
from weakref import finalize

from simulator.core.errors import RecordingError
from simulator.core.events import Event, Request
from simulator.core.journal import Note
from simulator.core.lazy import Lazy
from simulator.core.matching.overrides import Overrides, overrides
from simulator.core.recording import Correlation, Header, Recording
from simulator.core.script import Expectation, FlowScript, Reaction, Script
from simulator.core.values.correlation import Part, Plan, Variable
from simulator.core.values.places import Slot, route
from simulator.files.reader import entry_at

VARIABLE: Final = tuple(each.name for each in fields(Variable) if each.name not in ("number", "parts"))
"""The fields of a variable as they stand in an index; its parts come after them."""

_KEPT: Final = 1024
"""How many events are kept that were read last."""


class Lines:
    """The events of a file that stays open, by their index."""

    def __init__(self, path: Path, offsets: Sequence[int], lengths: Sequence[int]) -> None:
        self._path, self._file = path, os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        finalize(self, os.close, self._file)
        self._offsets, self._lengths = offsets, lengths
        self.event = lru_cache(maxsize=_KEPT)(self._event)

    def _event(self, index: int) -> Event:
        place = f"{self._path}: event {index + 1}"
        line = os.pread(self._file, self._lengths[index], self._offsets[index])
        entry = entry_at(line, place)
        if isinstance(entry, Note):
            raise RecordingError("is a note now; the file was changed while it was used", place=place)
        return entry


class Indexed:
    """Makes what a script is made of, from the sections of an index."""

    def __init__(self, path: Path, header: Header, views: Mapping[str, Any]) -> None:
        self._header, self._views = header, views
        self._event = Lines(path, views["offsets"], views["lengths"]).event
        self._slots = [Slot(part, tuple(at)) for part, at in json.loads(bytes(views["slots"]))]
        self._times, self._beats = views["times"], views["beats"]

    def script(self, correlations: Sequence[Correlation]) -> Script:
        views, header = self._views, self._header
        events = Lazy(range(len(views["offsets"])), self._event)
        plan = self.plan(correlations)
        said = overrides(header.match, header.ignore, plan.paired)
        told = json.loads(bytes(views["flows"]))
        return Script(
            recording=Recording(header=header, events=events),
            flows=tuple(self._flow(number, said, *each) for number, each in enumerate(told)),
            plan=plan,
            answers=views["answers"],
        )

    def plan(self, correlations: Sequence[Correlation]) -> Plan:
        """The plan alone, for which an index need have nothing about flows."""
        variables = Lazy(range(len(self._views["variables at"])), self._variable)
        uses = _Uses(self, len(self._views["offsets"]))
        lone = _Lone(self._views["lone"])
        return Plan(variables=variables, uses=uses, correlations=tuple(correlations), lone=lone)

    def _flow(
        self, number: int, said: Overrides, flow: str, opening: int, upgrade: bool, *when: Any
    ) -> FlowScript:
        first = self.expectation(opening)
        if not isinstance(first.event, Request):
            raise RecordingError("a flow does not begin with its request", place=f"flow {flow}")
        begins, ends, closed = when
        where = route(first.event)
        return FlowScript(
            flow=flow,
            route=where,
            opening=first,
            expectations=Lazy(self._list("expectations", number), self.expectation),
            rules=said.on(where),
            upgrade=upgrade,
            begins=begins,
            ends=ends,
            closed=closed,
        )

    def _list(self, name: str, number: int) -> Sequence[int]:
        """One of many lists that stand behind each other."""
        first = self._views[f"{name} first"]
        found: Sequence[int] = self._views[name][first[number] : first[number + 1]]
        return found

    def expectation(self, index: int) -> Expectation:
        reactions = Lazy(self._list("reactions", index), partial(self._reaction, index))
        beats = bool(self._beats[index])
        return Expectation(index=index, event=self._event(index), reactions=reactions, heartbeat=beats)

    def _reaction(self, cause: int, index: int) -> Reaction:
        delay = self._times[index] - self._times[cause]
        return Reaction(index=index, delay=delay, event=self._event(index), heartbeat=bool(self._beats[index]))

    def uses(self, index: int) -> tuple[tuple[Slot, Variable], ...]:
        """Which slots of an event hold which variable."""
        first = self._views["use variables first"]
        pairs = range(first[index], first[index + 1])
        slots, variables = self._views["use slots"], self._views["use variables"]
        return tuple((self._slots[slots[pair]], self._variable(variables[pair])) for pair in pairs)

    def _variable(self, number: int) -> Variable:
        at = self._views["variables at"][number]
        end = at + self._views["variables long"][number]
        *values, parts = json.loads(bytes(self._views["variables"][at:end]))
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in zip(VARIABLE, values, strict=True)
        }
        inside = tuple(Part(begin, end, self._variable(part)) for begin, end, part in parts)
        return Variable(number=number, parts=inside, **given)


class _Lone(Container[int]):
    """The numbers at which there is a 1."""

    def __init__(self, flags: Sequence[int]) -> None:
        self._flags = flags

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and number < len(self._flags) and bool(self._flags[number])


class _Uses(Mapping[int, tuple[tuple[Slot, Variable], ...]]):
    """The uses of variables by event, for those events that have any."""

    def __init__(self, indexed: Indexed, events: int) -> None:
        self._indexed, self._events = indexed, events

    def __getitem__(self, index: int) -> tuple[tuple[Slot, Variable], ...]:
        found = self._indexed.uses(index) if 0 <= index < self._events else ()
        if not found:
            raise KeyError(index)
        return found

    def __iter__(self) -> Iterator[int]:
        return (index for index in range(self._events) if self._indexed.uses(index))

    def __len__(self) -> int:
        return sum(1 for _ in self)
