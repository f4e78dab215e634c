"""Delta debugging: the fewest of many things that still do it. Pure: whoever drives it does the trying.

Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002, §3.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

Item = TypeVar("Item")


def ddmin(items: Sequence[Item]) -> Generator[tuple[Item, ...], bool, tuple[Item, ...]]:
    """Yields sets of items to try, is sent whether each does it, and returns one that is 1-minimal.

    That is: it does it, and does it no more without any single one of its items. All items together must do it,
    and none must not. At most quadratic in the number of items; the order of items is kept.
    """
    found, parts = tuple(items), 2
    while len(found) > 1:
        for candidate, next_parts in _candidates(found, parts):
            if (yield candidate):
                found, parts = candidate, next_parts
                break
        else:
            if parts >= len(found):
                break
            parts = min(2 * parts, len(found))
    return found


def _candidates(items: tuple[Item, ...], parts: int) -> Iterator[tuple[tuple[Item, ...], int]]:
    """Each part alone, then all but each part, with the number of parts to go on with if that does it."""
    bounds = [len(items) * index // parts for index in range(parts + 1)]
    spans = list(pairwise(bounds))
    for begin, end in spans:
        yield items[begin:end], 2
    for begin, end in spans if parts > 2 else ():  # of two parts, each is all but the other
        yield items[:begin] + items[end:], max(parts - 1, 2)
