"""Alignment: which items of two sequences are the same thing, when some are missing and some have changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

Pair = tuple[int | None, int | None]
"""Positions in both sequences; None where one has nothing."""

WINDOWS: Final = (16, 128)
"""How many items of each side are compared with each other at once: few, and more if these have little in common.

Work and memory stay linear in the rest. A gap of more than half of the larger window in one place is found only as
far as its surroundings are alike.
"""

_EXACT, _SHAPE, _NAME = 8, 5, 3


class Keys(NamedTuple):
    """What an item is, from strict to loose: with its values, with the types of its values, by its name alone."""

    exact: str
    shape: str
    name: str


def align(before: Sequence[Keys], after: Sequence[Keys]) -> list[Pair]:
    """Pair the items of two sequences, in order, so that as much as possible agrees; the rest pairs with None."""
    pairs: list[Pair] = []
    first = second = 0
    tail = _common_tail(before, after)
    ends = len(before) - tail, len(after) - tail
    while first < ends[0] and second < ends[1]:
        if before[first].exact == after[second].exact:
            pairs.append((first, second))
            first, second = first + 1, second + 1
            continue
        found = _next(
            before[first : min(first + WINDOWS[-1], ends[0])], after[second : min(second + WINDOWS[-1], ends[1])]
        )
        pairs += [_moved(pair, first, second) for pair in found]
        first += sum(one is not None for one, _ in found)
        second += sum(two is not None for _, two in found)
    pairs += [(index, None) for index in range(first, ends[0])]
    pairs += [(None, index) for index in range(second, ends[1])]
    return pairs + [(ends[0] + nth, ends[1] + nth) for nth in range(tail)]


def _common_tail(before: Sequence[Keys], after: Sequence[Keys]) -> int:
    tail, room = 0, min(len(before), len(after))
    while tail < room and before[-1 - tail].exact == after[-1 - tail].exact:
        tail += 1
    return tail


def _moved(pair: Pair, first: int, second: int) -> Pair:
    one, two = pair
    return None if one is None else one + first, None if two is None else two + second


def _next(before: Sequence[Keys], after: Sequence[Keys]) -> list[Pair]:
    """How the next few items pair, as far as that is safe to say."""
    for size in WINDOWS:
        ours, theirs = before[:size], after[:size]
        found = _best(ours, theirs)
        edge = found[len(found) // 2 :]
        if sum(_are_equal(pair, ours, theirs) for pair in edge) >= len(edge) // 2:
            break
    if len(ours) == len(before) < WINDOWS[-1] and len(theirs) == len(after) < WINDOWS[-1]:
        return found  # there is nothing behind the window
    return found[: max(1, len(found) // 2)]  # what stands near the edge might fit better beyond it


def _are_equal(pair: Pair, before: Sequence[Keys], after: Sequence[Keys]) -> bool:
    one, two = pair
    return one is not None and two is not None and before[one].exact == after[two].exact


def _best(before: Sequence[Keys], after: Sequence[Keys]) -> list[Pair]:
    """The alignment of the greatest weight (Needleman and Wunsch, 1970; gaps cost nothing)."""
    rows, columns = len(before), len(after)
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows - 1, -1, -1):
        below, here, one = best[row + 1], best[row], before[row]
        for column in range(columns - 1, -1, -1):
            weight = _weight(one, after[column])
            skip = max(below[column], here[column + 1])
            here[column] = max(skip, below[column + 1] + weight) if weight else skip
    return _walk(best, before, after)


def _walk(best: list[list[int]], before: Sequence[Keys], after: Sequence[Keys]) -> list[Pair]:
    row = column = 0
    pairs: list[Pair] = []
    while row < len(before) and column < len(after):
        weight = _weight(before[row], after[column])
        if weight and best[row][column] == best[row + 1][column + 1] + weight:
            pairs.append((row, column))
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column]:
            pairs.append((row, None))
            row += 1
        else:
            pairs.append((None, column))
            column += 1
    pairs += [(index, None) for index in range(row, len(before))]
    return pairs + [(None, index) for index in range(column, len(after))]


def _weight(one: Keys, two: Keys) -> int:
    """How well two items fit; 0 if they are not the same thing at all."""
    if one.name != two.name:
        return 0
    if one.shape != two.shape:
        return _NAME
    return _EXACT if one.exact == two.exact else _SHAPE
