"""Correlation: of the values that are others in every run, how many a replay makes its own.

`python -m benchmarks.correlation` also says which it does not. Each scenario was recorded twice, from a service
that was started anew. What the server said differently is volatile by definition: ids, tokens and times, but also
process numbers, ports and the like, which no replay can make; its own address is not. Of these the found are those
that the plan covers; false are values that it makes anew although both recordings have the same.

The scenarios are Jupyter's of examples/jupyter_client.py; queries, mutations and two subscriptions at once over
graphql-ws 6; and a session with the inspector of Node 20 (`node --inspect`): evaluate, look at properties, log.
The clients of the second recordings count from 11.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from simulator.core.jsontext import MISSING
from simulator.core.recording import Recording
from simulator.core.values.correlation import SENT, Variable, propose
from simulator.core.values.nested import nested_json
from simulator.core.values.occurrences import Occurrence, occurrences
from simulator.core.values.planning import plan
from simulator.core.values.twins import twins
from simulator.files.locate import find_recording
from simulator.files.reader import load

DATA: Final = Path(__file__).parent.parent / "tests" / "core" / "real"
SERVICES: Final = {
    "golden-path": "the golden path",
    "jupyter": "Jupyter Server",
    "graphql": "graphql-ws",
    "inspector": "Node's inspector",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a plan finds of the values that differ, and changes of those that do not; places of the rest."""

    volatile: int
    found: int
    false: int
    missed: tuple[str, ...]
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.found} of {self.volatile} ({self.found / self.volatile:.0%}), {self.false} false"


def recorded(name: str) -> tuple[Recording, Recording]:
    """Two recordings of one scenario."""
    first = find_recording(name) if name == "golden-path" else DATA / f"{name}-a.jsonl"
    return load(first).recording, load(DATA / f"{name}-b.jsonl").recording


def judged(one: Recording, other: Recording, *, learned: bool) -> Found:
    """What is found in `one`, by itself or `learned` from both, measured by the other."""
    correlations = propose(one, other) if learned else propose(one)
    planned = plan(replace(one, header=replace(one.header, correlate=correlations)))
    (theirs,) = twins(one, other).values
    volatile: list[tuple[Occurrence, bool]] = []
    wrong: list[str] = []
    for item in occurrences(one):
        value = theirs.get((item.number, item.slot), MISSING)
        if item.upstream or value is MISSING or nested_json(item.value) is not MISSING:
            continue
        variable = dict(planned.at(item.number)).get(item.slot)
        if value != item.value:
            volatile.append((item, variable is not None))
        elif variable is not None and _makes(variable):
            wrong.append(item.place)
    missed = tuple(item.place for item, found in volatile if not found)
    return Found(
        volatile=len(volatile),
        found=len(volatile) - len(missed),
        false=len(wrong),
        missed=missed,
        wrong=tuple(wrong),
    )


def _makes(variable: Variable) -> bool:
    """Whether a replay changes it though the client says what was recorded."""
    if variable.parts:
        return any(_makes(part.variable) for part in variable.parts)
    return variable.kind not in SENT


def figures() -> Iterator[tuple[str, str]]:
    """The share of volatile values that is found, from one recording and from two."""
    for name, title in SERVICES.items():
        one, other = recorded(name)
        yield f"{title}: volatile values found from one recording", str(judged(one, other, learned=False))
        yield f"{title}: volatile values found from two", str(judged(one, other, learned=True))


def main() -> None:
    """Print the figures, and which places were missed or wrong."""
    for what, figure in figures():
        print(f"{what}: {figure}")  # noqa: T201
    for name, title in SERVICES.items():
        for learned in (False, True):
            found = judged(*recorded(name), learned=learned)
            for word, places in (("missed", found.missed), ("false", found.wrong)):
                for place in dict.fromkeys(places):
                    by = "two" if learned else "one"
                    print(f"  {title}, {by}: {word} {places.count(place)} at {place}")  # noqa: T201


if __name__ == "__main__":
    main()
