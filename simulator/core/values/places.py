"""Places: where in an event a single value stands, and how to read and replace it there.

A slot is exact ('$.items[3].id' of one event); a place is general ('backend /ws < $.items[*].id' of all alike),
and is what people read and write in a recording's header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from simulator.core import jsontext
from simulator.core.events import Chunk, Direction, Event, Headers, Message, Request, Response, header, refitted
from simulator.core.jsontext import MISSING, Json, Path
from simulator.core.values import lines, nested
from simulator.core.values.coding import decoded
from simulator.core.values.cookies import parts
from simulator.core.values.ids import looks_like_id

_LARGEST: Final = 8 * 1024 * 1024
"""Bytes of a body that may come out of its content coding, to be looked into."""

Part = Literal["path", "query", "header", "cookie", "json", "line"]

_UNTRAVELLED: Final = frozenset(
    "accept accept-encoding accept-language connection content-length content-type date host origin server "
    "sec-websocket-accept sec-websocket-extensions sec-websocket-key sec-websocket-version te trailer "
    "transfer-encoding upgrade user-agent vary via".split()
)
"""Header fields that speak of the hop or of the library, never of what is said."""


_MOST_FIELDS: Final = 8
"""How many fields a message may have that is a list of them; a longer list is one of items."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One value's position: `at` is (segment,), (name, nth), (field, nth), (cookie, nth) or a JSON path.

    In a body of many documents, a line each, the path of a 'line' begins with the number of its document.
    """

    part: Part
    at: Path

    @property
    def is_json(self) -> bool:
        """Whether the value stands in JSON: in the event's own, or in one of its lines."""
        return self.part in ("json", "line")

    @property
    def within(self) -> Path:
        """Where the value stands in its document, if it is in one."""
        return self.at[1:] if self.part == "line" else self.at

    def __str__(self) -> str:
        if self.is_json:
            line = f"line[{self.at[0]}]|" if self.part == "line" else ""
            return line + nested.readable(self.within)
        name = self.at[0]
        return f"path[{name}]" if self.part == "path" else f"{self.part}.{name}"


@lru_cache(maxsize=8192)
def _slot(part: Part, at: Path) -> Slot:
    """A slot that is shared: the values of a long recording are many, and stand in few."""
    return Slot(part, at)


_COOKIE_OCTETS: Final = "".join(char for char in map(chr, range(0x21, 0x7F)) if char not in '",;\\')
_BREAKS: Final = re.compile(r"[\r\n\0]")


def slots(event: Event) -> Iterator[tuple[Slot, Json]]:
    """Every value in an event, with its slot."""
    if isinstance(event, Request):
        for index, segment in enumerate(segments(event)):
            yield _slot("path", (index,)), segment
        yield from (
            (_slot("query", (name, nth)), value) for (name, value), nth in _counted(query_items(event.query))
        )
    if isinstance(event, Request | Response):
        yield from ((slot, event.headers[at][1][begin:end]) for slot, at, begin, end in _in_headers(event.headers))
    document = json_of(event)
    if document is not MISSING:
        yield from ((_slot("json", path), value) for path, value in nested.leaves(document))
        return
    for number, line in enumerate(lines_of(event)):
        yield from ((_slot("line", (number, *path)), value) for path, value in nested.leaves(line.json))


def _in_headers(headers: Headers) -> Iterator[tuple[Slot, int, int, int]]:
    """The values in header fields: slot, index of the field, and where in it they begin and end."""
    seen: dict[tuple[str, str], int] = {}
    for index, (field, value) in enumerate(headers):
        for part, name, begin, end in parts(field.lower(), value) if field.lower() not in _UNTRAVELLED else ():
            nth = seen[part, name] = seen.get((part, name), -1) + 1
            yield Slot("cookie" if part == "cookie" else "header", (name, nth)), index, begin, end


def _counted(items: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], int]]:
    seen: dict[str, int] = {}
    for name, value in items:
        seen[name] = seen.get(name, -1) + 1
        yield (name, value), seen[name]


def segments(request: Request) -> list[str]:
    """The decoded segments of a request's path, without the leading slash."""
    return [unquote(segment) for segment in request.path.removeprefix("/").split("/")]


def query_items(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def query_values(query: str) -> dict[tuple[str, int], str]:
    """The values of a query by name, and by which of that name."""
    return {(name, nth): value for (name, value), nth in _counted(query_items(query))}


def json_of(event: Event) -> jsontext.MaybeJson:
    """The JSON object or array that an event carries, or MISSING. Do not change it: it is shared."""
    if isinstance(event, Message):
        return jsontext.parse_object(nested.split(event.data)[1]) if isinstance(event.data, str) else MISSING
    if isinstance(event, Request | Response) and event.body:
        plain = _plain(event)
        return MISSING if plain is None else jsontext.parse_object(plain)
    return MISSING


def lines_of(event: Event) -> tuple[lines.Document, ...]:
    """The JSON documents in the lines of a piece of a stream, or of a response that is a stream as a whole."""
    if isinstance(event, Chunk):
        return lines.documents(event.data)
    if isinstance(event, Response) and event.body and lines.has_lines(event.headers):
        plain = _plain(event)
        return () if plain is None else lines.documents(plain)
    return ()


def documents_of(event: Event) -> Sequence[jsontext.MaybeJson]:
    """What an event says as JSON: the documents in its lines, else its own, or MISSING."""
    return [line.json for line in lines_of(event)] or [json_of(event)]


def _plain(event: Request | Response) -> bytes | None:
    """A body without its content codings, if that can be known and is not too large."""
    if header(event.headers, "content-encoding") is None:
        return event.body
    return _decoded(event.body, event.headers)


@lru_cache(maxsize=16)
def _decoded(body: bytes, headers: Headers) -> bytes | None:
    plain = decoded(body, headers, _LARGEST)
    return None if plain is None else plain.data


def with_plain(event: Request | Response, change: Callable[[bytes], bytes]) -> Request | Response:
    """The event with its body changed below its content codings; as it is where these are unknown."""
    plain = decoded(event.body, event.headers, _LARGEST)
    if plain is None:
        return event
    changed = change(plain.data)
    return event if changed == plain.data else with_body(event, plain.encode(changed))


def filled(event: Event, values: Mapping[Slot, Json]) -> Event:
    """The event with other values in the given slots; all else stays byte for byte."""
    documents = {slot.at: value for slot, value in values.items() if slot.part == "json"}
    if documents:
        event = _with_json(event, documents)
    in_lines: dict[int, dict[Path, Json]] = {}
    for slot, value in values.items():
        if slot.part == "line":
            in_lines.setdefault(int(slot.at[0]), {})[slot.within] = value
    if in_lines:
        event = _with_lines(event, in_lines)
    fields = {slot: str(value) for slot, value in values.items() if slot.part in ("header", "cookie")}
    if fields and isinstance(event, Request | Response):
        event = replace(event, headers=_with_headers(event.headers, fields))
    if isinstance(event, Request):
        event = replace(event, target=_with_target(event, values))
    return event


def _with_json(event: Event, values: Mapping[Path, Json]) -> Event:
    if isinstance(event, Message) and isinstance(event.data, str):
        prefix, text = nested.split(event.data)
        return with_text(event, prefix + _json_text(text, values))
    if isinstance(event, Request | Response):
        return with_plain(event, lambda body: _json_text(body.decode(), values).encode())
    return event


def _with_lines(event: Event, values: Mapping[int, Mapping[Path, Json]]) -> Event:
    if isinstance(event, Chunk):
        data = lines.with_values(event.data, values, _json_text)
        return event if data == event.data else replace(event, data=data)
    if isinstance(event, Response) and lines_of(event):
        return with_plain(event, lambda body: lines.with_values(body, values, _json_text))
    return event


def _json_text(text: str, values: Mapping[Path, Json]) -> str:
    before = jsontext.parse_object(text)
    if before is MISSING:
        return text
    values = nested.with_texts(before, values, _json_text)
    old = {path: jsontext.at_path(before, path) for path in values}
    changed = {path: value for path, value in values.items() if old[path] not in (MISSING, value)}
    if not changed:
        return text
    style = _style(text)
    if style is None:  # an unusual layout
        return jsontext.spliced(text, changed)
    after: Json = before
    for path, value in changed.items():
        after = jsontext.replaced(after, path, value)
    return jsontext.dump(after, style)


@lru_cache(maxsize=4096)
def _style(text: str) -> str | None:
    value = jsontext.parse_object(text)
    return None if value is MISSING else jsontext.style_of(text, value)


def with_text(message: Message, text: str) -> Message:
    """The message with another text in as many frames; the last one takes what is more, or less."""
    if text == message.data:
        return message
    return refitted(replace(message, data=text))


def with_body(event: Request | Response, body: bytes) -> Request | Response:
    """The event with another body; a Content-Length field follows it."""
    if body == event.body:
        return event
    return replace(event, body=body, headers=with_length(event.headers, len(body)))


def with_length(headers: Headers, length: int) -> Headers:
    return tuple((name, str(length) if name.lower() == "content-length" else value) for name, value in headers)


def _with_headers(headers: Headers, values: Mapping[Slot, str]) -> Headers:
    fields = list(headers)
    for slot, index, begin, end in reversed(list(_in_headers(headers))):
        if slot in values:
            name, old = fields[index]
            fields[index] = (name, old[:begin] + _in_field(slot, values[slot], old[begin:end]) + old[end:])
    return tuple(fields)


def _in_field(slot: Slot, value: str, old: str) -> str:
    """A value as a header field can hold it: no line break, in a cookie nothing that ends it (RFC 6265 §4.1.1)."""
    if value == old:
        return old
    return quote(value, safe=_COOKIE_OCTETS) if slot.part == "cookie" else _BREAKS.sub(" ", value)


def _with_target(request: Request, values: Mapping[Slot, Json]) -> str:
    path, mark, query = request.target.partition("?")
    lead = "/" if path.startswith("/") else ""
    parts = path.removeprefix("/").split("/")
    for index, part in enumerate(parts):
        value = values.get(Slot("path", (index,)), MISSING)
        if value is not MISSING and str(value) != unquote(part):
            parts[index] = quote(str(value), safe="@:!$&'()*+,;=~")
    return f"{lead}{'/'.join(parts)}{mark}{_with_query(query, values)}"


def _with_query(query: str, values: Mapping[Slot, Json]) -> str:
    items = query.split("&")
    given = [index for index, item in enumerate(items) if item]
    for index, ((name, old), nth) in zip(given, _counted(query_items(query)), strict=True):
        value = values.get(Slot("query", (name, nth)), MISSING)
        if value is not MISSING and str(value) != old:
            items[index] = f"{items[index].partition('=')[0]}={quote_plus(str(value))}"
    return "&".join(items)


def value_at(event: Event, slot: Slot) -> jsontext.MaybeJson:
    """The value in a slot of this event, or MISSING."""
    if slot.is_json:
        return nested.at_path(_document(event, slot), slot.within)
    return next((value for found, value in slots(event) if found == slot), MISSING)


def _document(event: Event, slot: Slot) -> jsontext.MaybeJson:
    """The document that a slot of JSON is in."""
    if slot.part == "json":
        return json_of(event)
    found, number = lines_of(event), int(slot.at[0])
    return found[number].json if number < len(found) else MISSING


def route(request: Request | None) -> str:
    """The flow's route for people: 'backend /api/kernels/{}/channels', ids as holes."""
    if request is None:
        return "?"
    parts = ["{}" if looks_like_id(part) else part for part in segments(request)]
    return f"{request.service} /{'/'.join(parts)}"


def general(slot: Slot, *, positions: int = 0) -> str:
    """The slot among all alike: '$.payload.items[*].id', 'query.page', 'path[1]'.

    The first `positions` steps stay as they are. All lines of a stream are alike, and like the one document of a
    response that is not a stream.
    """
    if not slot.is_json:
        return str(slot)
    kept, rest = slot.within[:positions], slot.within[positions:]
    return _general((*kept, *("*" if type(step) is int else step for step in rest)))


@lru_cache(maxsize=4096)
def _general(steps: Path) -> str:
    return nested.readable(steps).replace('["*"]', "[*]").replace(".*", "[*]")


def place(route: str, event: Event, slot: Slot) -> str:
    """The general place of a slot: 'backend /ws > $.payload.items[*].id'; '>' is sent by the client.

    In a message that is a list of fields, as Phoenix has it ('["1", "2", "room:1", "join", {}]'), each position is
    a place: 'backend /ws > $[1]'.
    """
    return places(route, event)(slot)


def places(route: str, event: Event) -> Callable[[Slot], str]:
    """The general place of each slot of an event, see `place`."""
    upstream = event.direction is Direction.UPSTREAM
    envelopes: dict[object, bool] = {}

    def found(slot: Slot) -> str:
        if not slot.is_json:
            return _place(route, upstream, slot, 0)
        document = slot.at[0] if slot.part == "line" else None
        if document not in envelopes:
            envelopes[document] = _is_envelope(_document(event, slot))
        return _place(route, upstream, slot, int(envelopes[document]))

    return found


@lru_cache(maxsize=8192)
def _place(route: str, upstream: bool, slot: Slot, positions: int) -> str:
    return f"{route} {'>' if upstream else '<'} {general(slot, positions=positions)}"


def _is_envelope(document: jsontext.MaybeJson) -> bool:
    """Whether a list is one thing with several fields, and not several things."""
    return (
        isinstance(document, list)
        and 1 < len(document) <= _MOST_FIELDS
        and (document[0] is None or isinstance(document[0], str | int))
        and any(isinstance(item, dict | list) for item in document)
    )
