"""Alignment: every item once, in order, like with like, also where sequences are longer than a window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.drift.align import WINDOWS, Keys, Pair, align


def keys(words: str) -> list[Keys]:
    """A letter is a name, upper case is another shape of it, and a digit behind it a value."""
    return [Keys(exact=word, shape=word[0], name=word[0].lower()) for word in words.split()]


def found(before: str, after: str) -> list[Pair]:
    return align(keys(before), keys(after))


words = st.lists(st.sampled_from("a1 a2 A1 b1 b2 B2 c1".split()), max_size=40).map(" ".join)


@given(words, words)
def test_every_item_is_paired_once_in_order_and_with_its_like(before: str, after: str) -> None:
    pairs, ours, theirs = found(before, after), keys(before), keys(after)
    assert [one for one, _ in pairs if one is not None] == list(range(len(ours)))
    assert [two for _, two in pairs if two is not None] == list(range(len(theirs)))
    assert all(ours[one].name == theirs[two].name for one, two in pairs if one is not None and two is not None)


@given(words)
def test_equal_sequences_are_paired_item_by_item(both: str) -> None:
    assert found(both, both) == [(index, index) for index in range(len(keys(both)))]


def test_what_agrees_most_is_paired() -> None:
    assert found("a1 a2 a3", "a2 a3") == [(0, None), (1, 0), (2, 1)]
    assert found("a1 b1", "A1 a1 b1") == [(None, 0), (0, 1), (1, 2)]
    assert found("a1 b1", "A1 b1") == [(0, 0), (1, 1)]
    assert found("a1", "b1") == [(0, None), (None, 0)]
    assert found("", "a1") == [(None, 0)]


@given(st.sets(st.integers(0, 399), max_size=30))
def test_in_long_sequences_exactly_what_is_missing_has_no_partner(lost: set[int]) -> None:
    whole = [f"a{number}" for number in range(400)]
    left = [word for number, word in enumerate(whole) if number not in lost]
    pairs = found(" ".join(whole), " ".join(left))
    assert {one for one, two in pairs if two is None} == lost
    assert not [two for one, two in pairs if one is None]


def test_a_long_gap_is_found_if_it_fits_a_window() -> None:
    gap = WINDOWS[-1] // 2 - 4
    whole = [f"a{number}" for number in range(400)]
    pairs = found(" ".join(whole), " ".join(whole[:100] + whole[100 + gap :]))
    assert {one for one, two in pairs if two is None} == set(range(100, 100 + gap))
