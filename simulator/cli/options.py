"""Options that several commands share, and how they become scripts, rules and settings."""

from __future__ import annotations

import contextlib
import functools
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.opening import open_script, warn_unasked
from simulator.core import units
from simulator.core.auth import Auth, AuthMode
from simulator.core.errors import StagesimError
from simulator.core.rule import Rule
from simulator.core.script import Script
from simulator.core.settings import Settings
from simulator.files.journalfile import check_journal
from simulator.files.keys import auth_of
from simulator.files.locate import find_recording
from simulator.files.named import Override, faults_of, rules_of
from simulator.files.upstreams import Upstream
from simulator.live.clock import Clock, ManualClock, RealClock
from simulator.live.hosts import Host, host_of
from simulator.live.server import Listen

if TYPE_CHECKING:
    from simulator.live.certificates import LocalCA

Command = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """What the options of `playing` said, as it was given; each field is an option's name."""

    faults: tuple[str, ...]
    overrides: tuple[str, ...]
    seed: int | None
    speed: str
    strict: bool
    auth: str
    auth_key: str | None
    listen: str
    journal: Path | None
    control: str | None
    toxiproxy: str | None
    manual_clock: bool
    tls: bool
    hosts: tuple[str, ...]
    ca_dir: Path | None

    def load(self, recordings: Sequence[str], *, offline: bool = False) -> Played:
        """Read the recordings with these names and everything to lay over them. Raises StagesimError."""
        if self.overrides and not self.faults:
            hint = "give --fault NAME as well"
            raise StagesimError("there is no fault whose parameter it could be", place="--set", hint=hint)
        if self.journal is not None:
            check_journal(self.journal, map(find_recording, recordings))
        script, auth = open_script(recordings), auth_of(self.auth, self.auth_key)
        played = Played(
            script=script,
            rules=rules_of(faults_of(self.faults, script.recording, overrides_of(self.overrides))),
            settings=settings_of(self.seed, self.speed, strict=self.strict, auth=auth),
            listen=listen_of(self.listen),
            journal=self.journal,
            controls=controls_of(self.control, self.toxiproxy, manual=self.manual_clock),
            tls=self.tls,
            offline=offline,
            hosts=[host_of(text, script.services) for text in self.hosts],
            ca_folder=self.ca_dir,
        )
        warn_unasked(script, auth)  # last: a mistake is told in one line
        return played


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A script that is to be served, and how: with `tls` or without, and `offline` through a proxy as well."""

    script: Script
    rules: Sequence[Rule]
    settings: Settings
    listen: Listen
    journal: Path | None
    controls: Controls
    tls: bool
    offline: bool
    hosts: Sequence[Host]
    ca_folder: Path | None

    def __post_init__(self) -> None:
        """Raises StagesimError for a host that nobody would be told of."""
        for option, given in (("--host", self.hosts), ("--ca-dir", self.ca_folder)):
            if given and not (self.tls or self.offline):
                raise StagesimError("nothing to do without --tls, or --offline where there is one", place=option)

    @contextlib.contextmanager
    def ca(self) -> Iterator[LocalCA | None]:
        """The CA that vouches for what is served, if anything needs one."""
        if not (self.tls or self.offline):
            yield None
            return
        from simulator.live.certificates import local_ca  # with a cryptography library, so only if asked for

        with local_ca(self.ca_folder) as found:
            yield found


def playing(command: Command) -> Command:
    """The options of everything that serves a recording; the command gets them in one piece, as `playing`."""

    @functools.wraps(command)
    def gathered(**given: Any) -> Any:
        options = {field.name: given.pop(field.name) for field in fields(Playing)}
        return command(playing=Playing(**options), **given)

    decorated: Command = gathered
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


authorizing = (
    click.option(
        "--auth",
        type=click.Choice([mode.value for mode in AuthMode]),
        default=AuthMode.RECORDED.value,
        help="Let in whom the recording lets in, only valid tokens, or (off) everybody.",
    ),
    click.option("--auth-key", metavar="VARIABLE|FILE", help="Your own HS256 key, for --auth verify."),
)


_OPTIONS = (
    click.option("--fault", "faults", multiple=True, metavar="NAME|FILE", help="Lay a fault over it; repeatable."),
    click.option("--set", "overrides", multiple=True, metavar="[FAULT.]NAME=VALUE", help="Set a parameter."),
    click.option("--seed", type=int, default=None, help="Repeat a run's luck and ids. Default: random, printed."),
    click.option("--speed", default="1", metavar="N|max", help="Divide recorded delays; 'max' drops them."),
    click.option("--strict", is_flag=True, help="Close a WebSocket (1008) on a message not recorded."),
    *authorizing,
    click.option("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="Port 0 takes a free one."),
    click.option(
        "--journal",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write what happened to a file, replacing an old journal.",
    ),
    click.option("--control", metavar="HOST:PORT", help="Offer the control API here; its URL holds its token."),
    click.option("--toxiproxy", metavar="HOST:PORT", help="Offer toxiproxy's API here, to whoever can connect."),
    click.option("--manual-clock", is_flag=True, help="Time stands still until the control API lets it pass."),
    click.option("--tls", is_flag=True, help="Offer https and wss, with certificates of a CA of its own."),
    click.option(
        "--host", "hosts", multiple=True, metavar="NAME[=SERVICE]", help="A host to answer for; repeatable."
    ),
    click.option(
        "--ca-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Keep the CA here. Default: a new one each time.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """How a replay is to be controlled from outside: not at all unless said."""

    control: Listen | None = None
    toxiproxy: Listen | None = None
    manual: bool = False

    @property
    def offered(self) -> bool:
        return self.control is not None or self.toxiproxy is not None

    def clock(self) -> Clock:
        return ManualClock() if self.manual else RealClock()


def controls_of(control: str | None, toxiproxy: str | None, *, manual: bool) -> Controls:
    """Raises StagesimError for what is no address, and for a clock that nobody could advance."""
    if manual and control is None:
        hint = "give --control HOST:PORT as well, and POST to its /v1/clock/advance"
        raise StagesimError("time would never pass", place="--manual-clock", hint=hint)
    return Controls(
        control=None if control is None else listen_of(control, "--control"),
        toxiproxy=None if toxiproxy is None else listen_of(toxiproxy, "--toxiproxy"),
        manual=manual,
    )


def overrides_of(texts: Sequence[str]) -> list[Override]:
    """Read [FAULT.]NAME=VALUE. Raises StagesimError."""
    return [_override(text) for text in texts]


def _override(text: str) -> Override:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise StagesimError(f"expected NAME=VALUE, got {text!r}", place="--set")
    fault, dot, key = name.rpartition(".")
    return (fault if dot else None), key, value


def settings_of(seed: int | None, speed: str, *, strict: bool, auth: Auth | None = None) -> Settings:
    """Raises StagesimError for a speed that is none."""
    chosen = secrets.randbelow(1_000_000) if seed is None else seed
    return Settings(seed=chosen, speed=_speed(speed), strict=strict, auth=auth or Auth())


def _speed(text: str) -> float:
    try:
        return units.speed(text)
    except StagesimError as error:
        raise error.within("--speed") from None


def listen_of(text: str, option: str = "--listen") -> Listen:
    """Read HOST:PORT. Raises StagesimError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise StagesimError(f"expected HOST:PORT such as 127.0.0.1:8000, got {text!r}", place=option)
    return Listen(host=host.strip("[]"), port=int(port))


def upstream_of(text: str, option: str = "--upstream") -> Upstream:
    """Read NAME=URL. Raises StagesimError."""
    name, equals, url = text.partition("=")
    if not equals or "://" in name:
        raise StagesimError(
            f"expected NAME=URL such as backend=https://api.staging.example, got {text!r}", place=option
        )
    return Upstream(name, url)
