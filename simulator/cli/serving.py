"""Serving a script from the command line: start, say where, wait, and show what the rules did."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.markup import escape
from rich.table import Table

from simulator.cli.misses import misses_table
from simulator.cli.opening import warn
from simulator.cli.options import Controls, Played
from simulator.cli.tables import console_for, table
from simulator.core.proof import proofs
from simulator.core.reach import unreachable
from simulator.core.rule import Rule
from simulator.core.script import Script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.units import seconds
from simulator.files.journalfile import JournalFile
from simulator.harness.conversation import Conversation
from simulator.live.environment import certificate_environment
from simulator.live.hosts import origins_of
from simulator.live.server import ReplayServer

if TYPE_CHECKING:
    from simulator.live.certificates import LocalCA

LOGGED = 40
"""Lines of the server's log that a failed command gets."""

REMEMBERED: Final = 20_000
"""Entries of the journal that stay in memory where nobody can ask for more."""


@asynccontextmanager
async def serving(played: Played, ca: LocalCA | None = None) -> AsyncIterator[ReplayServer]:
    """A running replay server; its journal goes to a file, redacted like a recording."""
    clock, script = played.controls.clock(), played.script
    with contextlib.ExitStack() as stack:
        journal: JournalFile | None = None
        if played.journal is not None:
            seed = played.settings.seed
            header = replace(script.recording.header, created=clock.wall, correlate=None, seed=seed)
            journal = stack.enter_context(JournalFile(played.journal, header))
        server = ReplayServer(
            script=script,
            rules=played.rules,
            settings=played.settings,
            listen=played.listen,
            clock=clock,
            keep=None if journal is None else journal.write,
            remember=None if played.controls.offered else REMEMBERED,
            tls=_context(played, ca),
            origins=origins_of(played.hosts, script.services) if played.offline else None,
        )
        await server.start()
        if journal is not None:
            journal.served_at(server.urls)
        try:
            yield server
        finally:
            await server.stop()


def _context(played: Played, ca: LocalCA | None) -> ssl.SSLContext | None:
    """What the ports speak TLS with: a certificate for this machine and the hosts that were named."""
    if ca is None or not played.tls:
        return None
    names = ("localhost", "127.0.0.1", "::1", played.listen.host, *(host.name for host in played.hosts))
    return ca.context(tuple(dict.fromkeys(names)))


@asynccontextmanager
async def secured(server: ReplayServer, played: Played, ca: LocalCA | None) -> AsyncIterator[dict[str, str]]:
    """What makes a child command trust the replay, and come to it offline, as environment variables."""
    if ca is None:
        yield {}
    elif not played.offline:
        yield certificate_environment(ca.trusted)
    else:
        from simulator.live.offline import Offline, offline

        async with offline(server, Offline(hosts=played.hosts, ca=ca, say=complain)) as variables:
            yield variables


def complain(line: str) -> None:
    click.echo(f"stagesim: {line}", err=True)


@asynccontextmanager
async def controlling(server: ReplayServer, controls: Controls) -> AsyncIterator[dict[str, str]]:
    """Whatever controls a running replay, as the environment variables that say where."""
    async with contextlib.AsyncExitStack() as stack:
        found: dict[str, str] = {}
        if controls.control is not None:
            from simulator.live.control.server import ControlServer  # with a web framework, so only if asked for

            control = ControlServer(server, listen=controls.control)
            await control.start()
            stack.push_async_callback(control.stop)
            found["STAGESIM_CONTROL"] = control.url
        if controls.toxiproxy is not None:
            from simulator.live.control.toxiproxy import ToxiproxyServer

            toxiproxy = ToxiproxyServer(server, controls.toxiproxy)
            await toxiproxy.start()
            stack.push_async_callback(toxiproxy.stop)
            found["STAGESIM_TOXIPROXY"] = toxiproxy.url
        yield found


def interruption() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM from now on; made before anybody is told that we listen."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def warn_unreachable(script: Script, rules: Sequence[Rule]) -> None:
    """Say on stderr which rules could never fire on this recording."""
    for rule, hint in unreachable(script.recording, rules):
        warn(f"{rule.name}: nothing in the recording matches it ({hint})")


def say_where(server: ReplayServer) -> None:
    """One line for the first service on stdout, where programs read it, and one for each other."""
    click.echo(f"listening on {server.url}")
    for service, url in list(server.urls.items())[1:]:
        click.echo(f"{service} on {url}")


def say_control(controls: Mapping[str, str], *, err: bool = False) -> None:
    """One line for each way to control the replay. The control API's URL is a secret of this run."""
    for name, url in controls.items():
        click.echo(f"{name.removeprefix('STAGESIM_').lower()} on {url}", err=err)


def say_ca(ca: LocalCA | None, *, err: bool = False) -> None:
    """One line for the certificate that clients must trust."""
    if ca is not None:
        click.echo(f"CA in {ca.file}", err=err)


def say_seed(settings: Settings) -> None:
    click.echo(f"seed {settings.seed}", err=True)


def proof_table(session: Session) -> Table:
    """What every rule did: the proof that a fault was really injected."""
    columns = ("rule", "fault", "matched", "fired", "at", "on", "went out instead")
    shown = table(f"faults, seed {session.settings.seed}", *columns)
    for proof in proofs(session):
        fired = str(proof.fired) if proof.exercised else "[bold red]never[/]"
        at = "" if proof.at is None else seconds(proof.at)
        row = (proof.rule, proof.fault, str(proof.matched))
        shown.add_row(*map(escape, row), fired, at, escape(proof.on), escape(proof.instead))
    return shown


@contextlib.contextmanager
def kept_journal(given: Path | None) -> Iterator[Path]:
    """Where a run's journal is kept: where it was asked for, else in a new file among those that are temporary.

    At its end says where, unless the run failed before anything was played; such a temporary file is removed.
    """
    path = given if given is not None else _temporary()
    try:
        yield path
    except BaseException:
        if _has_entries(path):
            click.echo(f"journal in {path}", err=True)
        elif given is None:
            path.unlink(missing_ok=True)
        raise
    click.echo(f"journal in {path}", err=True)


def _temporary() -> Path:
    handle, name = tempfile.mkstemp(prefix="stagesim-", suffix=".jsonl")
    os.close(handle)
    return Path(name)


def _has_entries(path: Path) -> bool:
    """Whether there is a line after the header."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return bool(file.readline() and file.readline())


def show_log(session: Session) -> None:
    """What the server saw, its last lines, without secrets: for whoever asks why a command has failed."""
    seen = Conversation(list(session.journal)).end(LOGGED)
    click.echo(f"what the server saw\n{seen or '  nothing'}", err=True)


def show_end(session: Session) -> None:
    """What a replay ends with: requests that were not in the recording, and the proof of its faults."""
    console = console_for(stderr=True)
    missed = session.journal.notes("missed")
    if missed:
        console.print(misses_table(missed))
    if session.stages:
        console.print(proof_table(session))
