"""Ids inside of other values: what is found is always among the candidates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.values.inside import Finder, can_stand_inside, candidates, may_hold

IDS = ("7f0c8a52-8f7b-4f0e-9d62-0b7a4f5c1d3e", "1757400000_4", "deadbeef01", "run-7f0c8a52-x")
PIECES = st.sampled_from([*IDS, "7f0c8a52", "run", "-", "_", "/", " ", "é", "4711", "x"])


@given(st.lists(PIECES, max_size=12).map("".join), st.sets(st.sampled_from(IDS)))
def test_what_is_found_is_a_candidate(text: str, ids: set[str]) -> None:
    known = {value for value in ids if can_stand_inside(value)}
    found = {text[begin:end] for begin, end in Finder(known).find(text)}
    assert found <= set(candidates(text))
    assert may_hold(text, known) == bool(known & set(candidates(text)))
    assert not found or may_hold(text, known)


def test_an_id_is_found_in_a_path_and_not_in_itself() -> None:
    text = f"/orders/{IDS[0]}/lines"
    assert IDS[0] in set(candidates(text))
    assert IDS[0] not in set(candidates(IDS[0]))
    assert list(candidates("of the costs")) == []
