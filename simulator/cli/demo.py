"""stagesim demo: the whole story, offline, in under a minute."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from simulator.cli.tables import console_for, table
from simulator.core.errors import StagesimError
from simulator.core.proof import RuleProof

if TYPE_CHECKING:
    from simulator.demo.client import Outcome


@click.command("demo")
@click.option("--keep", type=click.Path(path_type=Path, dir_okay=False), help="Keep the recording in this file.")
def demo_command(keep: Path | None) -> None:
    """Record a small staging, take it away, replay it to its client, and break it in four ways it broke before."""
    missing = [name for name in ("mitmproxy", "aiohttp", "httpx", "pytest") if find_spec(name) is None]
    if missing:
        raise StagesimError(f"needs {', '.join(missing)}", place="demo", hint="pip install 'stagesim[demo]'")
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(asyncio.run(_story(keep or Path(folder) / "demo.jsonl")))


async def _story(path: Path) -> int:
    """Tell it; 0 if the recorded and the replayed run completed and every fault fired and was noticed."""
    from simulator.cli.drill import grid
    from simulator.demo.story import SEED, SEED_FAULTS, Act, drill_suite, record_standin, replay

    console = console_for(stderr=True)
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.1f} s[/]  {escape(line)}")

    acts: list[Act] = [await record_standin(path, say)]
    for fault in (None, *SEED_FAULTS):
        say(f"replaying {path.name} " + (f"with {fault}" if fault else "without a fault"))
        acts.append(await replay(path, fault))
    columns = ("against", "the client saw", "the fault fired on", "sent instead")
    shown = table(f"one client, six times, seed {SEED}", *columns)
    shown.columns[0].no_wrap = True
    for act in acts:
        proof = map(escape, _fired(act.proofs))
        shown.add_row(act.name, _saw(act.outcome), *proof)
    console_for().print(shown)
    clean, broken = acts[:2], acts[2:]
    good = all(act.outcome.ok for act in clean)
    good &= all(not act.outcome.ok and any(proof.exercised for proof in act.proofs) for act in broken)
    say("and now the truth about a test-suite: a control run, then every fault")
    done = await drill_suite(path)
    console_for().print(grid(done))
    good &= {"noticed", "blind"} == {str(one.verdict) for row in done.judgements.values() for one in row.values()}
    say("staging, in a file, with its failures on demand" if good else "this is not what should have happened")
    return 0 if good else 1


def _saw(outcome: Outcome) -> str:
    if not outcome.frames:
        return f"{outcome.verdict}, no frames"
    last = outcome.frames[-1]
    return f"{outcome.verdict} after {len(outcome.frames)} frames, the last {last.type} at {last.seconds:.1f} s"


def _fired(found: tuple[RuleProof, ...]) -> tuple[str, str]:
    fired = [proof for proof in found if proof.exercised]
    if not fired:
        return ("", "") if not found else ("never", "")
    return ", ".join(proof.on for proof in fired), ", ".join(proof.instead for proof in fired)
