"""The comparison of two recordings: flow by flow, and in each flow one direction after the other."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from simulator.core.drift.align import align
from simulator.core.drift.differences import Difference, Drift, FlowDrift, Kind, Timing, in_order
from simulator.core.drift.flows import Flow, flows_of, pair_flows
from simulator.core.drift.items import Item
from simulator.core.drift.order import ItemPair, crossings, overtakings
from simulator.core.drift.sides import Side
from simulator.core.drift.values import Comparer
from simulator.core.events import Direction
from simulator.core.recording import Recording
from simulator.core.units import Time, seconds


def drift(before: Recording, after: Recording, *, strict: bool = False, tolerance: Time | None = None) -> Drift:
    """What differs between two recordings.

    Flows are paired by what they ask for, messages by what they are. Values that are another in every run (ids,
    times, tokens, what correlates) may differ as long as they travel as before; `strict` counts them, too, and
    how frames were cut. A delay counts if it differs by more than `tolerance`, in µs; None tolerates any.

    `drift(b, a)` is `drift(a, b).mirrored()`, because the same one of the two is always taken first.
    """
    if _digest(after) < _digest(before):
        return drift(after, before, strict=strict, tolerance=tolerance).mirrored()
    comparer = Comparer(Side.of(before, strict=strict), Side.of(after, strict=strict))
    flows = pair_flows(flows_of(comparer.before), flows_of(comparer.after))
    matches = [_match(one, two) for one, two in flows]
    for match in matches:
        for pair in match.pairs:
            comparer.learn(*pair)
    overtaking = overtakings((match.one, match.two) for match in matches if match.one and match.two)
    found = [_flow_drift(match, comparer, tolerance) for match in matches]
    return Drift(flows=in_order(_with_order(flow, overtaking) for flow in found))


def _digest(recording: Recording) -> str:
    return hashlib.sha256(repr(recording).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    """A flow of each recording, or of one; their items in pairs, those without a partner, those out of order."""

    one: Flow | None
    two: Flow | None
    pairs: list[ItemPair] = field(default_factory=list)
    lost: list[Item] = field(default_factory=list)
    new: list[Item] = field(default_factory=list)
    moved: list[ItemPair] = field(default_factory=list)


def _match(one: Flow | None, two: Flow | None) -> _Match:
    match = _Match(one=one, two=two)
    if one is None or two is None:
        return match
    for way, beats in product(Direction, (False, True)):
        ours, theirs = (_said(flow.items, way, beats=beats) for flow in (one, two))
        lost, new = [], []
        for first, second in align([item.keys for item in ours], [item.keys for item in theirs]):
            if first is None or second is None:
                lost += [ours[first]] if first is not None else []
                new += [theirs[second]] if second is not None else []
            else:
                match.pairs.append((ours[first], theirs[second]))
        _find_moved(match, lost, new)
    match.pairs.sort(key=lambda pair: pair[0].rank)
    return match


def _said(items: Sequence[Item], way: Direction, *, beats: bool) -> list[Item]:
    """What one side said, in order; heartbeats, which come when it is time, by themselves."""
    return [item for item in items if item.direction is way and item.heartbeat is beats]


def _find_moved(match: _Match, lost: list[Item], new: list[Item]) -> None:
    """What is missing in one place and new in another has only changed its place."""
    places: dict[str, list[Item]] = {}
    for item in reversed(new):
        places.setdefault(item.keys.exact, []).append(item)
    for item in lost:
        if places.get(item.keys.exact):
            match.moved.append((item, places[item.keys.exact].pop()))
        else:
            match.lost.append(item)
    match.new.extend(item for items in places.values() for item in items)


def _flow_drift(match: _Match, comparer: Comparer, tolerance: Time | None) -> FlowDrift:
    one, two = match.one, match.two
    if one is None or two is None:
        return _only(one, two)
    numbered = _numbered(one.items), _numbered(two.items)
    found: list[tuple[int, Difference]] = []
    for pair in match.pairs:
        found += [(pair[0].rank, each) for each in comparer.differences(*pair)]
    found += [(item.rank, each) for item, each in crossings(_settled(match.pairs))]
    places = _places(one.items), _places(two.items)
    found += [(pair[0].rank, _moved(pair, *places)) for pair in _settled(match.moved)]
    timings = list(_timings(match.pairs))
    if tolerance is not None:
        found += [(rank, _late(timing)) for rank, timing in timings if timing.error > tolerance]
    named = [(rank, replace(each, event=numbered[0].get(rank, each.event))) for rank, each in found]
    named += [(item.rank, _lost(item, numbered[0])) for item in _counting(match.lost, two)]
    named += [(item.rank, _lost(item, numbered[1]).mirrored()) for item in _counting(match.new, one)]
    return FlowDrift(
        label=one.label,
        before=one.id,
        after=two.id,
        differences=tuple(each for _, each in sorted(named, key=lambda entry: entry[0])),
        timings=tuple(timing for _, timing in timings),
    )


def _only(one: Flow | None, two: Flow | None) -> FlowDrift:
    label = one.label if one else two.label if two else ""
    said = tuple(None if flow is None else f"{len(flow.items)} events" for flow in (one, two))
    difference = Difference(kind=Kind.FLOW, before=said[0], after=said[1])
    return FlowDrift(
        label=label, before=one.id if one else None, after=two.id if two else None, differences=(difference,)
    )


def _numbered(items: Sequence[Item]) -> dict[int, str]:
    """What each item is called within its flow, by its rank: 'agent_thinking', 'agent_thinking #2'."""
    arrows = {Direction.UPSTREAM: ">", Direction.DOWNSTREAM: "<"}
    seen: Counter[tuple[Direction, str]] = Counter()
    names: dict[int, str] = {}
    for item in items:
        seen[item.direction, item.label] += 1
        nth = seen[item.direction, item.label]
        names[item.rank] = f"{arrows[item.direction]} {item.label}{f' #{nth}' if nth > 1 else ''}"
    return names


def _lost(item: Item, names: dict[int, str]) -> Difference:
    return Difference(kind=Kind.EVENT, event=names[item.rank], before=item.text, after=None)


def _counting(items: list[Item], other: Flow) -> list[Item]:
    """Without heartbeats of which the other flow has had some: how many there are is a matter of time."""
    beats = {(item.direction, item.label) for item in other.items if item.heartbeat}
    return [item for item in items if (item.direction, item.label) not in beats]


def _settled(pairs: list[ItemPair]) -> list[ItemPair]:
    """Pairs whose order means something: heartbeats come when it is time."""
    return [pair for pair in pairs if not pair[0].heartbeat]


def _moved(pair: ItemPair, before: dict[int, str], after: dict[int, str]) -> Difference:
    one, two = pair
    return Difference(kind=Kind.ORDER, event=one.label, before=before[one.rank], after=after[two.rank])


def _places(items: Sequence[Item]) -> dict[int, str]:
    """Where each item stands among those of its direction, by its rank."""
    last: dict[Direction, str] = {}
    places: dict[int, str] = {}
    for item in items:
        places[item.rank] = last.get(item.direction, "first")
        last[item.direction] = f"after {item.label}"
    return places


def _timings(pairs: Sequence[ItemPair]) -> Iterator[tuple[int, Timing]]:
    """How long each event came after what the other side had last said; the opening answers nothing."""
    heard: dict[Direction, ItemPair] = {}
    for one, two in pairs:
        cause = heard.get(one.direction.opposite)
        if cause is not None:
            sent = one.direction is Direction.UPSTREAM
            before, after = one.at - cause[0].at, two.at - cause[1].at
            yield one.rank, Timing(event=one.label, sent=sent, before=before, after=after)
        heard[one.direction] = (one, two)


def _late(timing: Timing) -> Difference:
    return Difference(
        kind=Kind.TIMING, event=timing.event, before=seconds(timing.before), after=seconds(timing.after)
    )


def _with_order(flow: FlowDrift, overtaking: dict[str, Difference]) -> FlowDrift:
    if flow.before is None or flow.before not in overtaking:
        return flow
    return replace(flow, differences=(overtaking[flow.before], *flow.differences))
