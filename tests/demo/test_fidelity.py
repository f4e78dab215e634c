"""Fidelity: a component fault on the golden path shows a client what the staging shows without that component.

For every component, both ways of not being there: never built ('missing'), and None in a running system ('none').
The stand-in really lacks it and fails by itself; the replay only has the recording and components.yaml.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.demo.golden import record_tour
from simulator.demo.standin import COMPONENTS, build, running
from simulator.demo.tour import Tour, tour
from simulator.files.faultfiles import load_fault
from simulator.files.locate import find_recording
from simulator.files.reader import load
from simulator.live.server import ReplayServer

CASES = [(how, component) for how in ("missing", "none") for component in COMPONENTS]
FRAME_TIMEOUT = 4.0
"""Longer than the pauses between frames, as the users' clients wait."""


async def real(how: str, component: str) -> Tour:
    """A tour of the stand-in without a component."""
    system = build({component}) if how == "missing" else build()
    if how == "none":
        system.take_away(component)
    async with running(system) as standin:
        return await tour(standin.backend_url, standin.auth_url, standin.frontend_url, frame_timeout=FRAME_TIMEOUT)


@asynccontextmanager
async def replaying(path: Path, fault: str | None) -> AsyncIterator[ReplayServer]:
    rules = load_fault(fault).rules if fault else ()
    server = ReplayServer(script=compile_script(load(path).recording), rules=rules, settings=Settings(seed=1))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def replayed(path: Path, fault: str | None) -> Tour:
    async with replaying(path, fault) as server:
        urls = server.urls
        return await tour(urls["backend"], urls["auth"], urls["frontend"], frame_timeout=FRAME_TIMEOUT)


def shown(seen: Tour) -> dict[str, object]:
    """What a client can tell apart: statuses and fields, message types in order, the close, silence."""
    outcome = seen.outcome
    return {
        "answers": dict(seen.answers),
        "statuses": dict(outcome.statuses),
        "messages": outcome.types,
        "close": (outcome.close_code, outcome.close_reason),
        "silence": outcome.verdict == "timeout",
        "verdict": outcome.verdict,
    }


@pytest.fixture(scope="module")
def tours() -> dict[tuple[str, str], tuple[Tour, Tour]]:
    """Every case, real and replayed, all at a time: most of the time is waiting."""

    async def all_of_them() -> dict[tuple[str, str], tuple[Tour, Tour]]:
        golden = find_recording("golden-path")

        async def both(how: str, component: str) -> tuple[Tour, Tour]:
            return await asyncio.gather(real(how, component), replayed(golden, f"{how}:{component}"))

        return dict(zip(CASES, await asyncio.gather(*(both(*case) for case in CASES)), strict=True))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(("how", "component"), CASES)
def test_a_component_fault_shows_what_its_absence_shows(
    how: str, component: str, tours: dict[tuple[str, str], tuple[Tour, Tour]]
) -> None:
    staging, simulated = tours[how, component]
    assert shown(simulated) == shown(staging)
    assert not staging.outcome.ok, "taking a component away breaks the run"


def test_the_recording_of_a_broken_staging_replays_as_it_broke(tmp_path: Path) -> None:
    async def compare() -> None:
        path = tmp_path / "broken.jsonl"
        assert await record_tour(path, missing=["orchestrator"]) == 0
        assert shown(await replayed(path, None)) == shown(await real("missing", "orchestrator"))

    asyncio.run(compare())
