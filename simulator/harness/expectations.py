"""Expectations of a drill: what each test must be under each fault, in a TOML file that CI holds a suite to.

recording = "golden-path"
command = ["pytest", "tests/e2e"]
faults = ["none-orchestrator", "stall"]
allow = ["noticed", "survived", "not exercised"]     # for whatever is not said below

[expect."test_agents.py::test_start"]
stall = "survived"
"*" = ["noticed", "not exercised"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError

from simulator.core.auth import AuthMode
from simulator.core.errors import FaultError
from simulator.files.models import Strict
from simulator.files.problems import first_problem
from simulator.harness.drill import Drill
from simulator.harness.verdict import BAD, Verdict

Verdicts = Annotated[list[Verdict], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
GOOD = [verdict for verdict in Verdict if verdict not in BAD]


class Expectations(Strict):
    """A drill file as written; names of tests and faults may have wildcards, the first that fits counts."""

    recording: str
    command: Annotated[list[str], Field(min_length=1)]
    faults: list[str] = ["all"]
    seed: int = 0
    speed: float = 1.0
    auth: AuthMode = AuthMode.RECORDED
    auth_key: str | None = None
    deadline: float | None = None
    allow: Verdicts = GOOD
    expect: dict[str, dict[str, Verdicts]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprise:
    """A verdict that is not what the file says."""

    test: str
    fault: str
    expected: tuple[Verdict, ...]
    found: Verdict

    def __str__(self) -> str:
        return f"{self.test} under {self.fault}: expected {' or '.join(self.expected)}, was {self.found}"


def load_expectations(path: Path) -> Expectations:
    """Read a drill file. Raises FaultError with the place."""
    try:
        return Expectations.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise FaultError(f"cannot be read: {error.strerror}", place=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FaultError(f"not TOML: {error}", place=str(path)) from None
    except ValidationError as error:
        raise first_problem(error, FaultError).within(str(path)) from None


def surprises(expected: Expectations, drill: Drill) -> Iterator[Surprise]:
    """Every verdict that the file does not allow."""
    for test, row in drill.judgements.items():
        for fault, judgement in row.items():
            allowed = _allowed(expected, test, fault)
            if judgement.verdict not in allowed:
                yield Surprise(test=test, fault=fault, expected=tuple(allowed), found=judgement.verdict)


def _allowed(expected: Expectations, test: str, fault: str) -> list[Verdict]:
    for pattern, row in expected.expect.items():
        if fnmatchcase(test, pattern) or test.endswith(f"::{pattern}"):
            for name, verdicts in row.items():
                if fnmatchcase(fault, name):
                    return verdicts
    return expected.allow
