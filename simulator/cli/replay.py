"""stagesim replay: staging from a file."""

from __future__ import annotations

import asyncio

import click

from simulator.cli import options
from simulator.cli.serving import (
    controlling,
    interruption,
    say_ca,
    say_control,
    say_seed,
    say_where,
    serving,
    show_end,
    warn_unreachable,
)


@click.command("replay")
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING…")
@options.playing
def replay_command(recordings: tuple[str, ...], playing: options.Playing) -> None:
    """Play recordings to any client, with faults, until Ctrl-C.

    RECORDING is a file, or the name of one in recordings/ or of a shipped one, such as golden-path. Of several,
    the one is followed that fits what a client does, the first if more than one does.
    Every client gets ids of its own; what is not in the recording is answered 501 with the nearest misses.

    \b
    stagesim replay golden-path
    stagesim replay golden-path --fault none-orchestrator --set after=6.96s
    stagesim replay staging.jsonl --fault missing:llm_manager --seed 7 --journal run.jsonl
    stagesim replay monday.jsonl friday.jsonl
    stagesim replay golden-path --control 127.0.0.1:0
    """
    played = playing.load(recordings)
    warn_unreachable(played.script, played.rules)

    async def serve() -> None:
        interrupted = interruption()
        with played.ca() as ca:
            async with serving(played, ca) as server, controlling(server, played.controls) as found:
                say_seed(played.settings)
                say_where(server)
                say_ca(ca)
                say_control(found)
                await interrupted.wait()
                show_end(server.session)

    asyncio.run(serve())
