"""Identifiers: what looks like one, and others of the same shape."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.values.ids import (
    fresh,
    has_random_part,
    is_distinctive,
    is_id_name,
    is_jwt,
    is_label,
    is_word,
    looks_like_id,
)

UUID = "0b8f3c52-7d0e-4c55-9a55-5d3b8d0e6a11"
IDS = [
    UUID,
    UUID.upper(),
    f"run_{UUID}_x",
    "run_start_agent_1_ab12cd34",
    "AB12CD34",
    "aB12Cd34",
    "pipeline_test_1757400000",
    "5f2b8c9d0e1a2b3c4d5e6f70",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "V1StGXR8_Z5jdHi6B-myT",
    "chatcmpl-B9MHDbslfkBeAs8l4bebGdOJ6PeXe1",
    "order-48213",
    "conn_7f3a9c",
]


def made(value: str, seed: int = 1) -> str:
    return fresh(value, random.Random(seed))


def shape(value: str) -> str:
    """Digits as 0, letters as a and A, all else as it is."""
    return re.sub("[A-Z]", "A", re.sub("[a-z]", "a", re.sub("[0-9]", "0", value)))


@pytest.mark.parametrize("value", IDS)
def test_another_id_has_the_same_shape(value: str) -> None:
    assert has_random_part(value)
    others = {made(value, seed) for seed in range(50)}
    assert len(others) > 40
    assert {shape(other) for other in others} == {shape(value)}
    assert all(looks_like_id(other) == looks_like_id(value) for other in others)
    assert all(has_random_part(other) for other in others), "an id is never made into something else"
    assert made(value, 3) == made(value, 3), "the seed repeats it"


def test_words_around_an_id_stay() -> None:
    assert re.fullmatch(r"run_start_agent_1_[0-9a-f]{8}", made("run_start_agent_1_ab12cd34"))
    assert re.fullmatch(r"run_[0-9a-f-]{36}_x", made(f"run_{UUID}_x"))
    assert re.fullmatch(r"pipeline_test_[1-9]\d{9}", made("pipeline_test_1757400000"))


def test_a_uuid_keeps_its_version_and_variant() -> None:
    for seed in range(20):
        other = made(UUID, seed)
        assert (other[14], other[19]) == ("4", "9")


def test_several_ids_in_one_text_are_all_made_anew() -> None:
    other = made(f"{UUID}/{UUID}")
    assert re.fullmatch(r"[0-9a-f-]{36}/[0-9a-f-]{36}", other)
    assert UUID not in other


def test_a_number_that_does_not_begin_with_zero_never_does() -> None:
    assert all(made("48213", seed)[0] != "0" for seed in range(50))
    assert int(made("10000000000000000000")) > 10**18


PLAIN = [
    "",
    "active",
    "in_progress",
    "facade",
    "DECADE",
    "e2e",
    "us-east-1",
    "utf-8",
    "gpt-4o",
    "gpt-4o-2024-08-06",
    "gpt-4o-mini-2024-07-18",
    "gemma-3-5-chat-20241022",
    "2025-09-09",
    "1.24.0",
    "v2.31.0-rc1",
    "Cut the costs",
    "a@example.com",
    "application/vnd.api+json",
]


@pytest.mark.parametrize("value", PLAIN)
def test_what_is_no_id_stays_as_it_is(value: str) -> None:
    assert not has_random_part(value)
    assert not looks_like_id(value)
    assert not is_distinctive(value)
    assert made(value) == value


@pytest.mark.parametrize("value", [None, True, 7, 48213, 1.5, 10**20])
def test_only_texts_are_ids(value: object) -> None:
    for question in (looks_like_id, has_random_part, is_distinctive, is_jwt, is_word, is_label):
        assert not question(value)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("value", "distinctive"),
    [
        (UUID, True),
        ("1757400000", True),
        ("V1StGXR8_Z5jdHi6B-myT", True),
        ("order-48213", False),
        ("conn_7f3a9c", False),
        ("a-very-long-name-with-1-2-3-numbers", False),
    ],
)
def test_what_cannot_come_twice_by_chance_is_distinctive(value: str, distinctive: bool) -> None:
    assert is_distinctive(value) == distinctive


@pytest.mark.parametrize(
    "name",
    ["id", "user_id", "threadId", "trace-id", "ids", "UUID", "api.key", "requestID", "nonce", "userIds", "row0Id"],
)
def test_fields_are_called_ids(name: str) -> None:
    assert is_id_name(name)


@pytest.mark.parametrize(
    "name", ["idea", "paid", "monkey", "GRID", "identity", "id_count", "valid", "Android", "", 0]
)
def test_fields_are_not_called_ids_by_accident(name: str | int) -> None:
    assert not is_id_name(name)


def test_tokens_words_and_labels_are_told_apart() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"
    assert is_jwt(token)
    assert not is_jwt(f"Bearer {token}")
    assert not is_jwt("eyJ.eyJ.x")
    assert (
        is_word("application/json") and is_word("start_agent") and not is_word("a1") and not is_word("two words")
    )
    assert is_label("1.24.0") and is_label("gpt-4o-2024-08-06") and is_label("2025-09-09/release")
    assert not is_label("2025-09-09") and not is_label("48213") and not is_label("on 2025-09-09 at noon")


@given(st.text(max_size=80), st.integers())
def test_an_id_of_any_text_has_its_length_and_its_other_characters(value: str, seed: int) -> None:
    other = made(value, seed)
    assert len(other) == len(value)
    assert [char for char in other if not char.isalnum()] == [char for char in value if not char.isalnum()]
    assert has_random_part(value) or other == value


ids = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda value: str(value).upper()),
    st.tuples(st.uuids().map(str), st.uuids().map(lambda value: str(value).upper())).map(
        lambda two: two[0][:9] + two[1][9:]
    ),
    st.from_regex(r"[a-z]{1,8}_[0-9a-f]{8,32}", fullmatch=True),
    st.from_regex(r"[0-9A-Z]{26}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-]{21}", fullmatch=True),
    st.from_regex(r"[a-z]{1,5}-[1-9][0-9]{3,18}", fullmatch=True),
)


@given(ids, st.integers())
def test_ids_are_never_destroyed(value: str, seed: int) -> None:
    other = made(value, seed)
    assert shape(other) == shape(value)
    assert looks_like_id(other) >= looks_like_id(value)
    assert has_random_part(other) or not has_random_part(value) or is_label(other)


@given(
    st.uuids().map(str) | st.from_regex(r"[a-z]{0,4}_(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{8,40}", fullmatch=True)
)
def test_what_looks_like_an_id_can_be_made_anew(value: str) -> None:
    assert has_random_part(value)
    assert is_distinctive(value)
    assert any(made(value, seed) != value for seed in range(3))
