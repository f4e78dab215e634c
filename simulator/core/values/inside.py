"""Ids inside of other values: '/api/orders/7e98…', '<session>_17096_1', 'No such order: 7e98…'."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from typing import Final, TypeGuard

from simulator.core.jsontext import Json
from simulator.core.values.ids import is_distinctive

_SHORTEST: Final = 8
_LONGEST: Final = 200
"""Characters of what `is_distinctive` can be true of, and stands inside of something."""

_WORD: Final = re.compile(r"[0-9A-Za-z]+(?:[_-]+[0-9A-Za-z]+)*")
_PIECE: Final = re.compile(r"[0-9A-Za-z]+")


def can_stand_inside(value: Json) -> TypeGuard[str]:
    """Whether a value would be known again inside of another: distinctive, and one word."""
    return (
        isinstance(value, str)
        and len(value) <= _LONGEST
        and is_distinctive(value)
        and bool(_WORD.fullmatch(value))
    )


def candidates(text: str) -> Iterator[str]:
    """Every part of a text that a `Finder` could find there, whatever it knows."""
    if len(text) <= _SHORTEST:
        return
    for word in _WORD.finditer(text):
        if len(word[0]) < _SHORTEST:
            continue
        pieces = [piece.span() for piece in _PIECE.finditer(text, *word.span())]
        for first, (begin, _) in enumerate(pieces):
            for _, end in pieces[first:]:
                if end - begin > _LONGEST:
                    break
                if end - begin >= _SHORTEST and end - begin < len(text):
                    yield text[begin:end]


def may_hold(text: str, known: Container[str]) -> bool:
    """Whether some of these keys could be found in a text."""
    return any(part in known for part in candidates(text))


class Finder:
    """Finds known ids inside of longer texts, where they are words or whole pieces of words."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids: set[str] = set()
        self._shortest = self._most = 0
        for value in ids:
            self.add(value)

    def add(self, value: str) -> None:
        """Know one more id, of which `can_stand_inside` is true."""
        self._shortest = min(self._shortest, len(value)) if self._ids else len(value)
        self._most = max(self._most, len(_PIECE.findall(value)))
        self._ids.add(value)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Where ids begin and end in a text, from left to right; of those that begin together, the longest."""
        if not self._ids or len(text) <= self._shortest:
            return
        for word in _WORD.finditer(text):
            if len(word[0]) >= self._shortest:
                yield from self._in_word(text, [piece.span() for piece in _PIECE.finditer(text, *word.span())])

    def _in_word(self, text: str, pieces: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        first = 0
        while first < len(pieces):
            begin, following = pieces[first][0], first + 1
            for last in range(min(first + self._most, len(pieces)) - 1, first - 1, -1):
                end = pieces[last][1]
                if end - begin < len(text) and text[begin:end] in self._ids:
                    yield begin, end
                    following = last + 1
                    break
            first = following
