"""Fault files: YAML in, rules out, and every mistake told with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, ValidationError

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
    """What a client saw in an incident; what is not given is not claimed.

    `statuses` go by path, 0 for no answer in time; `connections` are WebSockets that were open already.
    """

    connections: int = 0
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
    date: Annotated[str, BeforeValidator(str)] = ""
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
    fault, found = _read(data, path, name, overrides or {})
    return fault, [problem.within(str(path or name)) for problem in found]


def fault_of(data: object, overrides: Mapping[str, str] | None = None) -> LoadedFault:
    """A fault from what a fault file says, given as data. Raises FaultError for the first mistake."""
    fault, found = _read(data, None, "", overrides or {})
    if fault is None:
        more = f"and {len(found) - 1} more" if len(found) > 1 else found[0].hint
        raise FaultError(found[0].problem, place=found[0].place, hint=more)
    return fault


def _read(
    data: object, path: Path | None, name: str, overrides: Mapping[str, str]
) -> tuple[LoadedFault | None, Sequence[FaultError]]:
    try:
        file = FaultFile.model_validate(data)
        rules, found = _rules(file, path, overrides)
    except ValidationError as error:
        return None, problems(error, FaultError)
    if found:
        return None, found
    return LoadedFault(name=path.stem if path else name, path=path, file=file, rules=rules), []


def _rules(
    file: FaultFile, path: Path | None, overrides: Mapping[str, str]
) -> tuple[tuple[Rule, ...], list[FaultError]]:
    stem = path.stem if path else file.title
    parameters, found = _parameters(file, overrides)
    rules: list[Rule] = []
    for index, data in enumerate(file.rules):
        name, place = stem if len(file.rules) == 1 else f"{stem}[{index}]", f"rules[{index}]"
        unknown = _unknown(data, file)
        rule, wrong = rule_of(_filled(data, parameters), name)
        found += [_no_parameter(name, place, file) for name in unknown]
        if not unknown:
            found += [problem.within(place, ".") for problem in wrong]
        if rule is not None and any(rule.name == other.name for other in rules):
            found.append(FaultError(f"another rule is named {rule.name!r}", place=f"{place}.name"))
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
    found = [_no_parameter(name, "params", file) for name in overrides if name not in file.params]
    given = {name: parse_yaml(f"value: {text}".encode(), name)["value"] for name, text in overrides.items()}
    return {**file.params, **given}, found


def _no_parameter(name: str, place: str, file: FaultFile) -> FaultError:
    known = ", ".join(file.params) or "none"
    return FaultError(f"no parameter is named {name!r}", place=place, hint=f"there are {known}")


def _unknown(data: object, file: FaultFile) -> list[str]:
    """Names in '${name}' that are no parameters; a file without parameters may say that and mean it."""
    if isinstance(data, dict | list):
        inner = data.values() if isinstance(data, dict) else data
        return list(dict.fromkeys(name for item in inner for name in _unknown(item, file)))
    named = _PARAMETER.findall(data) if isinstance(data, str) and file.params else []
    return [name for name in named if name not in file.params]


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
