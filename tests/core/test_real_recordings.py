"""Recordings of real services, each made twice: what differs is found, and another client gets its own ids back.

How they were made is said in benchmarks/correlation.py; addresses were replaced, and header fields that name
software left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.correlation import SERVICES, judged, recorded
from simulator.core.events import Direction, Event, Message, Request
from simulator.core.recording import Recording
from simulator.core.units import MILLISECOND, SECOND
from simulator.core.values.correlation import propose
from tests.core.playing import Staging

MISSED = {
    "golden-path": {
        f"backend /api/discovery/services < $.services.{name}.port" for name in ("backend", "auth", "frontend")
    },
    "jupyter": set(),
    "graphql": set(),
    "inspector": {
        "inspector /json/list < $[*].title",
        "inspector /{} < $.params.context.name",
        "inspector /{} < $.result.result.value",
        "inspector /{} < $.result.result.description",
    },
}
"""What no replay can make: ports, and numbers of processes, alone and within names."""


@pytest.mark.parametrize("learned", [False, True], ids=["one", "two"])
@pytest.mark.parametrize("name", SERVICES)
def test_what_differs_is_found_and_what_does_not_is_left_alone(name: str, learned: bool) -> None:
    found = judged(*recorded(name), learned=learned)
    assert set(found.missed) == MISSED[name]
    assert found.wrong == ()
    assert found.volatile > 20


@pytest.mark.parametrize("name", ["graphql", "inspector"])
def test_short_ids_of_real_protocols_are_paired(name: str) -> None:
    paired = [(item.source, item.targets) for item in propose(recorded(name)[0]) if item.kind == "paired"]
    route = {"graphql": "graphql /graphql", "inspector": "inspector /{}"}[name]
    assert paired == [(f"{route} > $.id", (f"{route} < $.id",))]


def heard(played: Recording, live: Recording) -> Iterator[Event]:
    """What the client of one recording hears on a replay of the other; it says each thing when it did."""
    staging = Staging(played)
    for event in live.events:
        if event.direction is Direction.UPSTREAM:
            yield from staging.session.due(event.at - 1)
            staging.hears(replace(event, service="") if isinstance(event, Request) else event)
    yield from staging.says(live.length // MILLISECOND + 60 * SECOND // MILLISECOND)
    assert staging.notes("missed") == ()


def ids(events: Iterator[Event]) -> list[object]:
    said = (
        json.loads(event.data)
        for event in events
        if isinstance(event, Message) and event.direction == "downstream"
    )
    return sorted((message["id"] for message in said if "id" in message), key=str)


@pytest.mark.parametrize("name", ["graphql", "inspector"])
def test_a_client_that_counts_from_elsewhere_gets_its_own_ids_back(name: str) -> None:
    one, other = recorded(name)
    for played, live in ((one, other), (other, one)):
        assert ids(heard(played, live)) == ids(iter(live.events))


def test_what_is_made_anew_though_it_is_always_the_same_counts_as_false() -> None:
    one, _ = recorded("inspector")
    found = judged(one, one, learned=False)
    assert (found.volatile, found.found) == (0, 0)
    assert "inspector /json/list < $[*].id" in found.wrong
