"""Advice for a recording's header: what its own traffic says about matching that no comparison can know.

Two requests that differ in one place only, and have different answers, show that this place decides: a value that
was not recorded should be refused there and not be answered like another (`match: {PLACE: exact}`). Two that
differ in a query only, and have the same answer, show that it decides nothing (`ignore: [PLACE]`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from simulator.core.events import Event, Message
from simulator.core.jsontext import Json
from simulator.core.matching.compare import is_discriminator, is_volatile, label, shown
from simulator.core.matching.overrides import EXACT
from simulator.core.script import Expectation, FlowScript, Reaction, Script
from simulator.core.values.correlation import Plan
from simulator.core.values.origins import Origins
from simulator.core.values.places import Slot, place, slots
from simulator.core.values.timestamps import looks_like_time

_NAME: Final = re.compile(r"[\w.:/-]{1,60}")
_LOOKED_AT: Final = 30
"""How many alike are compared with each other: pairs grow with the square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A line for the header: `option` is 'match' or 'ignore', `place` where, `because` the evidence."""

    option: str
    place: str
    because: str


def advice(script: Script) -> tuple[Advice, ...]:
    """What a recording's header could say about matching and does not say yet."""
    header = script.recording.header
    found: dict[str, Advice] = {}
    for one, other, route in _pairs(script):
        differing = [
            item
            for item in _differing(one.event, other.event)
            if place(route, one.event, item[0]) not in script.plan.paired
        ]
        if len(differing) != 1:
            continue
        (slot, (ours, theirs)) = differing[0]
        where = place(route, one.event, slot)
        if where in found or where in header.match or where in header.ignore or is_discriminator(slot.at, ours):
            continue
        if not (_is_name(ours) and _is_name(theirs)):
            continue
        before, after = (answers(each, script.plan, Origins()) for each in (one, other))
        item = _judged(before, after, where, slot, f"{shown(ours)} and {shown(theirs)}")
        if item is not None:
            found[where] = item
    return tuple(found.values())


def _judged(before: list[Said], after: list[Said], where: str, slot: Slot, values: str) -> Advice | None:
    if before == after and slot.part == "query":
        return Advice(option="ignore", place=where, because=f"{values} had the same answer")
    if before != after and slot.part == "json" and before and after:
        return Advice(option=f"match {EXACT}", place=where, because=f"{values} had different answers")
    return None


def _pairs(script: Script) -> Iterator[tuple[Expectation, Expectation, str]]:
    """Requests, and messages of a flow, that are the same thing said twice."""
    groups: dict[tuple[str, str], list[Expectation]] = {}
    routes: dict[tuple[str, str], str] = {}
    for flow in script.flows:
        for item in _said(flow):
            key = (flow.route, label(item.event).partition("?")[0])
            group = groups.setdefault(key, [])
            if len(group) < _LOOKED_AT:
                group.append(item)
            routes[key] = flow.route
    for key, items in groups.items():
        yield from ((one, other, routes[key]) for one, other in combinations(items, 2))


def _said(flow: FlowScript) -> Iterator[Expectation]:
    yield flow.opening
    yield from (item for item in flow.expectations if isinstance(item.event, Message) and not item.heartbeat)


def _differing(one: Event, other: Event) -> list[tuple[Slot, tuple[Json, Json]]]:
    """Slots that both have with different values, if these are all that differs; ids and times always do."""
    ours, theirs = _values(one), _values(other)
    if ours.keys() != theirs.keys():
        return []
    pairs = {slot: (ours[slot], theirs[slot]) for slot in ours if ours[slot] != theirs[slot]}
    return [item for item in pairs.items() if not all(is_volatile(str(value)) for value in item[1])]


def _values(event: Event) -> dict[Slot, Json]:
    """What may decide: no path, for another path is another route, and no header, for they speak of the client."""
    return {slot: value for slot, value in slots(event) if slot.part in ("query", "json")}


def _is_name(value: Json) -> bool:
    """A word that may choose something; free text does as well, but nobody says the same sentence twice."""
    return not isinstance(value, str) or bool(_NAME.fullmatch(value))


Said = tuple[str, tuple[tuple[Slot, Json], ...]]
"""What the server said, as far as it is the same in every run: its label, and its values."""


def answers(item: Expectation, plan: Plan, origins: Origins) -> list[Said]:
    """What followed, without what is another in every run."""
    said = [reaction for reaction in item.reactions if not reaction.heartbeat]
    return [(label(each.event), tuple(_constant(each, plan, origins))) for each in said]


def _constant(said: Reaction, plan: Plan, origins: Origins) -> Iterator[tuple[Slot, Json]]:
    """The JSON values of an event, ids and times as null."""
    variable = {slot for slot, _ in plan.at(said.index)}
    for slot, value in slots(origins.rebased(said.event)):
        if slot.is_json:
            volatile = slot in variable or is_volatile(str(value)) or looks_like_time(value)
            yield slot, None if volatile else value
