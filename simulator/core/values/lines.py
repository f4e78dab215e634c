"""JSON in lines: the documents in a stream of server-sent events, or of newline-delimited JSON.

A piece of a stream says nothing of its media type, so the shape decides: a document is an object or array that
fills a line, alone or behind 'data:'. One that is cut in two, by pieces or by lines, is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from simulator.core import jsontext
from simulator.core.events import Headers, header
from simulator.core.jsontext import Json, Path
from simulator.core.serversent import is_event_stream

_MEDIA_TYPES: Final = frozenset(
    f"application/{name}" for name in ("x-ndjson", "ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines")
)
_LEAD: Final = re.compile(rb"(?:data:)?[ \t]*(?=[\[{])")
_BLANK: Final = b" \t\r\n"


class Document(NamedTuple):
    """A JSON object or array: where it begins among the bytes, its own bytes, and what they mean."""

    begin: int
    text: bytes
    json: Json


def has_lines(headers: Headers) -> bool:
    """Whether a body is made of lines that may be documents."""
    essence = (header(headers, "content-type") or "").partition(";")[0]
    return essence.strip().lower() in _MEDIA_TYPES or is_event_stream(headers)


@lru_cache(maxsize=16)
def documents(data: bytes) -> tuple[Document, ...]:
    """Every document in these bytes. Do not change them: they are shared."""
    return () if b"\0" in data else tuple(_documents(data))  # what is binary is left at once


def _documents(data: bytes) -> Iterator[Document]:
    after = 0
    for line in data.splitlines(keepends=True):
        before, after = after, after + len(line)
        lead = _LEAD.match(line)
        if lead is None:
            continue
        text = line[lead.end() :].rstrip(_BLANK)
        if text.endswith((b"}", b"]")) and isinstance(value := jsontext.parse(text), dict | list):
            yield Document(before + lead.end(), text, value)


def with_values(
    data: bytes, values: Mapping[int, Mapping[Path, Json]], change: Callable[[str, Mapping[Path, Json]], str]
) -> bytes:
    """The bytes with other values in their documents, by the documents' numbers; all else stays as it is."""
    pieces, end = [], 0
    for number, document in enumerate(documents(data)):
        if number in values:
            text = change(document.text.decode(), values[number])
            pieces += [data[end : document.begin], text.encode()]
            end = document.begin + len(document.text)
    return b"".join([*pieces, data[end:]])
