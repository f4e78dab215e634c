"""Two documents compared value by value: what appeared, vanished, became another type or another value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from simulator.core import jsontext
from simulator.core.drift.differences import Difference, Kind
from simulator.core.drift.items import Item, json_type, place_of, shown
from simulator.core.drift.sides import Side, may_be, travels
from simulator.core.events import Direction
from simulator.core.jsontext import MISSING, Json, MaybeJson, Path
from simulator.core.values.correlation import ECHOED, Variable

_KINDS: Final = {("status",): Kind.STATUS, ("code",): Kind.CODE}


@dataclass(slots=True)
class Travels:
    """What the values that travel in one recording are called in the other, both ways."""

    after: dict[str, set[str]] = field(default_factory=dict)
    before: dict[str, set[str]] = field(default_factory=dict)

    def learn(self, before: Json, after: Json) -> None:
        """A value was made: here it is called this, there that."""
        self.after.setdefault(str(before), set()).add(str(after))
        self.before.setdefault(str(after), set()).add(str(before))

    def fit(self, before: Json, after: Json) -> bool:
        """Whether two values may stand for each other, for all that is known of them."""
        one, two = str(before), str(after)
        return two in self.after.get(one, {two}) and one in self.before.get(two, {one})


@dataclass(slots=True)
class Comparer:
    """Compares the items of two recordings. `learn` has to have seen all pairs before `differences` is asked."""

    before: Side
    after: Side
    travels: Travels = field(default_factory=Travels)

    def learn(self, one: Item, two: Item) -> None:
        """Note what the values that are made in this pair of items are called in each recording."""
        for path in one.variables.keys() | two.variables.keys():
            ours, theirs = one.variables.get(path), two.variables.get(path)
            our, their = jsontext.at_path(one.document, path), jsontext.at_path(two.document, path)
            if our is MISSING or their is MISSING or json_type(our) != json_type(their):
                continue
            if (travels(ours) or travels(theirs)) and _may_be_made(ours, one) and _may_be_made(theirs, two):
                self.travels.learn(our, their)

    def differences(self, one: Item, two: Item) -> Iterator[Difference]:
        """What differs between two items that stand for each other."""
        return self._values((), one.document, two.document, one, two)

    def _values(self, path: Path, ours: Json, theirs: Json, one: Item, two: Item) -> Iterator[Difference]:
        if isinstance(ours, dict) and isinstance(theirs, dict):
            for key in sorted(ours.keys() | theirs.keys()):
                inner = (*path, key)
                yield from self._fields(inner, ours.get(key, MISSING), theirs.get(key, MISSING), one, two)
        elif isinstance(ours, list) and isinstance(theirs, list):
            if len(ours) != len(theirs):
                yield _difference(Kind.LENGTH, path, one, f"{len(ours)} items", f"{len(theirs)} items")
            for position, (our, their) in enumerate(zip(ours, theirs, strict=False)):
                found = self._values((*path, position), our, their, one, two)
                yield from found if len(ours) == len(theirs) else (each for each in found if _is_structure(each))
        elif json_type(ours) != json_type(theirs):
            yield _difference(Kind.TYPE, path, one, shown(ours), shown(theirs))
        else:
            yield from self._leaves(path, ours, theirs, one, two)

    def _fields(
        self, path: Path, ours: MaybeJson, theirs: MaybeJson, one: Item, two: Item
    ) -> Iterator[Difference]:
        if ours is MISSING or theirs is MISSING:
            texts = (None if value is MISSING else shown(value) for value in (ours, theirs))
            yield _difference(Kind.FIELD, path, one, *texts)
        else:
            yield from self._values(path, ours, theirs, one, two)

    def _leaves(self, path: Path, ours: Json, theirs: Json, one: Item, two: Item) -> Iterator[Difference]:
        variables = one.variables.get(path), two.variables.get(path)
        if not self._same(path, ours, theirs, one, two):
            kind = _KINDS.get(path, Kind.VALUE)  # type: ignore[arg-type]
            yield _difference(kind, path, one, shown(ours), shown(theirs))
        elif any(map(travels, variables)) and not self.before.strict and not self.travels.fit(ours, theirs):
            yield _difference(Kind.CORRELATION, path, one, shown(ours), shown(theirs))

    def _same(self, path: Path, ours: Json, theirs: Json, one: Item, two: Item) -> bool:
        if ours == theirs:
            return True
        if self.before.strict:
            return False
        if self.before.is_secret(ours) or self.after.is_secret(theirs):
            return isinstance(ours, str) and isinstance(theirs, str)
        our, their = one.variables.get(path), two.variables.get(path)
        if (travels(our) or travels(their)) and _may_be(our, theirs) and _may_be(their, ours):
            return True
        normal = self.before.normal(ours, path, our, one.at), self.after.normal(theirs, path, their, two.at)
        bare = self.before.normal(ours, path, None, one.at), self.after.normal(theirs, path, None, two.at)
        return normal[0] == normal[1] or bare[0] == bare[1]


def _may_be(variable: Variable | None, value: Json) -> bool:
    return variable is None or may_be(variable, value)


def _may_be_made(variable: Variable | None, item: Item) -> bool:
    """Whether this may be where a value comes into being, and is not where it comes back."""
    if variable is None or not travels(variable) or variable.source == item.index:
        return True
    return variable.kind == ECHOED and item.direction is Direction.UPSTREAM


def _difference(kind: Kind, path: Path, one: Item, before: str | None, after: str | None) -> Difference:
    return Difference(kind=kind, event=one.label, field=place_of(path), before=before, after=after)


def _is_structure(difference: Difference) -> bool:
    return difference.kind in (Kind.FIELD, Kind.TYPE)
