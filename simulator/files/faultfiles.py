"""Fault files: YAML in, rules out, and every mistake told with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from simulator.core.errors import FaultError
from simulator.core.rule import Rule
from simulator.files.components import Components, find_components
from simulator.files.locate import find_fault
from simulator.files.models import Strict
from simulator.files.problems import problems
from simulator.files.rulemodels import Scalar, rule_of
from simulator.files.yamlfile import load_yaml, parse_yaml

_PARAMETER: Final = re.compile(r"\$\{(\w+)\}")
_INLINE: Final = re.compile(r"(missing|none):([\w,-]+)")


class Saw(Strict):
    """What a client saw in an incident; what is not given is not claimed."""

    statuses: dict[str, int] = {}
    messages: list[str] | None = None
    close: int | None = None
    reason: str | None = None
    refused: int | None = None
    silence: bool = False


class FaultFile(Strict):
    """A fault file as written. `rules`, `missing` and `none` say what goes wrong; the rest is for people."""

    title: str
    reported: str = ""
    date: str = ""
    cause: str = ""
    source: str = ""
    recording: str | None = None
    seed: int = 0
    saw: Saw | None = None
    params: dict[str, Scalar] = {}
    rules: list[Any] = []
    missing: str | list[str] = Field(default=[])
    none: str | list[str] = Field(default=[])


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFault:
    """A fault ready to be armed: its name, what its file says, and its rules."""

    name: str
    path: Path | None
    file: FaultFile
    rules: tuple[Rule, ...]


def load_fault(name: str, overrides: Mapping[str, str] | None = None) -> LoadedFault:
    """Load a fault by name, by path, or inline as 'missing:llm_manager' or 'none:orchestrator'.

    `overrides` are parameters by name. Raises FaultError for the first mistake, counting the others.
    """
    fault, found = read_fault(name, overrides)
    if fault is None:
        more = f"and {len(found) - 1} more; `stagesim check {name}` lists all" if len(found) > 1 else found[0].hint
        raise FaultError(found[0].problem, place=found[0].place, hint=more)
    return fault


def read_fault(
    name: str, overrides: Mapping[str, str] | None = None
) -> tuple[LoadedFault | None, Sequence[FaultError]]:
    """A fault, or all that is wrong with its file. Raises FaultError where there is no such file or no YAML."""
    inline = _INLINE.fullmatch(name)
    if inline:
        path, data = None, {"title": f"{inline[2]} is {inline[1]}", inline[1]: inline[2].split(",")}
    else:
        path = find_fault(name)
        data = load_yaml(path)
    place = str(path or name)
    try:
        file = FaultFile.model_validate(data)
        rules, found = _rules(file, path, overrides or {})
    except ValidationError as error:
        return None, [problem.within(place) for problem in problems(error, FaultError)]
    if found:
        return None, [problem.within(place) for problem in found]
    short = path.stem if path else name
    return LoadedFault(name=short, path=path, file=file, rules=rules), []


def _rules(
    file: FaultFile, path: Path | None, overrides: Mapping[str, str]
) -> tuple[tuple[Rule, ...], list[FaultError]]:
    stem = path.stem if path else file.title
    parameters, found = _parameters(file, overrides)
    rules: list[Rule] = []
    for index, data in enumerate(file.rules):
        name = stem if len(file.rules) == 1 else f"{stem}[{index}]"
        rule, wrong = rule_of(_filled(data, parameters), name)
        found += [problem.within(f"rules[{index}]", ".") for problem in wrong]
        rules += [rule] if rule is not None else []
    missing, none = _listed(file.missing), _listed(file.none)
    if missing or none:
        made, wrong = _components(path).rules(missing=missing, none=none, stem=stem)
        rules += made
        found += wrong
    if not rules and not found:
        found.append(FaultError("says nothing that goes wrong", hint="give it rules, missing or none"))
    return tuple(rules), found


def _components(path: Path | None) -> Components:
    return find_components(path.parent if path else Path.cwd() / "faults")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _parameters(file: FaultFile, overrides: Mapping[str, str]) -> tuple[dict[str, object], list[FaultError]]:
    unknown = [name for name in overrides if name not in file.params]
    known = ", ".join(file.params) or "none"
    found = [
        FaultError(f"no parameter is named {name!r}", place="params", hint=f"there are {known}")
        for name in unknown
    ]
    given = {name: parse_yaml(f"value: {text}".encode(), name)["value"] for name, text in overrides.items()}
    return {**file.params, **given}, found


def _filled(data: object, parameters: Mapping[str, object]) -> object:
    """Rules with '${name}' replaced: a whole value keeps the parameter's type, a part becomes text."""
    if isinstance(data, dict):
        return {key: _filled(value, parameters) for key, value in data.items()}
    if isinstance(data, list):
        return [_filled(value, parameters) for value in data]
    if not isinstance(data, str):
        return data
    whole = _PARAMETER.fullmatch(data)
    if whole and whole[1] in parameters:
        return parameters[whole[1]]
    return _PARAMETER.sub(lambda match: str(parameters.get(match[1], match[0])), data)
