"""JSON as it stands on the wire: parsed strictly, and written back in the style in which it was found."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import lru_cache
from typing import Final, NoReturn

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Path = tuple[str | int, ...]
"""Where a value stands inside a JSON value: keys and list positions."""


class Missing(Enum):
    """What stands for a text that is not JSON, and for a path that leads nowhere."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
MaybeJson = Json | Missing

MAX_DEPTH: Final = 100
"""Deeper JSON is kept as text: it has no business in a message, and recursion has limits."""

STYLES: Final[dict[str, tuple[tuple[str, str], bool]]] = {
    "spaced": ((", ", ": "), True),  # json.dumps
    "compact": ((",", ":"), False),  # JSON.stringify, orjson, msgspec
    "compact-ascii": ((",", ":"), True),
    "spaced-unicode": ((", ", ": "), False),
}
"""How the common writers space and escape JSON: separators, and whether non-ASCII is escaped."""


_TOKENS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def _no_constants(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is more than a number can hold")
    return value


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constants, parse_float=_finite)


def parse(text: str | bytes) -> MaybeJson:
    """The JSON value that a text holds, or MISSING where it holds none (RFC 8259; nothing infinite)."""
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError:
            return MISSING
    if not text or text[0] not in '{["-0123456789tfn \t\r\n':
        return MISSING
    try:
        value: Json = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return MISSING
    return MISSING if too_deep(value) else value


@lru_cache(maxsize=4096)
def parse_object(text: str | bytes) -> MaybeJson:
    """Like `parse` for objects and arrays only, and remembered: callers must not change the value."""
    value = parse(text)
    return value if isinstance(value, dict | list) else MISSING


def too_deep(value: Json, depth: int = MAX_DEPTH) -> bool:
    """Whether a value nests deeper than `depth`."""
    level: list[Json] = [value]
    for _ in range(depth):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in children(outer)]
        if not level:
            return False
    return True


def children(value: dict[str, Json] | list[Json]) -> list[Json]:
    return list(value.values()) if isinstance(value, dict) else value


def dump(value: Json, style: str = "spaced") -> str:
    """Write a value in one of STYLES; lone surrogates are always escaped, as JSON.stringify does."""
    separators, ascii_only = STYLES[style]
    text = json.dumps(value, separators=separators, ensure_ascii=ascii_only)
    return text if text.isascii() else _SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def style_of(text: str, value: Json) -> str | None:
    """The style that writes `value` as exactly `text`; None where none does."""
    return next((style for style in STYLES if dump(value, style) == text), None)


def leaves(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Every scalar in a value with its path, in order."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def count(value: Json) -> int:
    """How many scalars and empty objects and arrays are in a value."""
    if isinstance(value, dict):
        return sum(map(count, value.values())) or 1
    return (sum(map(count, value)) or 1) if isinstance(value, list) else 1


def at_path(value: MaybeJson, path: Path) -> MaybeJson:
    """The value at a path, or MISSING."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str) and step in value:
            value = value[step]
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return MISSING
    return value


def values_at(value: MaybeJson, path: Path) -> list[Json]:
    """Every value at a path in which the step '*' stands for any position of a list."""
    found = [] if value is MISSING else [value]
    for step in path:
        any_item = step == "*"
        lists = [item for outer in found if any_item and isinstance(outer, list) for item in outer]
        found = lists + [item for outer in found if (item := at_path(outer, (step,))) is not MISSING]
    return found


def replaced(value: Json, path: Path, new: Json) -> Json:
    """A copy of `value` in which the value at an existing path is `new`; only what is on the path is copied."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(value, dict) and isinstance(step, str):
        return {**value, step: replaced(value[step], rest, new)}
    if isinstance(value, list) and isinstance(step, int):
        return [*value[:step], replaced(value[step], rest, new), *value[step + 1 :]]
    raise KeyError(step)


@lru_cache(maxsize=1024)
def spans(text: str) -> Mapping[Path, tuple[int, int]]:
    """Where each scalar of a JSON object or array stands in its text; of a key that comes twice, the last."""
    found: dict[Path, tuple[int, int]] = {}
    steps: list[str | int | None] = []  # one for each open container; None in an object that waits for a key
    for token in _TOKENS.finditer(text):
        match token[0][0]:
            case "{" | "[" as bracket:
                steps.append(None if bracket == "{" else 0)
            case "}" | "]":
                steps.pop()
            case ",":
                last = steps[-1]
                steps[-1] = last + 1 if isinstance(last, int) else None
            case ":":
                pass
            case _ if steps[-1] is None:
                steps[-1] = str(json.loads(token[0]))
            case _:
                found[tuple(step for step in steps if step is not None)] = token.span()
    return found


def spliced(text: str, values: Mapping[Path, Json]) -> str:
    """The text of an object or array with other scalars at these paths; all else stays as it is laid out."""
    style, where = "spaced" if text.isascii() else "spaced-unicode", spans(text)
    for path in sorted(values, key=lambda path: where[path], reverse=True):
        begin, end = where[path]
        text = text[:begin] + dump(values[path], style) + text[end:]
    return text


def path_text(path: Path) -> str:
    """A path for people and files: '$.data.items[0].id'; keys that are not plain words are quoted."""
    parts = ["$"]
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif step.replace("_", "a").replace("-", "a").isalnum():
            parts.append(f".{step}")
        else:
            parts.append(f"[{json.dumps(step, ensure_ascii=False)}]")
    return "".join(parts)


def parse_path(text: str) -> Path:
    """Read what `path_text` writes; '[*]' stands for any position and reads as the step '*'. Raises ValueError."""
    if not text.startswith("$"):
        raise ValueError("a JSON path begins with '$', as in '$.data.id'")
    steps: list[str | int] = []
    rest = text[1:]
    while rest:
        if rest[0] == ".":
            end = next((i for i, char in enumerate(rest[1:], 1) if char in ".["), len(rest))
            step, rest = rest[1:end], rest[end:]
            if not step:
                raise ValueError(f"an empty key in {text!r}")
            steps.append(step)
        elif rest[0] == "[":
            bracket, rest = _bracket(rest, text)
            steps.append(bracket)
        else:
            raise ValueError(f"expected '.' or '[' before {rest!r} in {text!r}")
    return tuple(steps)


def _bracket(rest: str, text: str) -> tuple[str | int, str]:
    if rest.startswith('["'):
        key, end = json.JSONDecoder().raw_decode(rest[1:])
        if not rest[1 + end :].startswith("]"):
            raise ValueError(f"expected ']' in {text!r}")
        return str(key), rest[end + 2 :]
    inner, found, after = rest[1:].partition("]")
    if not found or not (inner == "*" or inner.lstrip("-").isdigit()):
        raise ValueError(f"expected a position such as [0] or [*] in {text!r}")
    return (inner if inner == "*" else int(inner)), after
