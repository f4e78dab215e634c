"""Timestamps in recorded traffic: recognised by being close to the time they were sent, moved by a distance."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from simulator.core.jsontext import Json
from simulator.core.units import SECOND, Time, since_epoch

NEAR: Final[Time] = 2 * 86_400 * SECOND
"""A number or date is a timestamp if it lies this close to the wall time of its event."""

_ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)(?:([.,])(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_EPOCH_TEXT: Final = re.compile(r"[1-9](?:\d{12}|\d{15}|\d{18})", re.ASCII)
_SCALES: Final = (1, 1_000, 1_000_000, 1_000_000_000)
"""Units per second in which epochs are counted: seconds, ms, µs, ns."""


def is_timestamp(value: Json, wall: Time) -> bool:
    """Whether a value is a time near `wall` (µs since the epoch)."""
    moment = _moment(_number(value) or value)
    return moment is not None and abs(moment - wall) <= NEAR


def _number(value: Json) -> int | None:
    """An epoch in ms or finer that is written as a text: so many digits near now are no chance."""
    return int(value) if isinstance(value, str) and _EPOCH_TEXT.fullmatch(value) else None


def looks_like_time(value: Json) -> bool:
    """Whether a value could be a time of this century at all."""
    return _moment(value) is not None


def without_dates(text: str, hole: str) -> str:
    """A text with a hole in place of every ISO date with a time."""
    return _ISO.sub(hole, text)


def _moment(value: Json) -> Time | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        scale = _scale(value)
        return None if scale is None else round(value * SECOND / scale)
    if isinstance(value, str) and 19 <= len(value) <= 40:
        moment = _http_date(value) if value.endswith("GMT") else _iso_date(value)
        return None if moment is None else since_epoch(moment)
    return None


def _scale(value: float) -> int | None:
    """The scale at which a number lies in this century."""
    return next((scale for scale in _SCALES if 9.4e8 * scale <= value < 4.2e9 * scale), None)


def _iso_date(text: str) -> datetime | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[3]}{match[6] or 'Z'}")
    except ValueError:
        return None
    return moment + timedelta(microseconds=int(((match[5] or "0") + "000000")[:6]))


def _http_date(text: str) -> datetime | None:
    """A date as HTTP writes it (RFC 9110 §5.6.7, IMF-fixdate)."""
    try:
        date = parsedate_to_datetime(text)
        return date if format_datetime(date, usegmt=True) == text else None
    except (ValueError, OverflowError):
        return None


def moved(value: Json, distance: Time) -> Json:
    """A timestamp `distance` µs later, in the format and precision it had. Other values stay as they are."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        scale = _scale(value)
        return value if scale is None else value + distance * scale // SECOND
    if isinstance(value, float):
        scale = _scale(value)
        return value if scale is None else round(value + distance * scale / SECOND, _decimals(value))
    if isinstance(value, str):
        number = _number(value)
        return _moved_text(value, distance) if number is None else str(moved(number, distance))
    return value


def _decimals(value: float) -> int:
    return len(repr(value).partition(".")[2])


def _moved_text(text: str, distance: Time) -> str:
    try:
        step = timedelta(microseconds=distance)
        if text.endswith("GMT") and (date := _http_date(text)):
            return format_datetime(date + step, usegmt=True)
        match, moment = _ISO.fullmatch(text), _iso_date(text)
        if match is None or moment is None:
            return text
        later = moment + step
    except (OverflowError, ValueError):
        return text
    digits = match[5] or ""
    fraction = f"{later.microsecond:06d}{digits[6:]}"[: len(digits)]
    return f"{later.date().isoformat()}{match[2]}{later:%H:%M:%S}{(match[4] or '') + fraction}{match[6] or ''}"
