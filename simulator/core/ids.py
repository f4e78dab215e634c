"""Identifiers: what looks like one, and how to mint another of the same shape."""

from __future__ import annotations

import random
import re
from typing import Final

from simulator.core.jsontext import Json

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
_MIXED_HEX: Final = re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}(?![0-9A-Za-z])", re.I)
_RANDOM_RUN: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{6,}|[0-9A-F]{6,}|[0-9A-Z]{20,}|\d{4,})(?![0-9A-Za-z])"
)
_LONG_RANDOM: Final = re.compile(r"(?=[^0-9]*\d)(?=[^A-Za-z]*[A-Za-z])[0-9A-Za-z_-]{20,64}")
_TEN_DIGITS: Final = re.compile(r"\d{10}")
_ID_KEY: Final = re.compile(r"(?:^|[_\-.])(?:id|ids|uuid|guid|key|nonce|sid)$|(?:Id|ID|Uuid|UUID)$", re.I)
_JWT: Final = re.compile(r"eyJ[\w-]{4,}\.eyJ[\w-]{4,}\.[\w-]*")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z_.:/-]*")


def looks_like_id(value: Json) -> bool:
    """Whether a value was certainly made by a machine to be unique: a UUID, a run of mixed hex digits."""
    return isinstance(value, str) and len(value) <= 200 and bool(_UUID.search(value) or _MIXED_HEX.search(value))


def is_id_name(name: str | int) -> bool:
    """Whether a field of this name holds an identifier: 'id', 'user_id', 'threadId', 'trace-id'."""
    return isinstance(name, str) and bool(_ID_KEY.search(name))


def has_random_part(value: Json) -> bool:
    """Whether `fresh` would change something."""
    return isinstance(value, str) and bool(_UUID.search(value) or _RANDOM_RUN.search(value) or _nanoid(value))


def is_distinctive(value: Json) -> bool:
    """Whether a value is too random to come twice by chance: like an id, or ten digits, or a long random word."""
    return isinstance(value, str) and (looks_like_id(value) or bool(_TEN_DIGITS.search(value)) or _nanoid(value))


def _nanoid(value: str) -> bool:
    return bool(_LONG_RANDOM.fullmatch(value)) and sum(char.isdigit() for char in value) >= 3


def is_jwt(value: Json) -> bool:
    return isinstance(value, str) and bool(_JWT.fullmatch(value))


def is_word(value: Json) -> bool:
    """Whether a text is a plain word such as a type or status name, which many messages share by chance."""
    return isinstance(value, str) and bool(_WORD.fullmatch(value))


def fresh(value: str, rng: random.Random) -> str:
    """An id of the same shape: same length, words and separators, other random digits.

    A UUID keeps its version and variant digits (RFC 9562 §4). A text with no random part is given back as it is.
    """
    if _UUID.search(value):
        return _UUID.sub(lambda match: _fresh_uuid(match[0], rng), value)
    if _RANDOM_RUN.search(value):
        return _RANDOM_RUN.sub(lambda match: _fresh_run(match[0], rng), value)
    return _fresh_run(value, rng) if _nanoid(value) else value


def _fresh_uuid(value: str, rng: random.Random) -> str:
    chars = _fresh_run(value, rng)
    return chars[:14] + value[14] + chars[15:19] + value[19] + chars[20:]


def _fresh_run(value: str, rng: random.Random) -> str:
    lower_hex = not set(value) - set("0123456789abcdef-")
    upper_hex = not set(value) - set("0123456789ABCDEF-")
    letters = "abcdef" if lower_hex else "ABCDEF" if upper_hex else ""
    return "".join(_fresh_char(char, letters, rng, first=index == 0) for index, char in enumerate(value))


def _fresh_char(char: str, letters: str, rng: random.Random, *, first: bool) -> str:
    if char.isdigit():
        return rng.choice("123456789" if first and char != "0" else "0123456789")
    if letters and char in letters:
        return rng.choice(letters)
    if char.isalpha() and char.isascii():
        return rng.choice("abcdefghijklmnopqrstuvwxyz" if char.islower() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return char
