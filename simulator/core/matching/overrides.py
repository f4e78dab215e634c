"""Overrides: what a recording's header says about matching, where the comparison by itself would be wrong.

`match:` names places whose values must be equal, or says in what order a flow's messages are expected; `ignore:`
names places that are not looked at. Places are written as in `simulator.core.values.places`, without list indices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from simulator.core.jsontext import Json
from simulator.core.values.places import Slot, general

Order = int | None
"""How many of the messages that are expected next may come now; None for all of them."""

EXACT: Final = "exact"
RECORDED: Final = "recorded"
_ORDER: Final = "order"

Verdict = Literal["exact", "ignored", "paired"]


@dataclass(frozen=True, slots=True)
class Rules:
    """The overrides on one route, for what the client sends."""

    exact: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    order: Order = None
    paired: frozenset[str] = frozenset()

    def of(self, slot: Slot) -> Verdict | None:
        """What is said of this place, if anything."""
        if not self.exact and not self.ignored and not self.paired:
            return None
        name = general(slot)
        if name in self.ignored or name in self.exact:
            return "ignored" if name in self.ignored else "exact"
        return "paired" if name in self.paired or str(slot) in self.paired else None


NO_RULES: Final = Rules()


@dataclass(frozen=True, slots=True)
class Overrides:
    """All overrides of a recording, by route."""

    routes: Mapping[str, Rules] = field(default_factory=dict)

    def on(self, route: str) -> Rules:
        return self.routes.get(route, NO_RULES)


@dataclass(frozen=True, slots=True)
class Paired:
    """A recorded id that means something at its own place of its own flow only."""

    value: Json


def overrides(match: Mapping[str, str | int], ignore: tuple[str, ...], paired: Iterable[str] = ()) -> Overrides:
    """Sort what a header says by route; `paired` are the places where clients put ids of their flow.

    `match` maps places to 'exact', and '… > order' to 'recorded' or to how many messages ahead are fine.
    """
    exact: dict[str, set[str]] = {}
    ignored: dict[str, set[str]] = {}
    pairs: dict[str, set[str]] = {}
    order: dict[str, int] = {}
    for place in paired:
        route, name = split(place)
        pairs.setdefault(route, set()).add(name)
    for place in ignore:
        route, name = split(place)
        ignored.setdefault(route, set()).add(name)
    for place, rule in match.items():
        route, name = split(place)
        if name == _ORDER:
            order[route] = rule if isinstance(rule, int) else 1
        else:
            exact.setdefault(route, set()).add(name)
    return Overrides(
        {
            route: Rules(
                exact=frozenset(exact.get(route, ())),
                ignored=frozenset(ignored.get(route, ())),
                order=order.get(route),
                paired=frozenset(pairs.get(route, ())),
            )
            for route in (*exact, *ignored, *order, *pairs)
        }
    )


def split(place: str) -> tuple[str, str]:
    """The route and the name within it: 'backend /ws > $.id' is ('backend /ws', '$.id'); '<' has no route here."""
    route, arrow, name = place.partition(" > ")
    return (route, name) if arrow else ("", place)


def problem_with(place: str, rule: str | int) -> str | None:
    """Why a line of `match:` means nothing, if so."""
    route, name = split(place)
    if not route:
        return "expected a place of what the client sends, such as 'backend /ws > $.agent'"
    if name == _ORDER:
        fine = rule == RECORDED or (isinstance(rule, int) and rule > 0)
        return None if fine else f"expected 'recorded' or how many messages ahead, got {rule!r}"
    return None if rule == EXACT else f"expected 'exact', got {rule!r}"
