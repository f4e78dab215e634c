"""Conflicts: the same question, answered otherwise by another recording, so that a replay has to choose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, zip_longest
from typing import Final

from simulator.core.jsontext import MISSING
from simulator.core.matching.advice import Said, answers
from simulator.core.matching.compare import compare, label, shown
from simulator.core.script import FlowScript, Script
from simulator.core.values.origins import Origins

_SHOWN: Final = 3
_LOOKED_AT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two recorded flows that begin alike, and what each is answered first; the first one is played.

    `chosen_by` are messages of the client that only the other one has.
    """

    question: str
    first: str
    answer: str
    other: str
    instead: str
    chosen_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        there = self.other.partition("/")[0]
        turn = f"sends {' or '.join(self.chosen_by)}" if self.chosen_by else f"has done what only {there} has"
        return (
            f"{self.question}: {self.first} answers {self.answer}, and {self.other} {self.instead}; "
            f"a client gets the first, unless it {turn}"
        )


def conflicts(script: Script) -> tuple[Conflict, ...]:
    """Where the recordings of a corpus disagree: each pair of flows once."""
    found: dict[tuple[str, str, str], Conflict] = {}
    services = script.recording.header.services
    origins = Origins.of(services, {service.name: f"http://{service.name}" for service in services})
    for one, other in _pairs(script.flows):
        if compare(one.opening.event, other.opening.event, rules=one.rules).matches:
            before, after = (answers(flow.opening, script.plan, origins) for flow in (one, other))
            if before != after:
                conflict = Conflict(
                    question=label(one.opening.event),
                    first=one.flow,
                    answer=_told(before, after),
                    other=other.flow,
                    instead=_told(after, before),
                    chosen_by=tuple(dict.fromkeys(_only(other, one))),
                )
                found.setdefault((conflict.question, conflict.answer, conflict.instead), conflict)
    return tuple(found.values())


def _pairs(flows: Iterable[FlowScript]) -> Iterator[tuple[FlowScript, FlowScript]]:
    """Flows of different recordings with the same route; of each recording, the first of each question."""
    groups: dict[tuple[str, str], dict[int, FlowScript]] = {}
    for flow in flows:
        groups.setdefault((flow.route, label(flow.opening.event)), {}).setdefault(flow.part, flow)
    for group in groups.values():
        yield from combinations(group.values(), 2)


def _told(said: list[Said], others: list[Said]) -> str:
    """What was said otherwise, with the values that differ."""
    nothing: Said = ("nothing", ())
    for one, other in zip_longest(said, others, fillvalue=nothing):
        if one != other:
            theirs = dict(other[1])
            differing = [f"{slot}={shown(value)}" for slot, value in one[1] if theirs.get(slot, MISSING) != value]
            return " ".join([one[0], *differing[:_SHOWN]])
    return "the same"


def _only(flow: FlowScript, other: FlowScript) -> Iterator[str]:
    """What the client of one flow sent that nothing in the other expects."""
    for item in flow.expectations[:_LOOKED_AT]:
        matched = any(compare(each.event, item.event).matches for each in other.expectations[:_LOOKED_AT])
        if not item.heartbeat and not matched and item.event.kind == "message":
            yield label(item.event)
