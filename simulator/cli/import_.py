"""stagesim import: what other tools recorded, as a recording."""

from __future__ import annotations

from pathlib import Path

import click

from simulator.cli.opening import warn
from simulator.cli.options import upstream_of
from simulator.core.errors import StagesimError
from simulator.core.events import Message, Request, is_upgrade
from simulator.files.importers.cassette import read_cassette, read_yaml_cassette
from simulator.files.importers.formats import Format, format_of, load_json
from simulator.files.importers.gathering import Imported, write
from simulator.files.importers.har import read_har
from simulator.files.upstreams import ServiceNames, check_upstreams
from simulator.live.recorder.needed import importing_mitmproxy


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option("--service", "services", multiple=True, metavar="NAME=ORIGIN", help="Name a service; repeatable.")
@click.option("--title", default="", help="What this recording shows.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def import_command(file: Path, out: Path, services: tuple[str, ...], title: str, force: bool) -> None:
    """Make a recording of a HAR, a dump of mitmproxy's or a cassette of vcrpy's.

    The format is found from the content. Every origin becomes a service, named by its host unless --service does.
    Secrets are replaced before anything is written. What the format cannot say is said in a warning, and is
    not made up.

    \b
    stagesim import devtools.har --out staging.jsonl --service backend=https://api.staging.example
    """
    if out.exists() and out.samefile(file):
        raise StagesimError("is the file that is read", place=f"--out {out}", hint="choose another name")
    upstreams = [upstream_of(text, "--service") for text in services]
    check_upstreams(upstreams)
    names = ServiceNames(upstreams)
    imported = _read(file, names)
    for line in imported.losses:
        warn(f"{file}: {line}")
    secrets = write(imported, out, names.services(), title=title, overwrite=force)
    requests = sum(isinstance(event, Request) for event in imported.events)
    sockets = sum(is_upgrade(event) for event in imported.events)
    messages = sum(isinstance(event, Message) for event in imported.events)
    said = f"{out}: {requests} requests, {sockets} WebSockets, {messages} messages; {secrets} secrets replaced"
    click.echo(said, err=True)


def _read(file: Path, names: ServiceNames) -> Imported:
    match format_of(file):
        case Format.FLOWS:
            with importing_mitmproxy("reading dumps of mitmproxy's"):
                from simulator.live.recorder.flowfile import read_flows
            return read_flows(file, names)
        case Format.YAML_CASSETTE:
            return read_yaml_cassette(file, names)
        case Format.JSON:
            data = load_json(file)
            return read_har(data, file, names) if "log" in data else read_cassette(data, file, names)
