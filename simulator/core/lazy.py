"""Sequences whose items are made when they are asked for, so that a long recording need not be in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, overload

Item = TypeVar("Item", covariant=True)


class Lazy(Sequence[Item]):
    """`keys` says which items there are, and `make` makes the one with a key, whenever it is asked for."""

    def __init__(self, keys: Sequence[int], make: Callable[[int], Item]) -> None:
        self.keys = keys
        self._make = make

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, position: int) -> Item: ...
    @overload
    def __getitem__(self, position: slice) -> Lazy[Item]: ...
    def __getitem__(self, position: int | slice) -> Item | Lazy[Item]:
        if isinstance(position, slice):
            return Lazy(self.keys[position], self._make)
        return self._make(self.keys[position])

    def __iter__(self) -> Iterator[Item]:
        return map(self._make, self.keys)
