"""The flows of a recording, ready to be paired with those of another: by service, method and path, not by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from simulator.core.drift.align import Keys, align
from simulator.core.drift.items import Item, items_of
from simulator.core.drift.sides import Side, travels
from simulator.core.events import Event, Request
from simulator.core.matching.compare import is_upgrade_request, is_volatile
from simulator.core.units import Time
from simulator.core.values.places import segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A flow's name, what it is called for people, and its items; `label` is equal for flows of the same kind."""

    id: str
    label: str
    items: tuple[Item, ...]
    begins: Time
    ends: Time
    keys: Keys


def flows_of(side: Side) -> list[Flow]:
    """The flows of a recording, in the order in which they began."""
    indices: dict[str, list[int]] = {}
    for index, event in enumerate(side.recording.events):
        indices.setdefault(event.flow, []).append(index)
    return [_flow(flow, places, side) for flow, places in indices.items()]


def _flow(flow: str, indices: list[int], side: Side) -> Flow:
    events = side.recording.events
    items = tuple(items_of(indices, side))
    label = _label(events[indices[0]], indices[0], side)
    opening = items[0].keys.exact if items else ""
    told = hashlib.sha256("".join(item.keys.exact for item in items).encode()).hexdigest()
    return Flow(
        id=flow,
        label=label,
        items=items,
        begins=events[indices[0]].at,
        ends=events[indices[-1]].at,
        keys=Keys(exact=told, shape=opening, name=label),
    )


def _label(first: Event, index: int, side: Side) -> str:
    """'backend GET /api/kernels/{}/channels (WebSocket)', with holes for what is another in every run."""
    if not isinstance(first, Request):
        return f"a flow that begins with a {first.kind}"
    variables = side.variables(index)
    parts = [
        "{}" if part.isdecimal() or is_volatile(part) or travels(variables.get(("path", position))) else part
        for position, part in enumerate(segments(first))
    ]
    kind = " (WebSocket)" if is_upgrade_request(first) else ""
    return f"{first.service} {first.method} /{'/'.join(parts)}{kind}"


def pair_flows(before: list[Flow], after: list[Flow]) -> Iterator[tuple[Flow | None, Flow | None]]:
    """Flows that stand for each other: of those of the same kind, by their order and by what was said on them."""
    kinds: dict[str, tuple[list[Flow], list[Flow]]] = {}
    for side, flows in enumerate((before, after)):
        for flow in flows:
            kinds.setdefault(flow.label, ([], []))[side].append(flow)
    for ours, theirs in kinds.values():
        for one, two in align([flow.keys for flow in ours], [flow.keys for flow in theirs]):
            yield (None if one is None else ours[one]), (None if two is None else theirs[two])
