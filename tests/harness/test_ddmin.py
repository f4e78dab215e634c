"""Delta debugging keeps its promise, whatever does it: the result does it, and no single item can be spared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from simulator.harness.ddmin import ddmin


def minimised(items: Sequence[int], does_it: Callable[[frozenset[int]], bool]) -> tuple[tuple[int, ...], int]:
    """What it comes to, and after how many tries."""
    search, tries = ddmin(items), 0
    try:
        candidate = next(search)
        while True:
            tries += 1
            candidate = search.send(does_it(frozenset(candidate)))
    except StopIteration as done:
        return done.value, tries


@given(
    size=st.integers(1, 24),
    causes=st.lists(st.frozensets(st.integers(0, 23), min_size=1, max_size=6), max_size=3),
    spoilers=st.frozensets(st.integers(0, 23), max_size=3),
)
def test_the_result_does_it_and_not_one_can_be_spared(
    size: int, causes: list[frozenset[int]], spoilers: frozenset[int]
) -> None:
    """Some sets of causes do it, unless a spoiler is there without its neighbour: more is not always worse."""
    everything = frozenset(range(size))

    def does_it(chosen: frozenset[int]) -> bool:
        if chosen in (everything, frozenset()):
            return bool(chosen)
        spoiled = any(one in chosen and one + 1 not in chosen for one in spoilers)
        return not spoiled and any(cause <= chosen for cause in causes)

    found, tries = minimised(range(size), does_it)
    assert does_it(frozenset(found))
    assert not any(does_it(frozenset(found) - {one}) for one in found)
    assert list(found) == sorted(found), "their order is kept"
    assert tries <= size**2 + 3 * size, "the bound of the paper, §3.2"


def test_two_of_eighty_one_that_do_it_together() -> None:
    found, tries = minimised(range(81), lambda chosen: {7, 62} <= chosen)
    assert found == (7, 62)
    assert tries < 81


def test_one_of_many_is_found_by_halving() -> None:
    found, tries = minimised(range(64), lambda chosen: 40 in chosen)
    assert found == (40,)
    assert tries <= 2 * 6, "two tries for each halving of 64"


def test_a_single_one_is_not_tried_again() -> None:
    assert minimised([5], lambda chosen: True) == ((5,), 0)
