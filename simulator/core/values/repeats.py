"""Repeats: which values of a long recording may come again, so that only those need be remembered.

What comes once correlates with nothing, and in a recording of millions of messages that is most. It takes one pass
to know: two filters after Bloom (CACM 13:7, 1970).
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from simulator.core.jsontext import MISSING
from simulator.core.values.inside import candidates
from simulator.core.values.nested import nested_json
from simulator.core.values.occurrences import Occurrence, key_of
from simulator.core.values.tokens import visible_text

_BITS: Final = (1 << 16, 1 << 30)
"""The fewest and the most hashes that are told apart."""


class _Everything(Container[str]):
    def __contains__(self, key: object) -> bool:
        return True


EVERYTHING: Final[Container[str]] = _Everything()
"""For recordings that are small enough to remember all of their values."""


class Repeats(Container[str]):
    """Keys of values that were heard more than once, whole or as a part of what the server says.

    Of a few that were not, it says so as well, and not of the same in every process: nothing may depend on it but
    memory.
    """

    def __init__(self, bits: int) -> None:
        self._mask = bits - 1
        self._once, self._twice = bytearray(bits // 8), bytearray(bits // 8)

    @classmethod
    def within(cls, size: int) -> Repeats:
        """For a recording of so many bytes: a quarter of them, which is some ten bits for each value."""
        fewest, most = _BITS
        return cls(max(fewest, min(most, 1 << max(size, 1).bit_length() - 1)))

    def hear(self, item: Occurrence) -> None:
        """Know of one more value."""
        value, key = item.value, key_of(item.value)
        if key is None:
            return
        self._add(key)
        if isinstance(value, str) and not item.upstream and nested_json(value) is MISSING:
            for part in candidates(visible_text(value)):
                self._add(part)

    def _add(self, key: str) -> None:
        first, second = self._bits(key)
        if _has(self._once, first) and _has(self._once, second):
            self._twice[first >> 3] |= 1 << (first & 7)
            self._twice[second >> 3] |= 1 << (second & 7)
        else:
            self._once[first >> 3] |= 1 << (first & 7)
            self._once[second >> 3] |= 1 << (second & 7)

    def __contains__(self, key: object) -> bool:
        first, second = self._bits(key)
        return bool(_has(self._twice, first) and _has(self._twice, second))

    def _bits(self, key: object) -> tuple[int, int]:
        """The two bits of a key: from both ends of its hash, which has 64."""
        found = hash(key)
        return found & self._mask, found >> 32 & self._mask


def _has(bits: bytearray, at: int) -> int:
    return bits[at >> 3] >> (at & 7) & 1
