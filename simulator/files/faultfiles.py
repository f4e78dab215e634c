"""Fault files: YAML in, rules out, and every mistake told with its place."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ValidationError

from simulator.core.errors import FaultError
from simulator.core.rule import Rule
from simulator.files.composition import Scheduled, composed
from simulator.files.locate import fault_names, find_fault
from simulator.files.models import Strict
from simulator.files.problems import problems
from simulator.files.rulemodels import Scalar
from simulator.files.symptoms import Symptom
from simulator.files.yamlfile import load_yaml, parse_yaml

_PARAMETER: Final = re.compile(r"\$\{(\w+)\}")
_NAMES: Final = re.compile(r"[\w-]+(,[\w-]+)*")
_MODES: Final = re.compile(r"[\w-]+=[\w-]+(,[\w-]+=[\w-]+)*")
_FILLED: Final = frozenset(
    key for name, field in Scheduled.model_fields.items() for key in (name, field.alias) if key is not None
)
MAX_FILES: Final = 100
"""Files that one fault may include, counting each time."""
MAX_DEPTH: Final = 10


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


class FaultFile(Scheduled):
    """A fault file as written: what goes wrong, and beside that what is for people.

    `command` is what was run against it when it was found.
    """

    title: str
    symptoms: list[Symptom] = []
    reported: str = ""
    date: Annotated[str, BeforeValidator(str)] = ""
    cause: str = ""
    source: str = ""
    recording: str | None = None
    seed: int = 0
    saw: Saw | None = None
    command: list[str] = []
    params: dict[str, Scalar] = {}


class _Parameters(BaseModel):
    params: dict[str, Scalar] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFault:
    """A fault ready to be armed: its name, what its file says, and its rules.

    `given` is what loads it again where neither its file nor its name does.
    """

    name: str
    path: Path | None
    file: FaultFile
    rules: tuple[Rule, ...]
    given: str = ""

    @property
    def again(self) -> str:
        """What `--fault` takes to lay it over a replay again."""
        return self.given or str(self.path or self.name)


def load_fault(name: str, overrides: Mapping[str, str] | None = None) -> LoadedFault:
    """Load a fault by name, by path, or inline as 'missing:llm_manager', 'none:…' or 'degraded:llm_manager=slow'.

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
    return _Reading().named(name, overrides or {})


def fault_of(data: object, overrides: Mapping[str, str] | None = None) -> LoadedFault:
    """A fault from what a fault file says, given as data. Raises FaultError for the first mistake.

    It may include other faults by their names, and not by paths: whoever sends it need not be able to read files.
    """
    fault, found = _Reading(only_known=True).data(data, None, "", overrides or {})
    if fault is None:
        more = f"and {len(found) - 1} more" if len(found) > 1 else found[0].hint
        raise FaultError(found[0].problem, place=found[0].place, hint=more)
    return fault


def is_known(name: str) -> bool:
    """Whether this names a fault here; a path does not."""
    known = fault_names()
    return name in known or any(other.endswith(f"/{name}") for other in known) or _inline(name) is not None


def _inline(name: str) -> dict[str, Any] | None:
    """What a fault file would say instead of 'missing:llm_manager', or None for any other name."""
    kind, colon, rest = name.partition(":")
    if colon and kind in ("missing", "none") and _NAMES.fullmatch(rest):
        return {"title": f"{rest} is {kind}", kind: rest.split(",")}
    if colon and kind == "degraded" and _MODES.fullmatch(rest):
        modes = dict(pair.split("=") for pair in rest.split(","))
        return {"title": ", ".join(f"{name} is {mode}" for name, mode in modes.items()), kind: modes}
    return None


@dataclass(slots=True, kw_only=True)
class _Reading:
    """Reads one fault with all that it includes: `chain` are the files being read, each inside the last."""

    chain: tuple[Path, ...] = ()
    only_known: bool = False
    files: Iterator[int] = field(default_factory=itertools.count)

    def named(self, name: str, overrides: Mapping[str, str]) -> tuple[LoadedFault | None, Sequence[FaultError]]:
        inline, path = _inline(name), None
        if inline is None:
            path = self._find(name)
            self._go_into(path)
        fault, found = self.data(inline or load_yaml(path or Path()), path, name, overrides)
        return fault, [problem.within(str(path or name)) for problem in found]

    def _find(self, name: str) -> Path:
        """A fault file's path: beside the file that includes it, else as everybody finds it."""
        if self.only_known and not is_known(name):
            hint = f"there are {', '.join(fault_names())}"
            raise FaultError(f"no fault is named {name!r}", hint=hint)
        return find_fault(name, beside=self.chain[-1] if self.chain else None)

    def _go_into(self, path: Path) -> None:
        """Raises FaultError where that would never come to an end."""
        if path.resolve() in self.chain:
            there = " → ".join(other.stem for other in (*self.chain, path))
            raise FaultError(f"a fault cannot include itself: {there}")
        if next(self.files) > MAX_FILES or len(self.chain) > MAX_DEPTH:
            raise FaultError(f"includes too many files: at most {MAX_FILES}, and {MAX_DEPTH} inside each other")
        self.chain = (*self.chain, path.resolve())

    def data(
        self, data: object, path: Path | None, name: str, overrides: Mapping[str, str]
    ) -> tuple[LoadedFault | None, Sequence[FaultError]]:
        try:
            params = _Parameters.model_validate(data).params
        except ValidationError:
            params = {}  # what is wrong with them is told with all the rest
        parameters, found = _parameters(params, overrides)
        unknown = dict.fromkeys(_unknown_names(data, params))
        found += [_no_parameter(named, place, params) for place, named in unknown]
        rules: list[Rule] = []
        try:
            file = FaultFile.model_validate(_all_filled(data, parameters))
        except ValidationError as error:
            wrong = problems(error, FaultError)
        else:
            stem, folder = (path.stem, path.parent) if path else (file.title, Path.cwd() / "faults")
            rules, wrong = composed(file, stem, folder, self._included)
        found += [
            problem for problem in wrong if not problem.place.startswith(tuple(place for place, _ in unknown))
        ]
        if found:
            return None, found
        return LoadedFault(name=path.stem if path else name, path=path, file=file, rules=tuple(rules)), []

    def _included(self, name: str, overrides: Mapping[str, str]) -> tuple[Sequence[Rule], Sequence[FaultError]]:
        inner = replace(self)
        fault, found = inner.named(name, overrides)
        return (fault.rules if fault else ()), found


def _parameters(
    params: Mapping[str, Scalar], overrides: Mapping[str, str]
) -> tuple[dict[str, object], list[FaultError]]:
    found = [_no_parameter(name, "params", params) for name in overrides if name not in params]
    given = {name: parse_yaml(f"value: {text}".encode(), name)["value"] for name, text in overrides.items()}
    return {**params, **given}, found


def _no_parameter(name: str, place: str, params: Mapping[str, Scalar]) -> FaultError:
    known = ", ".join(params) or "none"
    return FaultError(f"no parameter is named {name!r}", place=place, hint=f"there are {known}")


def _unknown_names(data: object, params: Mapping[str, Scalar]) -> Iterator[tuple[str, str]]:
    """Places of a '${name}' that is no parameter, with the name; without parameters, a file may mean it."""
    for key, value in data.items() if isinstance(data, dict) and params else ():
        several = isinstance(value, list) and key in _FILLED
        for index, item in enumerate(value if several else [value] if key in _FILLED else ()):
            place = f"{key}[{index}]" if several else key
            yield from ((place, name) for name in _parameter_names(item) if name not in params)


def _parameter_names(data: object) -> Iterator[str]:
    if isinstance(data, dict | list):
        for item in data.values() if isinstance(data, dict) else data:
            yield from _parameter_names(item)
    elif isinstance(data, str):
        yield from _PARAMETER.findall(data)


def _all_filled(data: object, parameters: Mapping[str, object]) -> object:
    """A fault file's data with its parameters, but not in what is for people."""
    if not isinstance(data, dict):
        return data
    return {key: _filled(value, parameters) if key in _FILLED else value for key, value in data.items()}


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
