"""The servers that are recorded, and the names they go by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from simulator.core.errors import RecordingError, StagesimError
from simulator.core.recording import Service

_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_AS_THEY_ARE: Final = "%/:?[]@!$&'()*+,;=~-._|\\^`{}\"<>"
"""Characters of a URL that clients send as they are, some of them against RFC 3986."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A server to record: the name it gets in the recording, and its URL, such as 'https://api.example.com'."""

    name: str
    url: str

    @property
    def origin(self) -> str:
        """Scheme, host, and the port if it is not the scheme's own (RFC 6454 §6.2). Raises StagesimError."""
        parts = _split(self)
        return origin(_SCHEMES[parts.scheme], parts.hostname or "", parts.port)


def origin(scheme: str, host: str, port: int | None) -> str:
    """The origin of a server, such as 'https://api.example.com' or 'http://[::1]:8000'."""
    return f"{scheme}://{at(host, None if port == PORTS[scheme] else port)}"


def at(host: str, port: int | None) -> str:
    """A host and its port, if there is one, as one word: 'api.example:443', '[::1]:80' (RFC 3986 §3.2)."""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def _split(upstream: Upstream) -> SplitResult:
    problem = f"expected a URL such as 'https://api.example.com', got {upstream.url!r}"
    try:
        parts = urlsplit(upstream.url)
        port = parts.port
    except ValueError as error:
        raise StagesimError(f"{problem}: {error}", place=f"upstream {upstream.name}") from None
    if parts.scheme not in _SCHEMES or not parts.hostname or port == 0:
        raise StagesimError(problem, place=f"upstream {upstream.name}")
    if parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise StagesimError(
            problem, place=f"upstream {upstream.name}", hint="without user, path and query; paths are the client's"
        )
    return parts


def check_upstreams(upstreams: Sequence[Upstream]) -> None:
    """Raise StagesimError for a URL that is none, and for a name or a server that is given twice."""
    names: set[str] = set()
    origins: dict[str, str] = {}
    for upstream in upstreams:
        place = f"upstream {upstream.name}"
        if not upstream.name:
            raise StagesimError(f"expected a name for {upstream.url!r}", hint="write NAME=URL")
        if upstream.name in names:
            raise StagesimError("this name is given twice", place=place)
        if upstream.origin in origins:
            problem = f"{upstream.origin} is already recorded as {origins[upstream.origin]!r}"
            raise StagesimError(problem, place=place)
        names.add(upstream.name)
        origins[upstream.origin] = upstream.name


class ServiceNames:
    """Names for origins: those that were given, and for others one made from the host."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        self._names = {upstream.origin: upstream.name for upstream in upstreams}

    def of(self, found: str) -> str:
        """The name of an origin: 'api-example-com' for 'https://api.example.com', if none was given."""
        if found not in self._names:
            base = re.sub(r"[^a-z0-9]+", "-", found.partition("://")[2].lower()).strip("-")
            taken = set(self._names.values())
            names = (base, *(f"{base}-{number}" for number in range(2, len(taken) + 3)))
            self._names[found] = next(name for name in names if name not in taken)
        return self._names[found]

    def services(self) -> tuple[Service, ...]:
        """Every service that has a name by now."""
        return tuple(Service(name=name, origins=(found,)) for found, name in self._names.items())


def request_target(url: str, place: str) -> tuple[str, str]:
    """The origin of an absolute URL, and its path and query as a request has them. Raises RecordingError."""
    problem = f"expected a URL such as 'https://api.example.com/x', got {url!r}"
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise RecordingError(f"{problem}: {error}", place=place) from None
    if parts.scheme not in _SCHEMES or not host or port == 0:
        raise RecordingError(problem, place=place)
    rest = url.partition("://")[2].partition("#")[0]
    start = min((at for mark in "/?" if (at := rest.find(mark)) >= 0), default=len(rest))
    target = quote(rest[start:], safe=_AS_THEY_ARE, errors="replace")  # half of a surrogate pair is '?'
    return origin(_SCHEMES[parts.scheme], host, port), target if target.startswith("/") else f"/{target}"
