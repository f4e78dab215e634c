"""Units: how people write a time, and how it is told to them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.errors import StagesimError
from simulator.core.units import MILLISECOND, NEVER, SECOND, duration, seconds


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("250ms", 250 * MILLISECOND),
        ("2m", 120 * SECOND),
        ("6.96s", 6_960_000),
        ("1h", 3600 * SECOND),
        ("10us", 10),
        ("10µs", 10),
        (" 3 s ", 3 * SECOND),
        ("0s", 0),
        ("0.1ms", 100),
        ("0.0000004s", 0),
        (3, 3 * SECOND),
        (0.25, 250 * MILLISECOND),
        (0, 0),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str | float, time: int) -> None:
    assert duration(text) == time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "5",
        "-5s",
        "5 seconds",
        "1e3s",
        "5S",
        "5s5ms",
        ".5s",
        "5.s",
        True,
        -1,
        1e9,
        float("nan"),
        float("inf"),
    ],
)
def test_what_is_no_duration_is_told_with_an_example(text: str | float) -> None:
    with pytest.raises(StagesimError) as error:
        duration(text)
    assert str(error.value) == f"expected a duration such as '250ms' or '2m', got {text!r}"


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "0.000 s"),
        (350 * MILLISECOND, "0.350 s"),
        (1, "0.000 s"),
        (599 * SECOND, "599.000 s"),
        (600 * SECOND, "10m 00 s"),
        (7265 * SECOND, "121m 05 s"),
        (NEVER, "never"),
        (NEVER + 5, "never"),
    ],
)
def test_a_time_is_told_in_seconds_and_then_in_minutes(time: int, text: str) -> None:
    assert seconds(time) == text


@given(st.integers(0, 10**11))
def test_whole_milliseconds_are_read_exactly(count: int) -> None:
    assert duration(f"{count}ms") == count * MILLISECOND


@given(st.integers(0, 599_999))
def test_what_is_told_can_be_read(milliseconds: int) -> None:
    assert duration(seconds(milliseconds * MILLISECOND)) == milliseconds * MILLISECOND


@given(st.text(max_size=20) | st.floats() | st.integers())
def test_anything_is_a_duration_or_a_mistake(text: str | float) -> None:
    with contextlib.suppress(StagesimError):
        assert duration(text) >= 0
