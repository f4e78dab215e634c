"""A lazy sequence is the sequence, and makes nothing before it is asked for."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.lazy import Lazy


@given(st.lists(st.integers(0, 100)), st.slices(10))
def test_it_is_what_its_items_are(keys: list[int], part: slice) -> None:
    items = Lazy(array("q", keys), str)
    plain = [str(key) for key in keys]
    assert list(items) == plain
    assert len(items) == len(plain)
    assert list(items[part]) == plain[part]
    assert [items[-1]] == plain[-1:] if plain else not items


def test_nothing_is_made_before_it_is_asked_for() -> None:
    made: list[int] = []
    items = Lazy(range(1_000_000), lambda key: made.append(key) or key)  # type: ignore[func-returns-value]
    assert items[5:][10] == 15
    assert made == [15]
