"""A corpus: several recordings of the same service as one script, which answers like the service they came from.

Each recording is cut by itself; then they are laid side by side, with the flows of each under its own name. What
stands at the same place in several (the user's id in the answer to the login, say) is one variable: a client that
went from one recording to another keeps its ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from simulator.core.events import Event
from simulator.core.jsontext import Json
from simulator.core.recording import Header, Recording, Service
from simulator.core.script import Expectation, FlowScript, Script
from simulator.core.units import Time
from simulator.core.values.correlation import COMPOSED, PAIRED, TIME, Part, Plan, Variable
from simulator.core.values.places import Slot, place

Role = tuple[str, str, int]
"""What a variable is in its recording: its kind, the place where it first stands, and which one of those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One recording, and where it lies in the corpus: after so many events, and so much later than the first."""

    name: str
    number: int
    offset: int
    later: Time
    script: Script

    def flow(self, flow: str) -> str:
        return f"{self.name}/{flow}"

    def moved(self, event: Event) -> Event:
        return replace(event, flow=self.flow(event.flow), at=event.at + self.later, id=None, cause=None)


def corpus_of(scripts: Sequence[tuple[str, Script]]) -> Script:
    """One script of the scripts of several recordings with their names, or of one, which is itself."""
    if len(scripts) == 1:
        return scripts[0][1]
    parts = list(_parts(scripts))
    return Script(
        recording=Recording(
            header=_header([part.script.recording.header for part in parts]),
            events=tuple(part.moved(event) for part in parts for event in part.script.recording.events),
        ),
        flows=tuple(_moved(flow, part) for part in parts for flow in part.script.flows),
        plan=_plan(parts),
        answers=tuple(index + part.offset for part in parts for index in part.script.answers),
    )


def _parts(scripts: Sequence[tuple[str, Script]]) -> Iterator[_Part]:
    offset = 0
    earliest = min(script.recording.header.created for _, script in scripts)
    names: list[str] = []
    for number, (name, script) in enumerate(scripts):
        names.append(name)
        times = names.count(name)
        unique = name if times == 1 else f"{name} {times}"
        later = script.recording.header.created - earliest
        yield _Part(name=unique, number=number, offset=offset, later=later, script=script)
        offset += len(script.recording.events)


def _header(headers: Sequence[Header]) -> Header:
    origins: dict[str, dict[str, None]] = {}
    for service in (service for header in headers for service in header.services):
        origins.setdefault(service.name, {}).update(dict.fromkeys(service.origins))
    return Header(
        title=" + ".join(header.title for header in headers if header.title),
        created=min(header.created for header in headers),
        services=tuple(Service(name=name, origins=tuple(urls)) for name, urls in origins.items()),
        correlate=tuple(item for header in headers for item in header.correlate or ()),
        match={place: rule for header in reversed(headers) for place, rule in header.match.items()},
        ignore=_joined(header.ignore for header in headers),
        redacted=sum((Counter(header.redacted) for header in headers), Counter[str]()),
        standins=_joined(header.standins for header in headers),
    )


def _joined(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Everything that is in one of them, once."""
    return tuple(dict.fromkeys(chain.from_iterable(lists)))


def _moved(flow: FlowScript, part: _Part) -> FlowScript:
    return replace(
        flow,
        flow=part.flow(flow.flow),
        part=part.number,
        begins=flow.begins + part.later,
        ends=flow.ends + part.later,
        closed=None if flow.closed is None else flow.closed + part.offset,
        opening=_expectation(flow.opening, part),
        expectations=tuple(_expectation(item, part) for item in flow.expectations),
    )


def _expectation(item: Expectation, part: _Part) -> Expectation:
    reactions = tuple(
        replace(reaction, index=reaction.index + part.offset, event=part.moved(reaction.event))
        for reaction in item.reactions
    )
    return replace(item, index=item.index + part.offset, event=part.moved(item.event), reactions=reactions)


def _plan(parts: Iterable[_Part]) -> Plan:
    """All plans as one; variables with the same role have one number, and know each other's values."""
    parts = list(parts)
    roles = [_roles(part.script) for part in parts]
    values: dict[Role, list[Json]] = {}
    for part, mine in zip(parts, roles, strict=True):
        for variable in part.script.plan.variables:
            if variable.number in mine:
                values.setdefault(mine[variable.number], []).append(variable.value)
    numbers: dict[Role, int] = {}
    variables: list[Variable] = []
    uses: dict[int, tuple[tuple[Slot, Variable], ...]] = {}
    for part, mine in zip(parts, roles, strict=True):
        made: dict[int, Variable] = {}
        for variable in sorted(part.script.plan.variables, key=lambda item: len(str(item.value))):
            role = mine.get(variable.number)
            known = None if role is None else numbers.setdefault(role, len(variables))
            number = len(variables) if known is None else known
            made[variable.number] = _renumbered(variable, number, part, made, values.get(role, []) if role else [])
            variables.append(made[variable.number])
        for index, pairs in part.script.plan.uses.items():
            uses[index + part.offset] = tuple((slot, made[variable.number]) for slot, variable in pairs)
    correlations = tuple(item for part in parts for item in part.script.plan.correlations)
    return Plan(variables=tuple(variables), uses=uses, correlations=tuple(dict.fromkeys(correlations)))


def _renumbered(
    variable: Variable, number: int, part: _Part, made: dict[int, Variable], values: list[Json]
) -> Variable:
    """The variable in the corpus; its parts are shorter, so they are `made` already."""
    inner = tuple(Part(each.begin, each.end, made[each.variable.number]) for each in variable.parts)
    also = tuple(value for value in values if value != variable.value)
    return replace(variable, number=number, source=variable.source + part.offset, parts=inner, also=also)


def _roles(script: Script) -> dict[int, Role]:
    """What each variable is, by number; times, short ids and texts with ids in them are nobody's but their own."""
    found: dict[int, Role] = {}
    seen: dict[tuple[str, str], int] = {}
    routes = {flow.flow: flow.route for flow in script.flows}
    for index, event in enumerate(script.recording.events):
        for slot, variable in script.plan.at(index):
            if variable.number in found or variable.kind in (TIME, COMPOSED, PAIRED):
                continue
            key = (variable.kind, place(routes[event.flow], event, slot))
            seen[key] = seen.get(key, 0) + 1
            found[variable.number] = (*key, seen[key])
    return found
