"""Edits of a text, and decoded views of a text through which edits can be made."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes


class Hidden(NamedTuple):
    """A secret that an edit hides; with its text and stand-in if other occurrences are to be looked for."""

    kind: str
    secret: str = ""
    standin: str = ""


class Edit(NamedTuple):
    """Replace text[start:end] by `new`. An edit that changes nothing protects its span from other edits."""

    start: int
    end: int
    new: str
    hides: tuple[Hidden, ...] = ()


Cut = Callable[[Edit, int, int], Edit]


def merged(first: list[Edit], then: Iterable[Edit], cut: Cut) -> list[Edit]:
    """Edits in the order of the text. Where two overlap, those in `first` stay as they are, or the outer one.

    What the other one covers besides is edited as well: `cut` makes an edit of a part of one.
    """
    kept: list[Edit] = []
    index = done = 0
    for edit in sorted(then, key=lambda edit: (edit.start, -edit.end)):
        start = max(edit.start, done)
        while index < len(first) and first[index].end <= start:
            index += 1
        for taken in islice(first, index, None):
            if taken.start >= edit.end:
                break
            if start < taken.start:
                kept.append(cut(edit, start, taken.start))
            start = max(start, taken.end)
        if start < edit.end:
            kept.append(edit if start == edit.start else cut(edit, start, edit.end))
        done = max(done, edit.end)
    return sorted(first + kept) if kept else first


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with ordered edits made."""
    parts: list[str] = []
    at = 0
    for edit in edits:
        parts += (text[at : edit.start], edit.new)
        at = edit.end
    return "".join((*parts, text[at:]))


def moved(edits: Iterable[Edit], distance: int) -> list[Edit]:
    return [Edit(start + distance, end + distance, new, hides) for start, end, new, hides in edits]


_LONG: Final = 8192
"""A longer edit is escaped as a whole."""


class View:
    """A text with escapes decoded: `text` is what they mean, `back` makes edits of it edits of the raw text."""

    def __init__(self, raw: str, escape: Callable[[str], str], found: Iterable[tuple[int, int, str]]) -> None:
        """`found` are the escapes in order: where each one begins and ends, and the one character it means."""
        self._raw, self._escape = raw, escape
        self._decoded_at: list[int] = []
        self._raw_at: list[int] = []
        self._raw_end: list[int] = []
        parts: list[str] = []
        size = end = 0
        for start, stop, char in found:
            parts += (raw[end:start], char)
            size += start - end + 1
            self._decoded_at.append(size - 1)
            self._raw_at.append(start)
            self._raw_end.append(stop)
            end = stop
        self.text = "".join((*parts, raw[end:])) if parts else raw

    def __bool__(self) -> bool:
        """Whether there is any escape."""
        return bool(self._decoded_at)

    def _raw_index(self, index: int) -> int:
        before = bisect_right(self._decoded_at, index) - 1
        if before < 0:
            return index
        distance = index - self._decoded_at[before]
        return self._raw_end[before] + distance - 1 if distance else self._raw_at[before]

    def back(self, edit: Edit) -> Edit:
        """The same edit of the raw text: what is new gets escaped, what stays is left in the way it is written."""
        start, end = self._raw_index(edit.start), self._raw_index(edit.end)
        old = self.text[edit.start : edit.end]
        if old == edit.new:
            return Edit(start, end, self._raw[start:end], edit.hides)
        if len(old) != len(edit.new) or len(old) > _LONG:
            return Edit(start, end, self._escape(edit.new), edit.hides)
        places = [self._raw_index(index) for index in range(edit.start, edit.end + 1)]
        chars = (
            self._raw[places[i] : places[i + 1]] if was == now else self._escape(now)
            for i, (was, now) in enumerate(zip(old, edit.new, strict=True))
        )
        return Edit(start, end, "".join(chars), edit.hides)

    def edited(self, new: str) -> str:
        """The raw text once its whole meaning is `new`."""
        return self.back(Edit(0, len(self.text), new)).new


_JSON_ESCAPE: Final = re.compile(
    r'\\(?:(["\'\\/bfnrt])|u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))'
)
_JSON_CHARS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_PERCENT: Final = re.compile(r"(?:%[0-9a-fA-F]{2})++")
_PERCENT_OR_PLUS: Final = re.compile(r"(?:%[0-9a-fA-F]{2})++|\+")


def json_view(raw: str) -> View:
    """A text without one level of the escapes of JSON strings (RFC 8259 §7) and \\', wherever they stand."""
    return View(raw, _json_escaped, _json_escapes(raw) if "\\" in raw else ())


def _json_escaped(text: str) -> str:
    return json.dumps(text)[1:-1]


def _json_escapes(raw: str) -> Iterable[tuple[int, int, str]]:
    for match in _JSON_ESCAPE.finditer(raw):
        short, high, low, unit = match.groups()
        if short:
            char = _JSON_CHARS.get(short, short)
        elif high:
            char = chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF))
        else:
            char = chr(int(unit, 16))
        yield match.start(), match.end(), char


def percent_view(raw: str, *, plus: bool = False) -> View:
    """A text without one level of percent-encoding (RFC 3986 §2.1); with `plus`, '+' is a space, as in forms."""
    return View(raw, _percent_escaped, _percent_escapes(raw, plus) if "%" in raw or plus else ())


def _percent_escaped(text: str) -> str:
    try:
        return quote(text, safe="", errors="surrogateescape")
    except UnicodeEncodeError:
        return quote(text, safe="", errors="surrogatepass")


def _percent_escapes(raw: str, plus: bool) -> Iterable[tuple[int, int, str]]:
    for match in (_PERCENT_OR_PLUS if plus else _PERCENT).finditer(raw):
        start = match.start()
        if match[0] == "+":
            yield start, start + 1, " "
            continue
        for char in unquote_to_bytes(match[0]).decode("utf-8", "surrogateescape"):
            end = start + 3 * len(char.encode("utf-8", "surrogateescape"))
            yield start, end, char
            start = end
