"""Units: time in whole microseconds, and how people write it."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from simulator.core.errors import StagesimError

Time = int
"""Microseconds since a timeline began. Whole numbers, so that every machine adds them to the same sum."""

Duration = Annotated[Time, "duration"]
"""A length of time in a fault's field: files write it as '250ms', see `duration`."""

MILLISECOND: Final[Time] = 1_000
SECOND: Final[Time] = 1_000_000
NEVER: Final[Time] = 1 << 62
"""Later than any time a timeline reaches."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = {"us": 1, "µs": 1, "ms": MILLISECOND, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*(us|µs|ms|s|m|h)")


def duration(text: str | int | float) -> Time:
    """Read a duration such as '250ms', '2m' or '6.96s'; a bare number is seconds. Raises StagesimError."""
    if isinstance(text, bool):
        raise _not_a_duration(text)
    if isinstance(text, int | float):
        if not 0 <= text < 1e9:
            raise _not_a_duration(text)
        return round(text * SECOND)
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise _not_a_duration(text)
    return round(float(match[1]) * _UNITS[match[2]])


def _not_a_duration(found: object) -> StagesimError:
    return StagesimError(f"expected a duration such as '250ms' or '2m', got {found!r}")


def speed(given: str | float) -> float:
    """By what recorded delays are divided: a number above 0, or 'max', which drops them. Raises StagesimError."""
    if given == "max":
        return math.inf
    try:
        number = float(given)
    except ValueError:
        number = 0.0
    if not 1e-6 <= number < math.inf:
        raise StagesimError(f"expected a number above 0, or 'max', got {given!r}")
    return number


def since_epoch(moment: datetime) -> Time:
    """A moment as µs since the Unix epoch; one without a zone is in UTC."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def iso_time(wall: Time) -> str:
    """µs since the Unix epoch as an ISO 8601 text in UTC. Raises OverflowError beyond the years 1 to 9999."""
    return (_EPOCH + timedelta(microseconds=wall)).isoformat(timespec="microseconds")


def seconds(time: Time) -> str:
    """A time for people: '0.350 s', '2m 00 s', 'never'."""
    if time >= NEVER:
        return "never"
    if time >= 600 * SECOND:
        return f"{time // (60 * SECOND)}m {time // SECOND % 60:02d} s"
    return f"{time / SECOND:.3f} s"
