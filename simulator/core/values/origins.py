"""Absolute URLs: recorded traffic names the services it came from; a replay names itself instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from simulator.core.events import Chunk, Event, Message, Response
from simulator.core.recording import Service
from simulator.core.values.places import with_plain, with_text


@dataclass(frozen=True, slots=True)
class Origins:
    """Pairs of recorded origin and live origin, longest first, in every form in which they are written."""

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, services: tuple[Service, ...], live: Mapping[str, str]) -> Origins:
        """`live` maps service names to http:// or https:// origins without a trailing slash."""
        pairs = {}
        for service in services:
            for origin in service.origins if service.name in live else ():
                for old, new in zip(_forms(origin), _forms(live[service.name]), strict=True):
                    pairs[old] = new
                    pairs[old.replace("/", "\\/")] = new.replace("/", "\\/")
        return cls(tuple(sorted(pairs.items(), key=lambda pair: -len(pair[0]))))

    def rebased(self, event: Event) -> Event:
        """The event with every recorded origin in it replaced."""
        if not self.pairs:
            return event
        if isinstance(event, Message) and isinstance(event.data, str):
            return with_text(event, self.in_text(event.data))
        if isinstance(event, Chunk):
            return replace(event, data=self._bytes(event.data))
        if isinstance(event, Response):
            headers = tuple((name, self.in_text(value)) for name, value in event.headers)
            if event.streaming:  # its pieces may become longer or shorter
                headers = tuple(field for field in headers if field[0].lower() != "content-length")
            return with_plain(replace(event, headers=headers), self._bytes)
        return event

    def in_text(self, text: str) -> str:
        """A text with every recorded origin in it replaced."""
        if not self.pairs:
            return text
        live = dict(self.pairs)
        return _pattern(self.pairs).sub(lambda found: live[found[0]], text)

    def _bytes(self, data: bytes) -> bytes:
        return self.in_text(data.decode("latin-1")).encode("latin-1")


@lru_cache(maxsize=64)
def _pattern(pairs: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    """Every recorded origin where it ends as well: 'http://localhost' is not in 'http://localhost:3000'."""
    return re.compile(rf"(?:{'|'.join(re.escape(old) for old, _ in pairs)})(?![\w-]|\.\w|:\d)", re.ASCII)


def _forms(origin: str) -> tuple[str, str]:
    """An origin for HTTP and for WebSocket."""
    scheme, _, rest = origin.rstrip("/").partition("://")
    secure = scheme in ("https", "wss")
    return f"{'https' if secure else 'http'}://{rest}", f"{'wss' if secure else 'ws'}://{rest}"
