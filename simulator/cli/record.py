"""stagesim record: real traffic into a file."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from simulator.cli.child import check_command, run_child
from simulator.cli.options import listen_of, upstream_of
from simulator.cli.serving import interruption
from simulator.live.environment import proxy_environment
from simulator.live.recorder import Recorder
from simulator.live.recorder.tofile import Recorded, recording_to
from simulator.live.server import environment


@click.command("record")
@click.option(
    "--upstream", "upstreams", multiple=True, metavar="NAME=URL", help="A service to record; repeatable."
)
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="Where the first service is offered.")
@click.option("--forward", is_flag=True, help="Be a proxy for any host, for clients with hard-coded URLs.")
@click.option("--trust", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CAs to trust (PEM).")
@click.option("--insecure", is_flag=True, help="Trust any upstream certificate.")
@click.option("--title", default="", help="What this recording shows.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@click.argument("client", nargs=-1, type=click.UNPROCESSED, metavar="[-- CLIENT …]")
def record_command(
    upstreams: tuple[str, ...],
    out: Path,
    listen: str,
    forward: bool,
    trust: Path | None,
    insecure: bool,
    title: str,
    force: bool,
    client: tuple[str, ...],
) -> None:
    """Record what passes between clients and staging, until Ctrl-C or the end of CLIENT.

    Every upstream gets a port of its own; point your client at it instead of at staging. A CLIENT command finds
    them in STAGESIM_<NAME>_URL and STAGESIM_<NAME>_WS_URL; with --forward, in the usual proxy variables.
    Secrets are replaced before anything is written.

    \b
    stagesim record --upstream backend=https://api.staging.example --out staging.jsonl
    stagesim record --upstream api=http://localhost:8000 --out api.jsonl -- pytest tests/e2e
    stagesim record --forward --out all.jsonl -- node client.js
    """
    if client:
        check_command(client)
    named = [upstream_of(text) for text in upstreams]
    where = listen_of(listen)
    names = ", ".join(upstream.name for upstream in named)
    with recording_to(
        out,
        named,
        title=title or f"Recorded by stagesim: {names}",
        overwrite=force,
        listen=(where.host, where.port),
        forward=forward,
        trust=trust,
        insecure=insecure,
        on_problem=lambda line: click.echo(f"stagesim: {line}", err=True),
    ) as recorded:
        code = asyncio.run(_wait(recorded.recorder, client))
    _say(recorded, out)
    sys.exit(code or (1 if recorded.summary.problems else 0))


async def _wait(recorder: Recorder, client: tuple[str, ...]) -> int:
    variables = environment(recorder.addresses) if recorder.addresses else {}
    if recorder.proxy_address is not None:
        variables = proxy_environment(recorder.proxy_address, recorder.ca_file)
    interrupted = interruption()
    if client:
        return await run_child(client, variables)
    if recorder.proxy_address is not None:
        click.echo(f"listening on {recorder.proxy_address}")
        click.echo(f"clients must trust {recorder.ca_file}", err=True)
    for service, url in recorder.addresses.items():
        click.echo(f"listening on {url} for {service}")
    await interrupted.wait()
    return 0


def _say(recorded: Recorded, out: Path) -> None:
    summary = recorded.summary
    line = f"{out}: {summary.requests} requests, {summary.sockets} WebSockets, {summary.messages} messages"
    click.echo(f"{line}; {recorded.secrets} secrets replaced", err=True)
    if not summary.requests + summary.sockets:
        click.echo("nothing was recorded: did the client come to the recorder's address?", err=True)
    if summary.problems:
        click.echo(f"{summary.problems} problems: the recording is not complete", err=True)
