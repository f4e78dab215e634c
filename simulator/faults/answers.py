"""Answers that a fault gives in the server's place, such as a server could have given them."""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Mapping
from typing import Final

from simulator.core.events import Event, Headers, Response, is_upgrade, phrase
from simulator.core.fault import Context, require
from simulator.core.jsontext import Json

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?)?")
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
_ABOUT_CONTENT: Final = _FRAMING | frozenset(
    "content-type content-encoding content-language content-location content-range etag last-modified".split()
)
_WITHOUT_CONTENT: Final = (204, 304)
"""Statuses whose responses end with their head (RFC 9112 §6.3)."""


def require_sendable(
    *, status: int, headers: Mapping[str, str], reason: str | None = None, json: Json = None, body: str = ""
) -> None:
    """For `__post_init__`: raise FaultError for what no final response can say (RFC 9112 §4, RFC 9110 §5, §15)."""
    require(200 <= status <= 999, "status", f"expected 200 to 999, got {status}")
    require(reason is None or _VALUE.fullmatch(reason) is not None, "reason", "expected one line of Latin-1")
    require(json is None or not body, "body", "expected either json or body")
    for name, value in headers.items():
        place = f"headers.{name}"
        require(_NAME.fullmatch(name) is not None, place, "expected a field name, such as Retry-After")
        require(name.lower() not in _FRAMING, place, "follows from the body")
        require(_VALUE.fullmatch(value) is not None, place, "expected one line of Latin-1")


def answer(
    context: Context,
    status: int,
    *,
    json: Json = None,
    body: str = "",
    headers: Mapping[str, str] | None = None,
    reason: str | None = None,
    kept: Headers = (),
) -> Response:
    """A whole response, now. `headers` replace those of `kept` and those that follow from the body."""
    data = jsonlib.dumps(json).encode() if json is not None else body.encode()
    fields = [(name, value) for name, value in kept if name.lower() not in _ABOUT_CONTENT]
    if status in _WITHOUT_CONTENT:
        data = b""
    else:
        if data:
            kind = "application/json" if json is not None else "text/plain; charset=utf-8"
            fields.append(("Content-Type", kind))
        fields.append(("Content-Length", str(len(data))))
    given = headers or {}
    replaced = {name.lower() for name in given}
    fields = [(name, value) for name, value in fields if name.lower() not in replaced]
    return Response(
        flow=context.flow,
        at=context.now,
        status=status,
        reason=phrase(status) if reason is None else reason,
        headers=(*fields, *given.items()),
        body=data,
    )


def is_answer(event: Event) -> bool:
    """Whether an event is an HTTP response, and no opening of a WebSocket."""
    return isinstance(event, Response) and not is_upgrade(event)


def has_content(event: Response, context: Context) -> bool:
    """Whether the client will read a body: not after HEAD, nor of statuses that have none (RFC 9112 §6.3)."""
    asked = context.request.method if context.request is not None else "GET"
    return asked != "HEAD" and event.status not in _WITHOUT_CONTENT


def with_fields(event: Response, fields: Mapping[str, str | None]) -> Headers:
    """A response's header fields with these instead of those of the same name; None takes one away."""
    replaced = {name.lower() for name in fields}
    kept = [(name, value) for name, value in event.headers if name.lower() not in replaced]
    return (*kept, *((name, value) for name, value in fields.items() if value is not None))
