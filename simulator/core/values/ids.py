"""Identifiers: what looks like one, and how to mint another of the same shape."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final

from simulator.core.jsontext import Json

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
_MIXED_HEX: Final = re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}(?![0-9A-Za-z])", re.I)
_DATE: Final = r"(?:19|20)\d\d(-?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
_RANDOM_RUN: Final = re.compile(
    rf"(?<![0-9A-Za-z])(?!{_DATE}(?![0-9A-Za-z]))"
    r"(?:(?=[a-f]*\d)[0-9a-f]{6,}|(?=[A-F]*\d)[0-9A-F]{6,}|(?=[A-Fa-f]*\d)[0-9A-Fa-f]{8,}"
    r"|[0-9A-Z]{20,}|\d{4,})(?![0-9A-Za-z])"
)
_LONG_RANDOM: Final = re.compile(r"(?=[^0-9]*\d)(?=[^A-Za-z]*[A-Za-z])[0-9A-Za-z_-]{20,64}")
_TEN_DIGITS: Final = re.compile(r"\d{10}")
_ID_KEY: Final = re.compile(
    r"(?i:(?:^|[_\-.])(?:id|ids|uuid|guid|key|nonce|sid))$|(?<=[a-z0-9])(?:Ids?|IDs?|Uuid|UUID|Guid)$"
)
_SHORTEST_SECRET: Final = 12
_JWT: Final = re.compile(r"eyJ[\w-]{4,}\.eyJ[\w-]{4,}\.[\w-]*")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z_.:/-]*")
_VERSION: Final = re.compile(r"v?\d{1,4}(?:\.\d{1,4}){1,3}(?:[-+.][A-Za-z]\w*)?", re.I)
_DATED: Final = re.compile(rf"(?=.*[A-Za-z]).*(?<![0-9A-Za-z]){_DATE}(?![0-9A-Za-z]).*")
_UNSPACED: Final = re.compile(r"[^\s\"'`()\[\]{}<>]{1,200}")
_SECRET_KEY: Final = re.compile(r"(?:token|secret|password|passwd|passphrase|signature|api[_-]?key)$", re.I)

_CREDENTIAL_KEY: Final = re.compile(
    r"(?:x[_-])?(?:(?:access|auth|authorization|bearer|id|session|api|user|client|private)?[_-]?token|jwt|api[_-]?key)",
    re.I,
)

_OPAQUE: Final = re.compile(
    r"(?=[^0-9]*\d)(?=[^A-Za-z]*[A-Za-z])[0-9A-Za-z]{8,}|(?=.*[a-z])(?=.*[A-Z])[0-9A-Za-z]{20,}"
)
_PIECE: Final = re.compile(r"%[0-9A-Fa-f]{2}|[0-9A-Za-z]{6,}")


def looks_like_id(value: Json) -> bool:
    """Whether a value was certainly made by a machine to be unique: a UUID, a run of mixed hex digits."""
    return isinstance(value, str) and len(value) <= 200 and bool(_UUID.search(value) or _MIXED_HEX.search(value))


def holds_uuid(value: Json) -> bool:
    """Whether a value has a UUID in it, which nothing but chance makes: other hex digits may be a checksum."""
    return isinstance(value, str) and bool(_UUID.search(value))


def is_data(value: Json) -> bool:
    """Whether a text says something, as neither an id does nor a plain word: a sentence, a list, a number."""
    return isinstance(value, str) and not (is_word(value) or (is_unspaced(value) and is_distinctive(value)))


def is_unspaced(value: Json) -> bool:
    """Whether a text is one piece, as ids are: without spaces, quotation marks and brackets."""
    return isinstance(value, str) and bool(_UNSPACED.fullmatch(value))


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret: 'token', 'access_token', 'X-Amz-Signature'."""
    return bool(_SECRET_KEY.search(name))


def is_credential_name(name: str) -> bool:
    """Whether a field of this name says what somebody may do: 'access_token', but not 'page_token'."""
    return bool(_CREDENTIAL_KEY.fullmatch(name))


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
    """Whether a text is a long random word; 'gemma-3-5-chat-20241022' is made of words and numbers."""
    if not _LONG_RANDOM.fullmatch(value) or sum(char.isdigit() for char in value) < 3:
        return False
    return any(len(part) > 4 and not (part.isalpha() or part.isdigit()) for part in re.split("[-_]", value))


def is_jwt(value: Json) -> bool:
    return isinstance(value, str) and bool(_JWT.fullmatch(value))


def without_ids(text: str, hole: str) -> str:
    """A text with a hole in place of every token and of all that is certainly an id, see `looks_like_id`."""
    return _MIXED_HEX.sub(hole, _UUID.sub(hole, _JWT.sub(hole, text)))


def with_jwts(text: str, new: Callable[[str], str]) -> str:
    """A text with every token in it replaced by what is new for it."""
    return _JWT.sub(lambda found: new(found[0]), text)


def is_opaque(value: Json) -> bool:
    """Whether a text could be a secret such as the key of a session, 'pk.Zx8kQ2pL'; only its name tells."""
    if not is_unspaced(value) or is_label(value) or len(str(value)) < _SHORTEST_SECRET:
        return False
    return is_distinctive(value) or any(
        _OPAQUE.fullmatch(piece) for piece in re.split(r"[^0-9A-Za-z]", str(value))
    )


def is_word(value: Json) -> bool:
    """Whether a text is a plain word such as a type or status name, which many messages share by chance."""
    return isinstance(value, str) and bool(_WORD.fullmatch(value))


def is_label(value: Json) -> bool:
    """Whether a text is a version, or a name with a date in it as models and releases have, and so comes often."""
    if not is_unspaced(value) or has_random_part(value):
        return False
    return bool(_VERSION.fullmatch(str(value)) or _DATED.fullmatch(str(value)))


def fresh(value: str, rng: random.Random) -> str:
    """An id of the same shape: same length, words and separators, other random digits.

    A UUID keeps its version and variant digits (RFC 9562 §4). A text with no random part is given back as it is,
    unless it `is_opaque`: of such a one every piece is another.
    """
    if _UUID.search(value):
        return _UUID.sub(lambda match: _fresh_uuid(match[0], rng), value)
    if _RANDOM_RUN.search(value):
        return _RANDOM_RUN.sub(lambda match: _fresh_run(match[0], rng), value)
    if _nanoid(value):
        return _fresh_run(value, rng)
    return _PIECE.sub(lambda match: _fresh_piece(match[0], rng), value) if is_opaque(value) else value


def _fresh_piece(value: str, rng: random.Random) -> str:
    return value if value.startswith("%") else _fresh_run(value, rng)


def _fresh_uuid(value: str, rng: random.Random) -> str:
    chars = _fresh_run(value, rng)
    return chars[:14] + value[14] + chars[15:19] + value[19] + chars[20:]


def _fresh_run(value: str, rng: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz" if set(value.lower()) - set("0123456789abcdef-") else "abcdef"
    return "".join(_fresh_char(char, letters, rng, first=index == 0) for index, char in enumerate(value))


def _fresh_char(char: str, letters: str, rng: random.Random, *, first: bool) -> str:
    if char.isdigit():
        return rng.choice("123456789" if first and char != "0" else "0123456789")
    if char.isalpha() and char.isascii():
        return rng.choice(letters if char.islower() else letters.upper())
    return char
