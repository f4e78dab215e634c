"""What is lost between a recording and another tool's format."""

from __future__ import annotations

from collections import Counter


class Losses:
    """What a format did not say or cannot hold, and how often."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, what: str, count: int = 1) -> None:
        self._counts[what] += count

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each, for people."""
        return tuple(f"{what}: {count}" for what, count in self._counts.items() if count)
