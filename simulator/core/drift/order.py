"""Order: what came before what in one recording and after it in the other, and is no mere race."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from simulator.core.drift.differences import Difference, Kind
from simulator.core.drift.flows import Flow
from simulator.core.drift.items import Item
from simulator.core.units import MILLISECOND, Time

RACE: Final[Time] = 100 * MILLISECOND
"""What the two sides say within so long of each other, in both recordings, may be in any order."""

ItemPair = tuple[Item, Item]


def crossings(pairs: Sequence[ItemPair]) -> Iterator[tuple[Item, Difference]]:
    """Pairs of one flow that have changed places with what the other side says; with each, the pair's item."""
    sides = [[pair for pair in pairs if (pair[0].direction.value == way)] for way in ("upstream", "downstream")]
    ours, theirs = sides
    if not ours or not theirs:
        return
    befores = [pair[0].rank for pair in theirs]
    afters = [pair[1].rank for pair in theirs]
    if sorted(afters) != afters:  # they have changed places among themselves, which is said already
        return
    for one, two in ours:
        first, second = bisect_left(befores, one.rank), bisect_left(afters, two.rank)
        crossed = theirs[min(first, second) : max(first, second)]
        ends = [pair for pair in (*crossed[:1], *crossed[-1:]) if _gap((one, two), pair) > RACE]
        if ends:
            earlier, later = f"before {ends[0][0].label}", f"after {ends[0][0].label}"
            shown = (earlier, later) if first < second else (later, earlier)
            yield one, Difference(kind=Kind.ORDER, event=one.label, before=shown[0], after=shown[1])


def _gap(one: ItemPair, two: ItemPair) -> Time:
    return max(abs(one[0].at - two[0].at), abs(one[1].at - two[1].at))


def overtakings(pairs: Iterable[tuple[Flow, Flow]]) -> dict[str, Difference]:
    """Flows that began after another one had ended, and ended before it began in the other recording.

    By the flow's name in the first recording.
    """
    pairs = list(pairs)
    ended = sorted(pairs, key=lambda pair: pair[0].ends)
    found: dict[str, Difference] = {}
    last: tuple[Flow, Flow] | None = None
    position = 0
    for one, two in sorted(pairs, key=lambda pair: pair[0].begins):
        while position < len(ended) and ended[position][0].ends < one.begins:
            if last is None or ended[position][1].begins > last[1].begins:
                last = ended[position]
            position += 1
        if last is not None and two.ends < last[1].begins:
            shown = f"after {last[0].label}", f"before {last[0].label}"
            found[one.id] = Difference(kind=Kind.ORDER, before=shown[0], after=shown[1])
    return found
