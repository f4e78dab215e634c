"""stagesim run: a command, with staging played to it."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

import click

from simulator.cli import options
from simulator.cli.child import BeforeACommand, check_command, divided, run_child
from simulator.cli.serving import (
    controlling,
    kept_journal,
    say_ca,
    say_control,
    say_seed,
    secured,
    serving,
    show_end,
    show_log,
    warn_unreachable,
)
from simulator.core.errors import StagesimError
from simulator.live.server import ReplayServer, environment, ws_url


@click.command("run", cls=BeforeACommand)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="RECORDING… -- COMMAND …")
@options.playing
@click.option(
    "--env",
    "named",
    multiple=True,
    metavar="NAME={SERVICE.http}",
    help="Set a variable; {backend.http} and {backend.ws} are replaced.",
)
@click.option(
    "--offline", is_flag=True, help="Answer the command's hard-coded URLs from the recording; be its proxy."
)
def run_command(words: tuple[str, ...], playing: options.Playing, named: tuple[str, ...], offline: bool) -> None:
    """Serve recordings, run a command against them, and give back the command's exit code.

    The command finds staging in STAGESIM_URL and STAGESIM_WS_URL, and each service in STAGESIM_<NAME>_URL and
    STAGESIM_<NAME>_WS_URL; --env sets the variables that it already reads. With --control, STAGESIM_CONTROL has
    the control API's URL, from where `stagesim faults arm` takes it.

    What happened is kept as a journal, which `show` draws; if the command fails, its end is printed as well.

    \b
    stagesim run golden-path -- pytest tests/e2e
    stagesim run golden-path --fault none-orchestrator --env BACKEND={backend.http} -- npm test
    """
    recordings, command = divided(words)
    check_command(command)
    played = playing.load(recordings, offline=offline)
    warn_unreachable(played.script, played.rules)

    async def serve(played: options.Played) -> int:
        with played.ca() as ca:
            async with (
                serving(played, ca) as server,
                controlling(server, played.controls) as found,
                secured(server, played, ca) as trust,
            ):
                variables = _variables(server, named) | found | trust
                say_seed(played.settings)
                say_ca(ca, err=True)
                say_control(found, err=True)
                code = await run_child(command, variables)
                if code:
                    show_log(server.session)
                show_end(server.session)
                return code

    with kept_journal(played.journal) as journal:
        code = asyncio.run(serve(replace(played, journal=journal)))
    sys.exit(code)


def _variables(server: ReplayServer, named: tuple[str, ...]) -> dict[str, str]:
    found = environment(server.urls)
    for text in named:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise StagesimError(f"expected NAME=VALUE, got {text!r}", place="--env")
        for service, url in server.urls.items():
            value = value.replace(f"{{{service}.http}}", url).replace(f"{{{service}.ws}}", ws_url(url))
        if "{" in value and (".http}" in value or ".ws}" in value):
            known = ", ".join(server.urls)
            raise StagesimError(f"no such service in {text!r}", place="--env", hint=f"there are {known}")
        found[name] = value
    return found
