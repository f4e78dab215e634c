"""Fidelity: a component fault on the golden path shows a client what the staging shows without that component.

For every component, both ways of not being there: never built ('missing'), and None in a running system ('none').
The stand-in really lacks it and fails by itself; the replay only has the recording and components.yaml.
The same holds for every mode in which a component is there and degraded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.core.units import SECOND
from simulator.demo.golden import record_tour
from simulator.demo.standin import COMPONENTS, MODES, build, running
from simulator.demo.standin.llm import PLANNING_SECONDS, SLOWNESS_SECONDS
from simulator.demo.tour import Tour, tour
from simulator.files.components import load_components
from simulator.files.faultfiles import load_fault
from simulator.files.locate import find_recording, shipped
from simulator.files.reader import load
from simulator.live.clock import Clock, ManualClock, RealClock
from simulator.live.server import ReplayServer

CASES = [(how, component) for how in ("missing", "none") for component in COMPONENTS]
RUN_SECONDS = 2.9
"""From the ping to the last event of the run, when nothing is wrong."""
DEGRADED = [(f"degraded:{component}={mode}", component) for component, mode in MODES]
FRAME_TIMEOUT = 4.0
"""Longer than the pauses between frames, as the users' clients wait."""


async def real(how: str, component: str) -> Tour:
    """A tour of the stand-in without a component, or with it degraded."""
    system = build({component}) if how == "missing" else build()
    if how == "none":
        system.take_away(component)
    if how.startswith("degraded:"):
        system.degrade(component, how.partition("=")[2])
    async with running(system) as standin:
        return await tour(standin.backend_url, standin.auth_url, standin.frontend_url, frame_timeout=FRAME_TIMEOUT)


@asynccontextmanager
async def replaying(path: Path, fault: str | None, clock: Clock | None = None) -> AsyncIterator[ReplayServer]:
    rules = load_fault(fault).rules if fault else ()
    script = compile_script(load(path).recording)
    server = ReplayServer(script=script, rules=rules, settings=Settings(seed=1), clock=clock or RealClock())
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
            fault = how if ":" in how else f"{how}:{component}"
            return await asyncio.gather(real(how, component), replayed(golden, fault))

        cases = [*CASES, *DEGRADED]
        return dict(zip(cases, await asyncio.gather(*(both(*case) for case in cases)), strict=True))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(("how", "component"), CASES)
def test_a_component_fault_shows_what_its_absence_shows(
    how: str, component: str, tours: dict[tuple[str, str], tuple[Tour, Tour]]
) -> None:
    staging, simulated = tours[how, component]
    assert shown(simulated) == shown(staging)
    assert not staging.outcome.ok, "taking a component away breaks the run"


@pytest.mark.parametrize(("how", "component"), DEGRADED)
def test_a_degraded_component_shows_what_it_really_shows(
    how: str, component: str, tours: dict[tuple[str, str], tuple[Tour, Tour]]
) -> None:
    staging, simulated = tours[how, component]
    assert shown(simulated) == shown(staging)
    assert all(status == 200 for status, _ in staging.answers.values()), "health does not tell"


def test_a_slow_component_makes_a_run_slow(tours: dict[tuple[str, str], tuple[Tour, Tour]]) -> None:
    for tour_ in tours["degraded:llm_manager=slow", "llm_manager"]:
        assert tour_.outcome.ok
        at = {frame.type: frame.seconds for frame in tour_.outcome.frames}
        assert at["agent_started"] - at["ping"] > PLANNING_SECONDS + SLOWNESS_SECONDS - 0.1
        assert at["agent_completed"] - at["ping"] > RUN_SECONDS + 3 * SLOWNESS_SECONDS - 0.1


def test_every_mode_in_the_file_is_one_that_the_real_thing_has() -> None:
    modes = load_components(shipped() / "faults" / "components.yaml").modes
    assert [(component, mode) for component, named in modes.items() for mode in named] == [*MODES]


def test_an_agent_that_is_stuck_is_hidden_behind_a_canned_success_over_http() -> None:
    """The recording has no such request, so the fault is all that answers it."""
    asked = {"type": "triage", "message": "What does it cost"}

    async def ask(url: str) -> dict[str, object]:
        async with httpx.AsyncClient(timeout=30) as http:
            response = await http.post(f"{url}/api/agents/execute", json=asked)
        found = dict(response.json())
        assert (response.status_code, found["status"], found["error"]) == (200, "success", None)
        return found

    async def compare() -> None:
        system = build(scale=0.02)
        async with running(system) as standin:
            assert not str((await ask(standin.backend_url))["response"]).startswith("Mock")
            system.degrade("llm_manager", "stuck")
            real = await ask(standin.backend_url)
        clock = ManualClock()
        async with replaying(find_recording("golden-path"), "degraded:llm_manager=stuck", clock) as server:
            asking = asyncio.create_task(ask(server.urls["backend"]))
            while not server.session.live:
                await asyncio.sleep(0)
            server.pump.advance(4 * SECOND)
            await asyncio.sleep(0)
            assert server.session.live, "it takes five seconds"
            server.pump.advance(SECOND)
            simulated = await asking
        assert set(simulated) == set(real)
        assert simulated["response"] == real["response"] == "Mock response (timeout fallback)"

    asyncio.run(compare())


def test_the_recording_of_a_broken_staging_replays_as_it_broke(tmp_path: Path) -> None:
    async def compare() -> None:
        path = tmp_path / "broken.jsonl"
        assert await record_tour(path, missing=["orchestrator"]) == 0
        assert shown(await replayed(path, None)) == shown(await real("missing", "orchestrator"))

    asyncio.run(compare())
