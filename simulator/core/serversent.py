"""Server-sent events: a stream in pieces, cut and read as browsers do (WHATWG HTML §9.2.5 and §9.2.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from simulator.core.events import Headers, header

_BOM: Final = b"\xef\xbb\xbf"
_END: Final = re.compile(rb"(?>\r\n|\r|\n){2}")
"""The end of a line and an empty line: lines end at CRLF, at LF or at CR, and at nothing else."""
_LINE: Final = re.compile(r"\r\n|\r|\n")


def is_event_stream(headers: Headers) -> bool:
    """Whether a response's body is made of server-sent events; a media type has no case (RFC 9110 §8.3.1)."""
    essence = (header(headers, "content-type") or "").partition(";")[0]
    return essence.strip().lower() == "text/event-stream"


@dataclass(slots=True)
class EventStream:
    """A stream that is still coming; the pieces may be cut anywhere."""

    _rest: bytearray = field(default_factory=bytearray)
    _searched: int = 0
    _began: bool = False
    _after_cr: bool = False
    """Whether an event has ended with a CR: an LF that comes next belongs to it."""

    def feed(self, data: bytes) -> Iterator[dict[str, str]]:
        """The fields of each event that is whole with these bytes. Take them all before feeding more."""
        if self._after_cr and data:
            data, self._after_cr = data.removeprefix(b"\n"), False
        self._rest += data
        begin = 0
        while found := _END.search(self._rest, max(begin, self._searched)):
            yield from self._event(bytes(self._rest[begin : found.start()]))
            begin = found.end()
            self._after_cr = begin == len(self._rest) and found[0].endswith(b"\r")
        del self._rest[:begin]
        self._searched = max(0, len(self._rest) - 3)

    def unfinished(self) -> Iterator[dict[str, str]]:
        """The fields of what has come of an event that is not whole, if there are any."""
        yield from self._event(bytes(self._rest))

    def _event(self, block: bytes) -> Iterator[dict[str, str]]:
        text = block if self._began else block.removeprefix(_BOM)
        self._began = True
        if fields := fields_of(text.decode("utf-8", "replace")):
            yield fields


def fields_of(block: str) -> dict[str, str]:
    """The fields of an event: lines of data are joined, of others the last one counts, comments do not."""
    found: dict[str, str] = {}
    for line in _LINE.split(block):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name:
            found[name] = f"{found[name]}\n{value}" if name == "data" and name in found else value
    return found
