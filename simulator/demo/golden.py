"""Record the golden path again: the stand-in staging, the real recorder, one tour. `make golden` runs this.

`python -m simulator.demo.golden FILE [--missing NAME]` records the stand-in with a part of it taken away.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from simulator.demo.standin import COMPONENTS, Standin, running

TITLE = "An agent run on the demo staging, from login to agent_completed"


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--missing", multiple=True, type=click.Choice(COMPONENTS), help="A component to take away first.")
def main(out: Path, missing: tuple[str, ...]) -> None:
    """Record one tour of the stand-in staging, over an existing file."""
    sys.exit(asyncio.run(record_tour(out, missing=missing)))


async def record_tour(out: Path, *, missing: Sequence[str] = (), client: str = "simulator.demo.tour") -> int:
    """Run `stagesim record` on a stand-in with a client module; gives back its exit code."""
    async with running(missing=missing) as standin:
        command = record_command(standin, out, [sys.executable, "-m", client])
        process = await asyncio.create_subprocess_exec(*command)
        return await process.wait()


def record_command(standin: Standin, out: Path, client: Sequence[str]) -> list[str]:
    """The command line that records a client talking to a stand-in."""
    services = {"backend": standin.backend_url, "auth": standin.auth_url, "frontend": standin.frontend_url}
    upstreams = [part for name, url in services.items() for part in ("--upstream", f"{name}={url}")]
    words = ["record", *upstreams, "--title", TITLE, "--force", "--out", str(out), "--", *client]
    return [sys.executable, "-m", "simulator", *words]


if __name__ == "__main__":
    main()
