"""What goes wrong in a fault file, and when: its own rules, components, other files, sequences of all these."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from simulator.core.errors import FaultError
from simulator.core.rule import Rule
from simulator.core.schedule import limited
from simulator.core.units import Time
from simulator.files.components import find_components
from simulator.files.models import Strict
from simulator.files.rulemodels import Count, DurationText, Scalar, rule_of
from simulator.files.written import duration_text

MAX_RULES: Final = 1000
"""Rules that one file may come to, with all that it includes and repeats."""
MAX_STEPS: Final = 1000
"""Steps of one sequence, good and bad."""
Found = tuple[list[Rule], list[FaultError]]
Include = Callable[[str, Mapping[str, str]], tuple[Sequence[Rule], Sequence[FaultError]]]
"""Reads another fault by its name, parameters set. Raises FaultError where there is none."""
Length = Annotated[DurationText, Field(gt=0)]


class GoesWrong(Strict):
    """What goes wrong, all of it at the same time. `all_of` are other faults by name, some with parameters.

    `recovers_after` is when what is missing, None or degraded is well again, counted from the run's first request.
    """

    rules: list[Any] = []
    missing: str | list[str] = Field(default=[])
    none: str | list[str] = Field(default=[])
    degraded: dict[str, str] = {}
    recovers_after: Annotated[Length | None, Field(alias="recovers after")] = None
    all_of: Annotated[list[str | dict[str, dict[str, Scalar] | None]], Field(alias="all-of")] = []


class Step(GoesWrong):
    """One step of a sequence: `healthy` for so long, or something that goes wrong `for` so long."""

    healthy: Length | None = None
    lasts: Annotated[Length | None, Field(alias="for")] = None


class Scheduled(GoesWrong):
    """What goes wrong all the time, or else a sequence of steps, which may be repeated."""

    sequence: Annotated[list[Step], Field(max_length=MAX_STEPS)] = []
    repeat: Count = 1


def composed(file: Scheduled, stem: str, folder: Path, include: Include) -> Found:
    """The rules of a fault file that is called `stem` and lies in `folder`, or what is wrong with it."""
    if file.sequence:
        made, found = _sequence(file, stem, folder, include)
        found += [_misplaced(key) for key in _said(file)]
    else:
        made, found = _together(file, stem, folder, include)
    if not file.sequence and "repeat" in file.model_fields_set:
        found.append(FaultError("there is no sequence to repeat", place="repeat"))
    if not made and not found:
        hint = "give it rules, all-of, a sequence, missing, none or degraded"
        found.append(FaultError("says nothing that goes wrong", hint=hint))
    if len(made) > MAX_RULES:
        found.append(FaultError(f"comes to {len(made)} rules, more than {MAX_RULES}"))
    return made, found


def _misplaced(key: str) -> FaultError:
    return FaultError("does not go with a sequence", place=key, hint="put it into a step")


def _said(wrong: GoesWrong) -> list[str]:
    """What is given of the fields that every step has."""
    fields = GoesWrong.model_fields
    return [field.alias or name for name, field in fields.items() if name in wrong.model_fields_set]


# --- at the same time ------------------------------------------------------------------------------------------


def _together(wrong: GoesWrong, stem: str, folder: Path, include: Include) -> Found:
    made, found = _own(wrong.rules, stem)
    for more, problems in (_from_components(wrong, stem, folder), _included(wrong, stem, include)):
        made += more
        found += problems
    return made, found


def _own(rules: Sequence[Any], stem: str) -> Found:
    made: list[Rule] = []
    found: list[FaultError] = []
    for index, data in enumerate(rules):
        place = f"rules[{index}]"
        rule, wrong = rule_of(data, stem if len(rules) == 1 else f"{stem}[{index}]")
        found += [problem.within(place, ".") for problem in wrong]
        if rule is not None:
            found += _taken(made, [rule], f"{place}.name")
            made.append(rule)
    return made, found


def _taken(made: Sequence[Rule], more: Sequence[Rule], place: str) -> list[FaultError]:
    names = {rule.name for rule in made}
    twice = next((rule.name for rule in more if rule.name in names), None)
    return [] if twice is None else [FaultError(f"another rule is named {twice!r}", place=place)]


def _from_components(wrong: GoesWrong, stem: str, folder: Path) -> Found:
    missing, none = _listed(wrong.missing), _listed(wrong.none)
    if not (missing or none or wrong.degraded):
        idle = FaultError("nothing here is missing, None or degraded", place="recovers after")
        return [], [] if wrong.recovers_after is None else [idle]
    return find_components(folder).rules(
        missing=missing, none=none, degraded=wrong.degraded, stem=stem, recovers_after=wrong.recovers_after
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _included(wrong: GoesWrong, stem: str, include: Include) -> Found:
    made: list[Rule] = []
    found: list[FaultError] = []
    for index, entry in enumerate(wrong.all_of):
        place = f"all-of[{index}]"
        try:
            rules, problems = include(*_named(entry))
        except FaultError as problem:
            rules, problems = [], [problem]
        found += [problem.within(place) for problem in problems]
        mine = [replace(rule, name=f"{stem}/{rule.name}") for rule in rules]
        found += _taken(made, mine, place)
        made += mine
    return made, found


def _named(entry: str | dict[str, dict[str, Scalar] | None]) -> tuple[str, dict[str, str]]:
    """A fault's name and its parameters, as YAML. Raises FaultError where there is not one name."""
    if isinstance(entry, str):
        return entry, {}
    if len(entry) != 1:
        hint = "such as {latency: {delay: 2s}}"
        raise FaultError(f"expected one fault with its parameters, got {len(entry)}", hint=hint)
    ((name, given),) = entry.items()
    return name, {key: json.dumps(value) for key, value in (given or {}).items()}


# --- one after the other ---------------------------------------------------------------------------------------


def _sequence(file: Scheduled, stem: str, folder: Path, include: Include) -> Found:
    """Every rule of every step in its time of the run; each round has rules of its own."""
    once: list[tuple[Time, Time, Rule]] = []
    found: list[FaultError] = []
    begin = 0
    for index, step in enumerate(file.sequence):
        end, wrong = begin + (step.healthy or step.lasts or 0), _mistakes(step)
        rules, problems = ([], []) if wrong else _together(step, f"{stem}[{index}]", folder, include)
        wrong += problems + _taken([rule for _, _, rule in once], rules, "") + _late(rules, end - begin)
        found += [problem.within(f"sequence[{index}]", ".") for problem in wrong]
        once += [(begin, end, rule) for rule in rules]
        begin = end
    if found or len(once) * file.repeat > MAX_RULES:
        return [], found or [FaultError(f"comes to more than {MAX_RULES} rules", place="repeat")]
    rounds = range(file.repeat if once else 0)  # of good times only, there is nothing to repeat
    return [_laid(*item, begin, turn, file.repeat) for turn in rounds for item in once], []


def _mistakes(step: Step) -> list[FaultError]:
    said = _said(step)
    if step.healthy is not None:
        beside = [*said, *(["for"] if step.lasts is not None else [])]
        return [FaultError("does not go with 'healthy'", place=key) for key in beside]
    if step.lasts is None:
        return [FaultError("missing", place="for", hint="such as 5s; a step without faults is healthy: 10s")]
    if not said:
        return [FaultError("says nothing that goes wrong", hint="a step without faults is healthy: 10s")]
    return []


def _late(rules: Sequence[Rule], length: Time) -> list[FaultError]:
    """A rule's own `during` counts from the beginning of its step, and is over with it."""
    return [
        FaultError(
            f"{rule.name} begins after {duration_text(rule.when.during[0])}, when the step is over",
            hint=f"it takes {duration_text(length)}",
        )
        for rule in rules
        if rule.when.during is not None and rule.when.during[0] >= length
    ]


def _laid(begin: Time, end: Time, rule: Rule, round_: Time, turn: int, of: int) -> Rule:
    """A rule in its time, `turn` rounds later; with several rounds, its name says which."""
    name = rule.name if of == 1 else f"{rule.name}#{turn + 1}"
    return replace(limited(rule, begin + turn * round_, end + turn * round_), name=name)
