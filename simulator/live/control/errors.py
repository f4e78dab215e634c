"""How the control API says no."""

from __future__ import annotations

from simulator.core.errors import StagesimError


class RefusedError(Exception):
    """A request that is not done, with the HTTP status that says so."""

    def __init__(self, status: int, problem: str, *, place: str = "", hint: str = "") -> None:
        self.status = status
        self.error = StagesimError(problem, place=place, hint=hint)
        super().__init__(str(self.error))
