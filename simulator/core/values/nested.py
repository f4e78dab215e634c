"""JSON within text: texts of a message that hold JSON themselves, and what some protocols put before theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from simulator.core import jsontext
from simulator.core.jsontext import MISSING, Json, MaybeJson, Path

INNER: Final = "\0json"
"""The step of a path from a text to what it holds as JSON; people read '$.payload|$.id'."""

_DEEPEST: Final = 3
_PREFIX: Final = re.compile(r"\d{1,2}(?:/[\w-]+,)?\d{0,9}(?=[\[{])", re.ASCII)
"""What Socket.IO has before its JSON: type of packet and message, name space, number for the answer."""


def split(text: str) -> tuple[str, str]:
    """What stands before the JSON of a message, and the JSON: '42["join",{}]' is Socket.IO's."""
    found = _PREFIX.match(text)
    return (text[: found.end()], text[found.end() :]) if found else ("", text)


def nested_json(value: Json) -> MaybeJson:
    """The object or array that a text within a message holds, or MISSING."""
    return jsontext.parse_object(value) if isinstance(value, str) and value[:1] in ("{", "[") else MISSING


def leaves(document: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Every scalar, and after a text that is JSON itself every scalar in that."""
    for inner, value in jsontext.leaves(document, path):
        yield inner, value
        nested = nested_json(value) if isinstance(value, str) and inner.count(INNER) < _DEEPEST else MISSING
        if nested is not MISSING:
            yield from leaves(nested, (*inner, INNER))


def outside(path: Path) -> Path | None:
    """Where the text stands that holds what is at this path; None for what is in no text."""
    if INNER not in path:
        return None
    return path[: len(path) - 1 - path[::-1].index(INNER)]


def at_path(document: MaybeJson, path: Path) -> MaybeJson:
    """The value at a path that may lead into texts, or MISSING."""
    if INNER not in path:
        return jsontext.at_path(document, path)
    begin = path.index(INNER)
    text = jsontext.at_path(document, path[:begin])
    return MISSING if text is MISSING else at_path(nested_json(text), path[begin + 1 :])


def with_texts(
    document: Json, values: Mapping[Path, Json], change: Callable[[str, Mapping[Path, Json]], str]
) -> Mapping[Path, Json]:
    """The values with those inside of texts put into their texts; a text that is replaced as a whole is."""
    inside: dict[Path, dict[Path, Json]] = {}
    plain: dict[Path, Json] = {}
    for path, value in values.items():
        if INNER in path:
            begin = path.index(INNER)
            inside.setdefault(path[:begin], {})[path[begin + 1 :]] = value
        else:
            plain[path] = value
    for path, inner in inside.items():
        text = jsontext.at_path(document, path)
        if isinstance(text, str):
            plain.setdefault(path, change(text, inner))
    return plain


def readable(path: Path) -> str:
    """A path for people: '$.payload|$.id' is the id in the JSON that the text at '$.payload' holds."""
    return jsontext.path_text(path).replace('["\\u0000json"]', "|$")
