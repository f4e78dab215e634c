"""The whole story on one machine: record a staging, take it away, replay it, and break it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulator.core.proof import RuleProof, proofs
from simulator.core.script import Script, compile_script
from simulator.core.settings import Settings
from simulator.demo.client import Outcome, converse
from simulator.demo.standin import running
from simulator.files.faultfiles import load_fault
from simulator.files.reader import load
from simulator.harness.drill import Drill, Plan, drill
from simulator.live.recorder import Upstream
from simulator.live.recorder.tofile import recording_to
from simulator.live.server import ReplayServer

SEED_FAULTS: Final = ("none-orchestrator", "missing-dependencies", "database-not-initialized", "hang-120s")
DRILLED: Final = "good or fallback or without_a_server"
SEED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One run of the client: against what, what it saw, and the proof of the faults."""

    name: str
    outcome: Outcome
    proofs: tuple[RuleProof, ...] = ()


async def record_standin(path: Path, say: Callable[[str], None]) -> Act:
    """Start the stand-in staging, record one run of the client through the real recorder, and stop both."""
    async with running() as standin:
        say(f"stand-in staging at {standin.backend_url}, recording through mitmproxy into {path.name}")
        urls = {"backend": standin.backend_url, "auth": standin.auth_url}
        upstreams = [Upstream(name, url) for name, url in urls.items()]
        with recording_to(path, upstreams, title="stagesim demo", overwrite=True, on_problem=say) as recorded:
            outcome = await _client(recorded.recorder.addresses)
    counted = f"{recorded.summary.messages} messages recorded, {recorded.secrets} secrets replaced"
    say(f"{counted}; the stand-in is stopped now")
    return Act(name="staging itself", outcome=outcome)


async def replay(path: Path, fault: str | None = None) -> Act:
    """Replay a recording to the client, with a fault or without."""
    script: Script = compile_script(load(path).recording)
    rules = load_fault(fault).rules if fault else ()
    server = ReplayServer(script=script, rules=rules, settings=Settings(seed=SEED))
    await server.start()
    try:
        outcome = await _client(server.urls)
        return Act(name=fault or "replay", outcome=outcome, proofs=tuple(proofs(server.session)))
    finally:
        await server.stop()


async def drill_suite(path: Path) -> Drill:
    """Three tests of the users' kind, one good and two that see nothing, under the faults that end a run."""
    suite = Path(__file__).with_name("agents_suite.py")
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(suite.parent), "-k", DRILLED]
    plan = Plan(
        script=compile_script(load(path).recording),
        faults=[load_fault(name) for name in SEED_FAULTS if name != "hang-120s"],
        command=[sys.executable, "-m", "pytest", *options, str(suite)],
        recording=str(path),
        settings=Settings(seed=SEED, speed=5),
        jobs=3,
    )
    return await drill(plan)


async def _client(urls: Mapping[str, str]) -> Outcome:
    return await converse(urls["backend"], urls["auth"])
