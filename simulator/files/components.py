"""Component files: what a staging is made of, what needs what, and what the wire shows when a part is not there.

`missing` is a component that could not be built: whatever needs it cannot be built either. `none` is one that is
there in name only: nobody notices until it is used, so nothing else is missing because of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from simulator.core.errors import FaultError
from simulator.core.rule import Rule
from simulator.files.locate import shipped
from simulator.files.models import Strict
from simulator.files.problems import problems
from simulator.files.rulemodels import rule_of
from simulator.files.yamlfile import load_yaml

FILE_NAME = "components.yaml"


class Component(Strict):
    """One part of a staging, and the parts that it cannot be built without."""

    title: str = ""
    needs: list[str] = []


class Effect(Strict):
    """What the wire shows without a component: rules as in fault files, in force if any of `without` is gone."""

    without: Annotated[list[str], Field(min_length=1)]
    how: Literal["missing", "none", "either"] = "either"
    title: str = ""
    rules: list[Any]


class ComponentFile(Strict):
    title: str = ""
    components: dict[str, Component]
    effects: list[Effect]


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """A component file that was read."""

    path: Path
    needs: Mapping[str, tuple[str, ...]]
    effects: tuple[Effect, ...]

    def unavailable(self, missing: Iterable[str]) -> frozenset[str]:
        """What cannot be there when these are missing: they, and whatever needs them, however indirectly."""
        gone = set(missing)
        while more := {name for name, needs in self.needs.items() if gone.intersection(needs)} - gone:
            gone |= more
        return frozenset(gone)

    def rules(
        self, *, missing: Iterable[str], none: Iterable[str], stem: str
    ) -> tuple[list[Rule], list[FaultError]]:
        """The rules that follow from components being missing or None, or what is wrong with asking for it."""
        known = ", ".join(self.needs)
        found = [
            FaultError(f"no component is named {name!r}", place=kind, hint=f"{self.path} has {known}")
            for kind, names in (("missing", missing), ("none", none))
            for name in names
            if name not in self.needs
        ]
        gone = {"missing": self.unavailable(missing), "none": frozenset(none)}
        rules: list[Rule] = []
        for index, effect in enumerate(self.effects):
            kinds = ("missing", "none") if effect.how == "either" else (effect.how,)
            if any(gone[kind].intersection(effect.without) for kind in kinds):
                made, wrong = self._effect(index, effect, stem, len(rules))
                rules += made
                found += wrong
        if not rules and not found:
            found.append(FaultError("no effect in the component file follows from this", place=str(self.path)))
        return rules, found

    def _effect(
        self, index: int, effect: Effect, stem: str, first: int = 0
    ) -> tuple[list[Rule], list[FaultError]]:
        rules, found = [], []
        for number, data in enumerate(effect.rules):
            rule, wrong = rule_of(data, f"{stem}/{effect.without[0]}[{first + number}]")
            found += [problem.within(f"{self.path}: effects[{index}].rules[{number}]", ".") for problem in wrong]
            rules += [rule] if rule is not None else []
        return rules, found


def find_components(folder: Path) -> Components:
    """The component file of a folder of faults: its own, that of a folder above, or the shipped one."""
    for place in (folder, *list(folder.resolve().parents)[:2], shipped() / "faults"):
        if (place / FILE_NAME).is_file():
            return load_components(place / FILE_NAME)
    raise FaultError(f"no {FILE_NAME} beside or above it", place=str(folder))


def load_components(path: Path) -> Components:
    """Read a component file. Raises FaultError."""
    found = check_components(path)
    if isinstance(found, Components):
        return found
    more = f"and {len(found) - 1} more; `stagesim check {path}` lists all" if len(found) > 1 else found[0].hint
    raise FaultError(found[0].problem, place=found[0].place, hint=more)


def check_components(path: Path) -> Components | list[FaultError]:
    """A component file, or everything that is wrong with it. Raises FaultError where it is no YAML."""
    try:
        file = ComponentFile.model_validate(load_yaml(path))
    except ValidationError as error:
        return [problem.within(str(path)) for problem in problems(error, FaultError)]
    needs = {name: tuple(component.needs) for name, component in file.components.items()}
    components = Components(path=path, needs=needs, effects=tuple(file.effects))
    found = [problem.within(str(path)) for problem in _unknown_names(file)]
    for index, effect in enumerate(file.effects):
        found += components._effect(index, effect, path.stem)[1]
    return found or components


def _unknown_names(file: ComponentFile) -> list[FaultError]:
    places = [(f"components.{name}.needs", component.needs) for name, component in file.components.items()]
    places += [(f"effects[{index}].without", effect.without) for index, effect in enumerate(file.effects)]
    return [
        FaultError(f"no component is named {name!r}", place=place, hint=f"there are {', '.join(file.components)}")
        for place, names in places
        for name in names
        if name not in file.components
    ]
