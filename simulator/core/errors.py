"""Errors for people: where, what was found, what was expected, and a hint."""

from __future__ import annotations

from typing import Self

from simulator.core.visible import visible


class StagesimError(Exception):
    """A mistake in what somebody gave us; the command line prints it as one line and exits with 2.

    `place` says where it is (a file and a position in it, an option); `problem` what was found there and what
    was expected; `hint`, if any, what to do about it.
    """

    def __init__(self, problem: str, *, place: str = "", hint: str = "") -> None:
        self.place, self.problem, self.hint = place, problem, hint
        super().__init__(problem)

    def __str__(self) -> str:
        line = f"{self.place}: {self.problem}" if self.place else self.problem
        return visible(f"{line} ({self.hint})" if self.hint else line)

    def within(self, place: str, joint: str = ": ") -> Self:
        """The same error, its place read as a position inside `place`."""
        joint = "" if joint == "." and self.place.startswith("[") else joint
        inner = f"{place}{joint}{self.place}" if self.place else place
        return type(self)(self.problem, place=inner, hint=self.hint)


class RecordingError(StagesimError):
    """A recording cannot be read, or says something that cannot be true."""


class FaultError(StagesimError):
    """A fault, rule or component is described wrongly."""
