"""Round trip: a replay is recorded, through mitmproxy, and compared with what it was made from.

The recording's own client plays against the replay (simulator/live/driver.py), and a recorder stands between them.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.conversations import conversation
from simulator.core.drift import Drift, drift, percentile
from simulator.core.events import Event, Request
from simulator.core.recording import Header, Recording, Service
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.core.units import MILLISECOND
from simulator.files.locate import find_recording, recording_names
from simulator.files.reader import load
from simulator.live.driver import LiveDriver
from simulator.live.recorder import Recorder, Upstream
from simulator.live.server import ReplayServer

SETTLED = 0.3
"""Seconds without a new event after which a recorder has seen all there is."""
PATIENCE = 5.0
GENERATED, BATCH = 1000, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A recording, what was recorded of its replay, and how the two differ."""

    original: Recording
    again: Recording
    drift: Drift
    problems: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        return not self.drift.differences and not self.problems


def trips(
    originals: Sequence[Recording], *, fresh: bool = True, speed: float = 1.0, at_once: int = 6
) -> list[Trip]:
    """Record the replays of some recordings, all by one recorder, `at_once` at a time.

    With `fresh`, the replays make ids of their own, as they do by default; without, no value may differ at all.
    """
    return asyncio.run(_trips(originals, fresh=fresh, speed=speed, at_once=at_once))


def settled_trips(originals: Sequence[Recording], *, tries: int = 3, **how: Any) -> tuple[list[Trip], int]:
    """The same, with those that differ tried again by themselves; says for how many that was.

    On a busy machine, a message that takes longer than its neighbours were apart comes after them: what differs by
    such a chance does not the next time, and what differs for a reason does.
    """
    found = trips(originals, **how)
    late = [number for number, trip in enumerate(found) if not trip.same]
    for number in late:
        for _ in range(1, tries):
            found[number] = trips([originals[number]], **how)[0] if not found[number].same else found[number]
    return found, len(late)


async def _trips(originals: Sequence[Recording], *, fresh: bool, speed: float, at_once: int) -> list[Trip]:
    events: list[Event] = []
    problems: list[str] = []
    async with AsyncExitStack() as stack:
        settings = Settings(seed=1, fresh=fresh, speed=speed)
        servers = [await _serving(stack, original, settings) for original in originals]
        upstreams = [
            Upstream(f"{number}-{service}", url)
            for number, server in enumerate(servers)
            for service, url in server.urls.items()
        ]
        recorder = Recorder(events.append, upstreams=upstreams, on_problem=problems.append)
        recorder.start()
        try:
            drivers = [
                LiveDriver(original, _addresses(recorder.addresses, number), speed=speed, patience=PATIENCE)
                for number, original in enumerate(originals)
            ]
            gate = asyncio.Semaphore(at_once)
            await asyncio.gather(*(_driven(driver, gate) for driver in drivers))
            await _settled(events)
        finally:
            await asyncio.to_thread(recorder.stop)
        for driver in drivers:
            driver.close()
    found = [_recorded(events, number, recorder.created, servers[number].urls) for number in range(len(originals))]
    return [
        Trip(
            original=original,
            again=again,
            drift=drift(original, again, strict=not fresh),
            problems=(*(line for line in problems if line.startswith(f"{number}-")), *driver.problems),
        )
        for number, (original, again, driver) in enumerate(zip(originals, found, drivers, strict=True))
    ]


async def _serving(stack: AsyncExitStack, original: Recording, settings: Settings) -> ReplayServer:
    server = ReplayServer(script=compile_script(original), settings=settings)
    await server.start()
    stack.push_async_callback(server.stop)
    return server


def _addresses(addresses: Mapping[str, str], number: int) -> dict[str, str]:
    mine = f"{number}-"
    return {name.removeprefix(mine): url for name, url in addresses.items() if name.startswith(mine)}


async def _driven(driver: LiveDriver, gate: asyncio.Semaphore) -> None:
    async with gate:
        await driver.run()


async def _settled(events: list[Event]) -> None:
    count = -1
    while count != len(events):
        count = len(events)
        await asyncio.sleep(SETTLED)


def _recorded(events: Iterable[Event], number: int, created: int, urls: Mapping[str, str]) -> Recording:
    """What was recorded of one of the replays."""
    mine = f"{number}-"
    flows = {event.flow for event in events if isinstance(event, Request) and event.service.startswith(mine)}
    found = [
        replace(event, service=event.service.removeprefix(mine)) if isinstance(event, Request) else event
        for event in events
        if event.flow in flows
    ]
    services = tuple(Service(name=name, origins=(url,)) for name, url in urls.items())
    return Recording(header=Header(created=created, services=services), events=tuple(found))


# --- figures ---------------------------------------------------------------------------------------------------


def figures() -> Iterator[tuple[str, str]]:
    """What of the shipped recordings, of Jupyter and of made-up conversations survives a round trip."""
    for name in recording_names():
        trip = trips([load(find_recording(name)).recording])
        yield f"`{name}`, recorded again from its replay", _said(trip)
    yield "Jupyter with a kernel, recorded again from its replay", _said(trips([_jupyter()]))
    found, again = [], 0
    for begin in range(0, GENERATED, BATCH):
        batch = [conversation(seed) for seed in range(begin, min(begin + BATCH, GENERATED))]
        some, late = settled_trips(batch, fresh=begin % (2 * BATCH) == 0)
        found += some
        again += late
    yield f"{GENERATED:,} generated conversations", f"{_said(found)}; {again} of them at the second try"


def _said(found: Sequence[Trip]) -> str:
    events = sum(len(trip.original.events) for trip in found)
    differences = sum(len(trip.drift.differences) + len(trip.problems) for trip in found)
    errors = [timing.error / MILLISECOND for trip in found for timing in trip.drift.timings if not timing.sent]
    half, most = percentile(errors, 0.5), percentile(errors, 0.99)
    return f"{events:,} events, {differences} differences; delays off by {half:.1f} ms (p50), {most:.1f} ms (p99)"


def _jupyter() -> Recording:
    """A conversation with a real Jupyter Server, recorded now; it is in the dev extra."""
    from tests.real.test_jupyter import jupyter, stagesim

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jupyter.jsonl"
        with jupyter(Path(folder)) as origin:
            run = stagesim("record", "--upstream", f"jupyter={origin}", "--out", str(path))
        if run.code:
            raise RuntimeError(run.said)
        return load(path).recording


def main() -> None:
    for what, figure in figures():
        print(f"{what}: {figure}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
