"""A recording: a header that says what was recorded, and the events in the order in which they happened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.core.events import Event
from simulator.core.units import Time

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A recorded server: its name and the origins it was known by, such as 'https://api.example.com'."""

    name: str
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """A value that travels: where it is first seen, and where the same value comes back.

    `kind` says who made it: 'echoed' values come from the client, 'minted' ones from the server; 'token' is a
    minted JWT. 'paired' ones come from the client as well, and mean something at these places of one flow only, as
    the counter of a JSON-RPC client does. Places are written as in `simulator.core.values.places`.
    """

    name: str
    kind: str
    source: str
    targets: tuple[str, ...]


def standin_digest(standin: str) -> str:
    """What tells a stand-in from a secret later; stand-ins are no secrets, so neither is this."""
    return hashlib.blake2s(standin.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a recording says of itself. `created` is the wall time of its start, in µs since the Unix epoch.

    `correlate` is None as long as nobody has looked; `ignore` lists places that neither correlate nor are
    compared, `match` those where values must be equal, see `simulator.core.matching.overrides`.
    `redacted` counts the secrets that were replaced, by kind; `standins` are digests of what replaced them.
    """

    version: int = FORMAT_VERSION
    title: str = ""
    created: Time = 0
    services: tuple[Service, ...] = ()
    correlate: tuple[Correlation, ...] | None = None
    match: Mapping[str, str | int] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    redacted: Mapping[str, int] = field(default_factory=dict)
    standins: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A header and its events, ordered by time; of a long one they are read as they are asked for."""

    header: Header
    events: Sequence[Event]

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    @property
    def length(self) -> Time:
        return self.events[-1].at if self.events else 0

    def flows(self) -> dict[str, tuple[Event, ...]]:
        """The events of each flow, in the order in which the flows began."""
        found: dict[str, list[Event]] = {}
        for event in self.events:
            found.setdefault(event.flow, []).append(event)
        return {flow: tuple(events) for flow, events in found.items()}
