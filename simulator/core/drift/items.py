"""Items: what is compared of an event, as one JSON-like document, whatever kind of event it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from simulator.core import jsontext
from simulator.core.drift.align import Keys
from simulator.core.drift.sides import Side, Variables
from simulator.core.events import (
    Bytes,
    Chunk,
    Close,
    Direction,
    End,
    Event,
    Message,
    Ping,
    Pong,
    Request,
    Reset,
    Response,
    header,
    is_upgrade,
)
from simulator.core.jsontext import MISSING, Json, Path
from simulator.core.matching.compare import discriminator, is_heartbeat
from simulator.core.serversent import EventStream, is_event_stream
from simulator.core.units import Time
from simulator.core.values.coding import codings, decoded
from simulator.core.values.lines import has_lines
from simulator.core.values.places import segments, slots

Document = dict[str, Json]

_AGREED: Final = ("content-type", "content-encoding", "sec-websocket-extensions")
"""Header fields of a response that say how to read what follows, though they never travel."""
_SHOWN: Final = 80
_KINDS: Final = {bool: "boolean", int: "number", float: "number", str: "text", type(None): "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One event, or one server-sent event of a response: what it is called, and what it says, by paths.

    `index` is the event's place in its recording, `rank` the item's in its flow; `text` is for people.
    """

    at: Time
    direction: Direction
    label: str
    heartbeat: bool
    document: Document
    variables: Variables
    index: int
    keys: Keys
    rank: int = 0

    @property
    def text(self) -> str:
        return shown(self.document.get("$", self.document))


def items_of(indices: Iterable[int], side: Side) -> list[Item]:
    """The items of a flow, from the indices of its events."""
    events = side.recording.events
    joined = _joined([(index, events[index]) for index in indices])
    found = [item for index, event, body in joined for item in _items(index, event, body, side)]
    return [replace(item, rank=rank) for rank, item in enumerate(found)]


@dataclass(frozen=True, slots=True)
class _Body:
    """The body of a response in the pieces in which it came, by their events, and whether that was all of it."""

    parts: list[tuple[Time, bytes]]
    indices: list[int]
    whole: bool = True


def _joined(events: list[tuple[int, Event]]) -> Iterator[tuple[int, Event, _Body]]:
    """Every event but chunks and ends, which are the body of the response before them.

    How a body was cut into chunks is the network's choice, and how soon it was there decides whether it was
    recorded as streaming: neither says that the server has changed.
    """
    chunks = [(event.at, event.data) for _, event in events if isinstance(event, Chunk)]
    indices = [index for index, event in events if isinstance(event, Chunk)]
    ended = any(isinstance(event, End) for _, event in events)
    for index, event in events:
        if isinstance(event, Response) and event.streaming:
            yield index, event, _Body(chunks, indices, ended)
        elif isinstance(event, Response):
            yield index, event, _Body([(event.at, event.body)], [index])
        elif not isinstance(event, Chunk | End):
            yield index, event, _Body([], [])


def _items(index: int, event: Event, body: _Body, side: Side) -> Iterator[Item]:
    document = _document(event, strict=side.strict) | ({} if body.whole else {"complete": False})
    pieces: list[tuple[Time, dict[str, str]]] = []
    if isinstance(event, Response):
        if is_event_stream(event.headers):
            pieces = [*_pieces(body.parts)]
        elif has_lines(event.headers) and not codings(event.headers):
            pieces = [*_lines(body.parts)]
        else:
            document |= _payload(b"".join(data for _, data in body.parts), event)
    yield _item(index, event, _name(event), document, side, variables=side.variables(index))
    known = side.in_lines(body.indices) if pieces else {}
    for at, fields in pieces:
        said = _said(fields)
        named = fields.get("event") or _named(said.get("$")) or "event"
        lines = known.get(fields.get("data", "").strip())
        where, variables = lines.popleft() if lines else (index, {})
        yield _item(where, event, named, said, side, variables=variables, at=at)


def _item(
    index: int,
    event: Event,
    name: str,
    document: Document,
    side: Side,
    *,
    variables: Variables,
    at: Time | None = None,
) -> Item:
    when = event.at if at is None else at
    return Item(
        at=when,
        direction=event.direction,
        label=name,
        heartbeat=at is None and is_heartbeat(event),
        document=document,
        variables=variables,
        index=index,
        keys=_keys(f"{event.kind} {name}", document, variables, when, side),
    )


def _keys(name: str, document: Document, variables: Variables, at: Time, side: Side) -> Keys:
    def normal(value: Json, path: Path) -> Json:
        if isinstance(value, dict):
            return {key: normal(value[key], (*path, key)) for key in sorted(value)}
        if isinstance(value, list):
            return [normal(inner, (*path, position)) for position, inner in enumerate(value)]
        return side.normal(value, path, variables.get(path), at)

    exact = hashlib.sha256(f"{name} {jsontext.dump(normal(document, ()))}".encode()).hexdigest()
    return Keys(exact=exact, shape=repr(_shape(document)), name=name)


def _shape(value: Json) -> object:
    if isinstance(value, dict):
        return tuple((key, _shape(value[key])) for key in sorted(value))
    if isinstance(value, list):
        return sorted({repr(_shape(inner)) for inner in value})
    return json_type(value)


def json_type(value: Json) -> str:
    if isinstance(value, dict):
        return "object"
    return "list" if isinstance(value, list) else _KINDS[type(value)]


def _name(event: Event) -> str:
    """What an event is called in both recordings, whatever it says."""
    if isinstance(event, Message):
        return discriminator(event) or f"{'text' if isinstance(event.data, str) else 'binary'} message"
    return event.kind


def _document(event: Event, *, strict: bool) -> Document:
    """What an event says, without the body of a response."""
    match event:
        case Request():
            path: list[Json] = [*segments(event)]
            return {"path": path} | _fields(event) | _payload(event.body, event)
        case Response():
            reason: Document = {"reason": event.reason} if strict and not is_upgrade(event) else {}
            return {"status": event.status} | reason | _fields(event)
        case Message():
            return _message(event, strict=strict)
        case Ping() | Pong():
            return {"data": event.data.hex()} if strict else {}
        case Close():
            return {"code": event.code, "reason": event.reason}
        case Reset():
            return {"rst": event.rst}
        case Bytes():
            return {"bytes": event.data.hex()}
    return {}


def _fields(event: Request | Response) -> Document:
    """Query and header fields, each with all its values."""
    found: dict[str, dict[str, list[Json]]] = {}
    for slot, value in slots(event):
        if slot.part in ("query", "header"):
            found.setdefault(slot.part, {}).setdefault(str(slot.at[0]), []).append(value)
    for name in _AGREED if isinstance(event, Response) else ():
        if value := header(event.headers, name):
            found.setdefault("header", {})[name] = [value]
    return {part: {**fields} for part, fields in found.items()}


def _message(message: Message, *, strict: bool) -> Document:
    frames: Document = {}
    if message.fragments:
        sizes: list[Json] = [fragment.size for fragment in message.fragments]
        frames["fragments"] = sizes if strict else len(sizes)
    if message.compressed:
        frames["compressed"] = True
    if isinstance(message.data, bytes):
        return {"bytes": message.data.hex()} | frames
    return _body(message.data.encode("utf-8", "surrogatepass"), text=message.data, strict=strict) | frames


def _body(data: bytes, *, text: str | None = None, strict: bool = False) -> Document:
    """A payload as JSON, else as text, else as bytes; nothing for none."""
    if not data and text is None:
        return {}
    if text is None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return {"bytes": data.hex()}
    value = jsontext.parse_object(text)
    if value is MISSING:
        return {"text": text}
    return {"$": value, "layout": jsontext.style_of(text, value)} if strict else {"$": value}


def _payload(body: bytes, event: Request | Response) -> Document:
    """What a body says without its content codings, where those are known and sound; else the body as it is."""
    plain = decoded(body, event.headers)
    return _body(body if plain is None else plain.data)


def _pieces(parts: list[tuple[Time, bytes]]) -> Iterator[tuple[Time, dict[str, str]]]:
    """The events of a stream, each at the time at which it was complete; what came last may not be."""
    stream, at = EventStream(), 0
    for at, data in parts:
        for fields in stream.feed(data):
            yield at, fields
    for fields in stream.unfinished():
        yield at, fields


def _lines(parts: list[tuple[Time, bytes]]) -> Iterator[tuple[Time, dict[str, str]]]:
    """The lines of a stream that are not empty, as if each were the data of an event."""
    rest, at = b"", 0
    for at, data in parts:
        *lines, rest = (rest + data).split(b"\n")
        yield from ((at, {"data": line.decode("utf-8", "replace")}) for line in lines if line.strip())
    if rest.strip():
        yield at, {"data": rest.decode("utf-8", "replace")}


def _said(fields: dict[str, str]) -> Document:
    """What a server-sent event says; its data as JSON if it is that."""
    others: Document = {name: value for name, value in fields.items() if name != "data"}
    return others | (_body(b"", text=fields["data"]) if "data" in fields else {})


def _named(document: Json) -> str | None:
    if document is None:
        return None
    message = Message(flow="", at=0, direction=Direction.DOWNSTREAM, data=jsontext.dump(document))
    return discriminator(message)


def shown(value: Json) -> str:
    """A value for people, and not too much of it."""
    text = jsontext.dump(value, "spaced-unicode")
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def place_of(path: Path) -> str:
    """Where a value stands in an item's document, for people: 'status', 'header.location', '$.data.run_id'."""
    if path[:1] == ("$",):
        return jsontext.path_text(path[1:])
    text = ".".join(step for step in path if isinstance(step, str))
    position = path[-1]
    if isinstance(position, int) and (position or path[0] not in ("header", "query")):
        return f"{text}[{position}]"
    return text
