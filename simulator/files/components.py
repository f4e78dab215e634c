"""Component files: what a staging is made of, what needs what, and what the wire shows when a part is not there.

`missing` is a component that could not be built: whatever needs it cannot be built either. `none` is one that is
there in name only: nobody notices until it is used, so nothing else is missing because of it. One that is
`degraded` is there and does its work badly, in one of the modes that its file names.

What is gone or degraded is well again when its `recovers after` has passed since the run's first request; without
one, never. What needs it comes back with it, or as much later as its own `recovers after` says.

`refusals` say how the staging refuses tokens, in so far as a recording does not show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from simulator.core.errors import FaultError
from simulator.core.refusals import Refusal
from simulator.core.rule import Rule
from simulator.core.schedule import limited
from simulator.core.units import NEVER, Time
from simulator.files.locate import shipped
from simulator.files.models import Strict
from simulator.files.problems import problems
from simulator.files.refusalmodels import RefusalModel, refusals_of
from simulator.files.rulemodels import DurationText, rule_of
from simulator.files.yamlfile import load_yaml

FILE_NAME = "components.yaml"


class Degraded(Strict):
    """A way in which a component does its work badly, and what the wire shows of it."""

    title: str = ""
    rules: Annotated[list[Any], Field(min_length=1)]


class Component(Strict):
    """One part of a staging, the parts that it cannot be built without, and the modes in which it is degraded."""

    title: str = ""
    needs: list[str] = []
    recovers_after: Annotated[DurationText | None, Field(alias="recovers after", gt=0)] = None
    degraded: dict[str, Degraded] = {}


class Effect(Strict):
    """What the wire shows without a component: rules as in fault files, in force if any of `without` is gone."""

    without: Annotated[list[str], Field(min_length=1)]
    how: Literal["missing", "none", "either"] = "either"
    title: str = ""
    rules: list[Any]


class ComponentFile(Strict):
    title: str = ""
    components: dict[str, Component] = {}
    effects: list[Effect] = []
    refusals: list[RefusalModel] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """A component file that was read."""

    path: Path
    needs: Mapping[str, tuple[str, ...]]
    effects: tuple[Effect, ...]
    modes: Mapping[str, Mapping[str, Degraded]] = field(default_factory=dict)
    recovers: Mapping[str, Time] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()

    def unavailable(self, missing: Iterable[str]) -> frozenset[str]:
        """What cannot be there when these are missing: they, and whatever needs them, however indirectly."""
        gone = set(missing)
        while more := {name for name, needs in self.needs.items() if gone.intersection(needs)} - gone:
            gone |= more
        return frozenset(gone)

    def returns(self, named: Iterable[str], gone: Iterable[str], after: Time | None) -> dict[str, Time]:
        """When each component that is gone is there again; `named` are those that are gone by themselves.

        `after` is said for those, instead of what the file says. Needs that go round in a circle end somewhere.
        """
        roots = {name: self.recovers.get(name, NEVER) if after is None else after for name in named}
        found = {name: roots.get(name, 0) for name in gone}
        for _ in found:
            for name in found:
                needed = max((found[other] for other in self.needs.get(name, ()) if other in found), default=0)
                extra = 0 if name in roots else self.recovers.get(name, 0)
                found[name] = min(NEVER, max(roots.get(name, 0), needed + extra))
        return found

    def rules(
        self,
        *,
        missing: Iterable[str] = (),
        none: Iterable[str] = (),
        degraded: Mapping[str, str] | None = None,
        stem: str,
        recovers_after: Time | None = None,
    ) -> tuple[list[Rule], list[FaultError]]:
        """The rules that follow from components being missing, None or degraded, or what is wrong with asking.

        `degraded` are modes by component, `recovers_after` is said for all of them instead of what the file says.
        """
        degraded = degraded or {}
        gone = {
            "missing": self.returns(missing, self.unavailable(missing), recovers_after),
            "none": self.returns(none, none, recovers_after),
        }
        found = self._unknown({"missing": missing, "none": none, "degraded": degraded})
        found += self._not_degraded(degraded, {*gone["missing"], *gone["none"]})
        rules: list[Rule] = []
        for index, effect in enumerate(self.effects):
            kinds = ("missing", "none") if effect.how == "either" else (effect.how,)
            ends = [gone[kind][name] for kind in kinds for name in effect.without if name in gone[kind]]
            if ends:
                made, wrong = self._effect(index, stem, len(rules))
                rules += [limited(rule, 0, max(ends)) for rule in made]
                found += wrong
        for name, mode in degraded.items() if not found else ():
            made, wrong = self._mode(name, mode, stem)
            end = self.recovers.get(name, NEVER) if recovers_after is None else recovers_after
            rules += [limited(rule, 0, end) for rule in made]
            found += wrong
        if not rules and not found:
            found.append(FaultError("no effect in the component file follows from this", place=str(self.path)))
        return rules, found

    def _unknown(self, asked: Mapping[str, Iterable[str]]) -> list[FaultError]:
        hint = f"{self.path} has {', '.join(self.needs)}"
        return [
            FaultError(f"no component is named {name!r}", place=kind, hint=hint)
            for kind, names in asked.items()
            for name in names
            if name not in self.needs
        ]

    def _not_degraded(self, degraded: Mapping[str, str], gone: set[str]) -> list[FaultError]:
        """What cannot be degraded so: it has no such mode, or is not there at all."""
        found = []
        for name, mode in degraded.items():
            modes = ", ".join(self.modes.get(name, ())) or "none"
            if name in gone:
                found.append(FaultError("is not there, so it cannot be degraded", place=f"degraded.{name}"))
            elif name in self.needs and mode not in self.modes.get(name, {}):
                problem = f"no mode of it is named {mode!r}"
                found.append(FaultError(problem, place=f"degraded.{name}", hint=f"there are {modes}"))
        return found

    def _effect(self, index: int, stem: str, first: int = 0) -> tuple[list[Rule], list[FaultError]]:
        effect = self.effects[index]
        return self._read(effect.rules, f"effects[{index}]", f"{stem}/{effect.without[0]}", first)

    def _mode(self, name: str, mode: str, stem: str) -> tuple[list[Rule], list[FaultError]]:
        place = f"components.{name}.degraded.{mode}"
        return self._read(self.modes[name][mode].rules, place, f"{stem}/{name}={mode}")

    def _read(
        self, rules: Iterable[Any], place: str, stem: str, first: int = 0
    ) -> tuple[list[Rule], list[FaultError]]:
        made, found = [], []
        for number, data in enumerate(rules):
            rule, wrong = rule_of(data, f"{stem}[{first + number}]")
            found += [problem.within(f"{self.path}: {place}.rules[{number}]", ".") for problem in wrong]
            made += [rule] if rule is not None else []
        return made, found


def find_components(folder: Path) -> Components:
    """The component file of a folder of faults: its own, that of a folder above, or the shipped one."""
    return own_components(folder) or load_components(shipped() / "faults" / FILE_NAME)


def own_components(folder: Path) -> Components | None:
    """The component file of a folder of faults: its own, or that of a folder above; None if there is none."""
    places = (folder, *list(folder.resolve().parents)[:2])
    found = next((place / FILE_NAME for place in places if (place / FILE_NAME).is_file()), None)
    return None if found is None else load_components(found)


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
    refusals, wrong = refusals_of(file.refusals)
    components = Components(
        path=path,
        needs=needs,
        effects=tuple(file.effects),
        modes={name: component.degraded for name, component in file.components.items()},
        recovers={
            name: component.recovers_after
            for name, component in file.components.items()
            if component.recovers_after is not None
        },
        refusals=tuple(refusals),
    )
    found = [problem.within(str(path)) for problem in (*_unknown_names(file), *wrong)]
    for index in range(len(file.effects)):
        found += components._effect(index, path.stem)[1]
    for name, modes in components.modes.items():
        for mode in modes:
            found += components._mode(name, mode, path.stem)[1]
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
