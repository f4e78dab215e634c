"""Hosts that a replay answers for: those that the recording knows, and those that somebody says it should."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import urlsplit

import h11

from simulator.core.errors import StagesimError
from simulator.core.recording import Service
from simulator.files.upstreams import PORTS, at

_NAME: Final = re.compile(r"[a-z0-9._:%-]+")
_MOST: Final = 10
"""Hosts that a refusal lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host that a replay is to answer for: on one port or on any, with one service or, with '', with all.

    `origin` is what absolute URLs in the recording are made to name, and `given` what was said.
    """

    given: str
    name: str
    port: int | None
    service: str
    origin: str


def host_of(text: str, services: Iterable[str]) -> Host:
    """Read [https://]NAME[:PORT][=SERVICE]. Raises StagesimError."""
    url, _, service = text.partition("=")
    whole = url if "://" in url else f"https://{url}"
    expected = f"expected NAME=SERVICE such as api.staging.example=backend, got {text!r}"
    try:
        parts = urlsplit(whole)
        name, port = tidy(parts.hostname or ""), parts.port
    except ValueError as error:
        raise StagesimError(f"{expected}: {error}", place="--host") from None
    if parts.scheme not in PORTS or parts.path not in ("", "/") or parts.query or "@" in parts.netloc:
        raise StagesimError(expected, place="--host")
    known = tuple(services)
    if service and service not in known:
        problem = f"no service is named {service!r}"
        raise StagesimError(problem, place="--host", hint=f"there are {', '.join(known)}")
    if port is None and "://" in url:
        port = PORTS[parts.scheme]
    return Host(given=text, name=name, port=port, service=service, origin=whole.rstrip("/"))


def tidy(name: str) -> str:
    """A host name as it is compared: in small letters, in ASCII (RFC 5890), without the root's dot.

    Raises ValueError for what no name can be.
    """
    name = name.strip("[]").rstrip(".").lower()
    if not name.isascii():
        name = name.encode("idna").decode("ascii")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:100]!r} is no host name")
    return name


def origins_of(hosts: Iterable[Host], services: Iterable[str]) -> dict[str, str]:
    """What absolute URLs of each service are to name: the first host that was given for it, if one was."""
    found: dict[str, str] = {}
    for host in hosts:
        for service in (host.service,) if host.service else services:
            found.setdefault(service, host.origin)
    return found


@dataclass(frozen=True, slots=True)
class Routes:
    """Services by host and port, with None for any port; '' is all services, whichever fits first."""

    services: Mapping[tuple[str, int | None], str]

    @classmethod
    def of(cls, services: Iterable[Service], hosts: Iterable[Host]) -> Self:
        """Where the recorded services were, and the hosts that somebody named, which come first."""
        found: dict[tuple[str, int | None], str] = {}
        for service in services:
            for origin in service.origins:
                try:
                    parts = urlsplit(origin)
                    name, port = tidy(parts.hostname or ""), parts.port or PORTS.get(parts.scheme)
                except ValueError:
                    continue  # a recording may say anything; nobody can ask for such a host
                if port:
                    found[name, port] = service.name
        named = {(host.name, host.port): host.service for host in hosts}
        return cls(named | {where: service for where, service in found.items() if where not in named})

    def and_also(self, urls: Mapping[str, str]) -> Routes:
        """The same and the replay's own addresses, for clients whose proxy is for all hosts."""
        first = next(iter(urls), None)
        own: dict[tuple[str, int | None], str] = {}
        for service, url in urls.items():
            parts = urlsplit(url)
            own[parts.hostname or "", parts.port] = "" if service == first else service
        return Routes({**self.services, **own})

    def find(self, name: str, port: int) -> str | None:
        """The service that a host is, None for a stranger."""
        exact = self.services.get((name, port))
        return self.services.get((name, None)) if exact is None else exact

    def knows(self, name: str) -> bool:
        """Whether there is such a host on any port."""
        return any(known == name for known, _ in self.services)

    def has_loopback(self) -> bool:
        """Whether a host is this very machine."""
        return any(_is_loopback(name) for name, _ in self.services)

    def __str__(self) -> str:
        named = [name if port is None else at(name, port) for name, port in self.services]
        more = f" and {len(named) - _MOST} others" if len(named) > _MOST else ""
        return ", ".join(named[:_MOST]) + more


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def asked_host(request: h11.Request, *, secure: bool) -> tuple[str, int]:
    """The host and port that a request is for (RFC 9112 §3.2). Raises ValueError where it names none.

    They are in the target of a CONNECT, or in one in absolute form, else in the Host field.
    """
    target = request.target.decode("latin-1")
    scheme, found, rest = target.partition("://")
    authority = ""
    if request.method == b"CONNECT":
        authority = target
    elif found and not target.startswith("/"):
        authority, secure = rest.partition("/")[0].partition("?")[0], scheme.lower() in ("https", "wss")
    if not authority:
        authority = next((value.decode("latin-1") for name, value in request.headers if name == b"host"), "")
    parts = urlsplit(f"//{authority}")
    name = tidy(parts.hostname or "")
    if parts.path or parts.query or parts.fragment:
        raise ValueError(f"expected a host, got {authority[:100]!r}")
    return name, parts.port or (443 if secure else 80)
