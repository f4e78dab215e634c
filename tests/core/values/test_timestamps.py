"""Timestamps: known by being near the time they were sent, and moved without losing their form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.jsontext import Json
from simulator.core.units import MILLISECOND, SECOND
from simulator.core.values.timestamps import NEAR, is_timestamp, looks_like_time, moved
from tests.conversations import CREATED

HOUR = 3600 * SECOND
FORMS = [
    1757400000,
    1757400000123,
    1757400000123456,
    1757400000123456789,
    1757400000.5,
    1757400000.123456,
    "2025-09-09T06:40:00Z",
    "2025-09-09T06:40:00",
    "2025-09-09 06:40:00",
    "2025-09-09T06:40:00.123Z",
    "2025-09-09T06:40:00,123Z",
    "2025-09-09T06:40:00.123456+00:00",
    "2025-09-09T08:40:00+02:00",
    "2025-09-09T08:40:00.5+0200",
    "2025-09-09T06:40:00.123456789Z",
    "Tue, 09 Sep 2025 06:40:00 GMT",
]


@pytest.mark.parametrize("value", FORMS)
def test_a_time_is_known_near_its_moment_and_only_there(value: Json) -> None:
    assert looks_like_time(value)
    for distance in (0, NEAR - SECOND, SECOND - NEAR):
        assert is_timestamp(value, CREATED + distance)
    for distance in (NEAR + 2 * SECOND, -NEAR - 2 * SECOND):
        assert not is_timestamp(value, CREATED + distance)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        7,
        48213,
        -1757400000,
        5_000_000_000,
        10**400,
        -(10**400),
        float("inf"),
        1e300,
        "1757400000",
        "2025-09-09",
        "06:40:00",
        "2025-13-09T06:40:00Z",
        "2025-09-09T25:40:00Z",
        "2025-09-09T23:59:60Z",
        "2025-09-09T06:40:00+99:00",
        "2025-09-09T06:40Z",
        "at 2025-09-09T06:40:00Z",
        "2025-09-09T06:40:00Z" * 3,
        "Tue, 09-Sep-2025 06:40:00 GMT",
        "Wed, 09 Sep 2025 06:40:00 GMT",
        "Tue, 09 Sep 2025 06:40:00 -0000 GMT",
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "this is not a time GMT",
        [],
        {},
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_time_stays_as_it_is(value: Json) -> None:
    assert not is_timestamp(value, CREATED)
    assert moved(value, HOUR) == value


@pytest.mark.parametrize("value", ["1757400000123", "1757400000123456", "1757400000123456789"])
def test_a_long_epoch_may_be_a_text(value: str) -> None:
    assert is_timestamp(value, CREATED) and not is_timestamp(value, CREATED + 3 * NEAR)
    assert not looks_like_time(value), "long numbers are ids as well, far from now"
    assert moved(value, HOUR) == "1757403600123456789"[: len(value)]


@pytest.mark.parametrize(
    ("value", "later"),
    [
        (1757400000, 1757403600),
        (1757400000123, 1757403600123),
        (1757400000123456, 1757403600123456),
        (1757400000123456789, 1757403600123456789),
        (1757400000.5, 1757403600.5),
        (1757400000.0, 1757403600.0),
        (1757400000.123456, 1757403600.123456),
        ("2025-09-09T06:40:00Z", "2025-09-09T07:40:00Z"),
        ("2025-09-09 06:40:00", "2025-09-09 07:40:00"),
        ("2025-09-09T06:40:00.120Z", "2025-09-09T07:40:00.120Z"),
        ("2025-09-09T06:40:00,5", "2025-09-09T07:40:00,5"),
        ("2025-09-09T08:40:00+02:00", "2025-09-09T09:40:00+02:00"),
        ("2025-09-09T06:40:00.123456789Z", "2025-09-09T07:40:00.123456789Z"),
        ("2025-12-31T23:59:59Z", "2026-01-01T00:59:59Z"),
        ("Tue, 09 Sep 2025 06:40:00 GMT", "Tue, 09 Sep 2025 07:40:00 GMT"),
    ],
)
def test_an_hour_later_it_has_the_form_it_had(value: Json, later: Json) -> None:
    assert moved(value, HOUR) == later
    assert type(moved(value, HOUR)) is type(later)
    assert moved(later, -HOUR) == value


def test_a_time_is_never_moved_into_the_future_of_its_distance() -> None:
    assert moved(1757400000, 1500 * MILLISECOND) == 1757400001
    assert moved("2025-09-09T06:40:00Z", 1999 * MILLISECOND) == "2025-09-09T06:40:01Z"
    assert moved("2025-09-09T06:40:00.1Z", 199 * MILLISECOND) == "2025-09-09T06:40:00.2Z"


def test_a_time_that_would_leave_the_calendar_stays() -> None:
    assert moved("2025-09-09T06:40:00Z", 10**18) == "2025-09-09T06:40:00Z"
    assert moved("2025-09-09T06:40:00Z", 10**30) == "2025-09-09T06:40:00Z"
    assert moved("Tue, 09 Sep 2025 06:40:00 GMT", -(10**18)) == "Tue, 09 Sep 2025 06:40:00 GMT"


seconds_ = st.integers(-(10**8), 10**8)
moments = st.datetimes(datetime(2010, 1, 1), datetime(2090, 1, 1))


def epoch(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@given(
    moments,
    seconds_,
    st.sampled_from(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f+05:30"]),
)
def test_an_iso_time_moved_there_and_back_is_the_same(moment: datetime, seconds: int, form: str) -> None:
    text = moment.strftime(form)
    there = moved(text, seconds * SECOND)
    assert there == (moment + timedelta(seconds=seconds)).strftime(form)
    assert moved(there, -seconds * SECOND) == text


@given(moments, seconds_, st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]))
def test_an_epoch_moved_there_and_back_is_the_same(moment: datetime, seconds: int, scale: int) -> None:
    value = epoch(moment) * scale // SECOND
    there = moved(value, seconds * SECOND)
    assert there == value + seconds * scale
    assert moved(there, -seconds * SECOND) == value


@given(moments, seconds_, st.integers(1, 6))
def test_a_float_moved_there_and_back_is_the_same(moment: datetime, seconds: int, digits: int) -> None:
    value = round(epoch(moment) / SECOND, digits)
    assert moved(moved(value, seconds * SECOND), -seconds * SECOND) == value


@given(moments, seconds_)
def test_an_http_date_moved_there_and_back_is_the_same(moment: datetime, seconds: int) -> None:
    text = format_datetime(moment.replace(tzinfo=UTC, microsecond=0), usegmt=True)
    assert looks_like_time(text)
    assert moved(moved(text, seconds * SECOND), -seconds * SECOND) == text


@given(st.integers(-(10**15), 10**15), st.sampled_from(FORMS))
def test_order_is_kept(distance: int, value: Json) -> None:
    pair = [moved(value, at) for at in sorted((distance, distance + SECOND))]
    if not isinstance(value, str) or "GMT" not in value:
        assert pair[0] <= pair[1]  # type: ignore[operator]


@given(st.text(max_size=45) | st.text(st.sampled_from("0123456789-:TZ+., GMTSepu"), min_size=19, max_size=40))
def test_any_text_is_moved_or_stays(text: str) -> None:
    assert isinstance(looks_like_time(text), bool)
    assert isinstance(moved(text, HOUR), str)
