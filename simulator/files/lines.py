"""Between the lines of a recording file and the core's events, both ways and without loss."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from simulator.core import jsontext
from simulator.core.events import (
    Bytes,
    Chunk,
    Close,
    Direction,
    End,
    Event,
    Fragment,
    Message,
    Ping,
    Pong,
    Request,
    Reset,
    Response,
)
from simulator.core.journal import Entry, Note
from simulator.core.jsontext import MISSING, Json
from simulator.core.recording import Correlation, Header, Service
from simulator.core.units import SECOND, Time, iso_time, since_epoch
from simulator.files import models

_SIDES = {Direction.UPSTREAM: "client", Direction.DOWNSTREAM: "server"}
_DIRECTIONS = {side: direction for direction, side in _SIDES.items()}
_BODY_FIELDS = {"body", "data"}


def header_line(header: Header) -> dict[str, object]:
    """The header as the object of line 1; what is empty is left out."""
    line: dict[str, object] = {
        "stagesim": header.version,
        "title": header.title,
        "created": iso_time(header.created),
        "services": {service.name: list(service.origins) for service in header.services},
    }
    if header.correlate is not None:
        line["correlate"] = [
            {"name": item.name, "kind": item.kind, "from": item.source, "to": list(item.targets)}
            for item in header.correlate
        ]
    if header.match:
        line["match"] = dict(header.match)
    if header.ignore:
        line["ignore"] = list(header.ignore)
    if header.redacted:
        line["redacted"] = dict(header.redacted)
    if header.standins:
        line["standins"] = list(header.standins)
    if header.seed is not None:
        line["seed"] = header.seed
    return line


def header_of(line: models.HeaderLine) -> Header:
    correlate = line.correlate
    return Header(
        version=line.stagesim,
        title=line.title,
        created=since_epoch(line.created),
        services=tuple(Service(name=name, origins=tuple(urls)) for name, urls in line.services.items()),
        correlate=None if correlate is None else correlations_of(correlate),
        match=line.match,
        ignore=tuple(line.ignore),
        redacted=line.redacted,
        standins=tuple(line.standins),
        seed=line.seed,
    )


def correlations_of(items: Iterable[models.CorrelationItem]) -> tuple[Correlation, ...]:
    return tuple(
        Correlation(name=item.name, kind=item.kind, source=item.source, targets=tuple(item.targets))
        for item in items
    )


def entry_line(entry: Entry) -> dict[str, object]:
    """An event or note as the object of its line, keys in fixed order, defaults left out."""
    if isinstance(entry, Note):
        note: dict[str, object] = {"at": _seconds(entry.at), "flow": entry.flow, "kind": "note"}
        return note | {"what": entry.what, "detail": dict(entry.detail)}
    line: dict[str, object] = {"at": _seconds(entry.at), "flow": entry.flow, "kind": entry.kind}
    if not isinstance(entry, Request | Response | Chunk | End):
        line["from"] = _SIDES[entry.direction]
    for field in fields(entry):
        value = getattr(entry, field.name)
        if field.name in ("at", "flow", "direction") or value == field.default:
            continue
        if field.name in _BODY_FIELDS:
            line |= body_fields(value, binary=isinstance(entry, Message) and isinstance(value, bytes))
        elif field.name == "fragments":
            line["fragments"] = [[part.size, _seconds(part.after)] for part in value]
        elif field.name == "headers":
            line["headers"] = [list(item) for item in value]
        else:
            line[field.name] = value
    return line


def body_fields(payload: str | bytes, *, binary: bool = False) -> dict[str, object]:
    """A payload as `json`, `text` or `base64`; `binary` ones are always base64."""
    if isinstance(payload, bytes):
        text = None if binary else _text(payload)
        if text is None:
            return {"base64": base64.b64encode(payload).decode("ascii")}
        payload = text
    value = jsontext.parse_object(payload)
    if value is MISSING or not _writable(value):
        return {"text": payload}
    style = jsontext.style_of(payload, value)
    if style is None:
        return {"text": payload}
    return {"json": value} if style == "spaced" else {"json": value, "style": style}


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def _writable(value: Json) -> bool:
    """Whether a JSON value survives UTF-8: escapes may hide lone surrogates."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def entry_of(line: models.EventLine) -> Entry:
    """The event or note that a line says."""
    if isinstance(line, models.NoteLine):
        return Note(at=_time(line.at), flow=line.flow, what=line.what, detail=line.detail)
    common: dict[str, Any] = {"flow": line.flow, "at": _time(line.at), "id": line.id, "cause": line.cause}
    return _event(line, common)


def _event(line: models.Line, common: dict[str, Any]) -> Event:
    match line:
        case models.RequestLine():
            target: dict[str, Any] = {"service": line.service, "method": line.method, "target": line.target}
            return Request(**common, **target, headers=_headers(line.headers), body=_body(line))
        case models.ResponseLine():
            head: dict[str, Any] = {"status": line.status, "reason": line.reason, "streaming": line.streaming}
            return Response(**common, **head, headers=_headers(line.headers), body=_body(line))
        case models.ChunkLine():
            return Chunk(**common, data=_body(line))
        case models.EndLine():
            return End(**common)
    return _framed(line, common | {"direction": _DIRECTIONS[line.sender]})  # type: ignore[attr-defined]


def _framed(line: models.Line, common: dict[str, Any]) -> Event:
    match line:
        case models.MessageLine():
            parts = tuple(Fragment(size=size, after=_time(after)) for size, after in line.fragments)
            return Message(**common, data=line.payload(), fragments=parts, compressed=line.compressed)
        case models.PingLine():
            return Ping(**common, data=_body(line))
        case models.PongLine():
            return Pong(**common, data=_body(line))
        case models.CloseLine():
            return Close(**common, code=line.code, reason=line.reason)
        case models.ResetLine():
            return Reset(**common, rst=line.rst)
        case models.BytesLine():
            return Bytes(**common, data=_body(line))
    raise TypeError(type(line))


def _body(line: models.Body) -> bytes:
    payload = line.payload()
    return payload.encode() if isinstance(payload, str) else payload


def _headers(items: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in items)


def _seconds(time: Time) -> float:
    return time / SECOND


def _time(seconds: float) -> Time:
    return round(seconds * SECOND)
