"""stagesim drive: a recording's own client, against any server."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from simulator.cli import options
from simulator.cli.opening import warn
from simulator.core.errors import StagesimError
from simulator.core.events import Chunk, Direction, Event, Request
from simulator.core.matching.compare import label
from simulator.core.recording import Recording
from simulator.files.named import recording_of
from simulator.live.driver import PATIENCE, LiveDriver
from simulator.live.server import variable

SHOWN = 10
"""How many events of a kind are named."""


@click.command("drive")
@click.argument("name", metavar="RECORDING")
@click.option(
    "--against",
    metavar="[NAME=]URL",
    multiple=True,
    help="The server, or that of one service; repeatable. Default: STAGESIM_URL and STAGESIM_<NAME>_URL.",
)
@click.option("--speed", default="1", metavar="N", help="Divide recorded delays.")
@click.option(
    "--patience",
    type=click.FloatRange(0),
    default=PATIENCE,
    show_default=True,
    help="Seconds of unusual silence to wait.",
)
def drive_command(name: str, against: tuple[str, ...], speed: str, patience: float) -> None:
    """Play the client's half of a recording against a server, over real sockets.

    Every request, message, fragment, ping, close and reset is sent as it was recorded, after what it followed;
    ids and tokens that the server made are those of this run. Exit code 1 if something that was recorded of the
    server never came, or came in other words: another status, or a message of another shape. `stagesim record` in
    between and `stagesim diff` say all that differs, in values and in bodies as well.

    \b
    stagesim drive golden-path --against http://127.0.0.1:8000
    stagesim record --upstream backend=… --out new.jsonl -- stagesim drive old.jsonl
    """
    recording = recording_of(name, warn)
    divisor = options.settings_of(0, speed, strict=False).speed
    driver = LiveDriver(recording, _urls(recording, against), speed=divisor, patience=patience)
    unseen = asyncio.run(_run(driver))
    for problem in driver.problems:
        click.echo(f"stagesim: {problem}", err=True)
    count = sum(
        event.direction is Direction.DOWNSTREAM and not isinstance(event, Chunk) for event in recording.events
    )
    otherwise = driver.otherwise()
    click.echo(f"{count - len(unseen) - len(otherwise)} of {count} recorded server events came", err=True)
    for what, events in (("never came", unseen), ("came in other words", otherwise)):
        for event in events[:SHOWN]:
            click.echo(f"{what}: {label(event)} on flow {event.flow}", err=True)
    sys.exit(1 if unseen or otherwise or driver.problems else 0)


async def _run(driver: LiveDriver) -> list[Event]:
    try:
        return await driver.run()
    finally:
        driver.close()


def _urls(recording: Recording, against: tuple[str, ...]) -> dict[str, str]:
    """Where each recorded service is, as far as anybody says."""
    services = dict.fromkeys(event.service for event in recording.events if isinstance(event, Request))
    everywhere = os.environ.get("STAGESIM_URL", "")
    urls = {service: os.environ.get(variable(service), everywhere) for service in services}
    for text in against:
        name, equals, url = text.partition("=")
        if not equals or "://" in name:
            urls = dict.fromkeys(services, text)
        elif name in services:
            urls[name] = url
        else:
            hint = f"there are {', '.join(services)}"
            raise StagesimError(f"no service {name!r} in the recording", place="--against", hint=hint)
    lost = next((service for service, url in urls.items() if not url), None)
    if lost is not None:
        raise StagesimError(f"where is {lost}?", place="--against", hint=f"give a URL, or set {variable(lost)}")
    return urls
