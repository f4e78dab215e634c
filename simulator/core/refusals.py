"""How those are refused who are not let in: as recorded, as somebody says, or as servers usually do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from simulator.core.events import Close, Direction, Event, Headers, Message, Request, Response, header, phrase
from simulator.core.jsontext import Json, dump
from simulator.core.matching.clients import tokens
from simulator.core.matching.compare import is_upgrade_request
from simulator.core.rule import Selector
from simulator.core.units import MILLISECOND, SECOND, Time
from simulator.core.upgrade import agreed

REFUSED_STATUS: Final = frozenset((401, 403))

WHY: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("NO_TOKEN", "No authentication token provided"),
    "malformed": ("INVALID_FORMAT", "Token is malformed"),
    "wrong_signature": ("INVALID_SIGNATURE", "Token signature is invalid"),
    "not_yet_valid": ("TOKEN_NOT_YET_VALID", "Token is not yet valid"),
    "expired": ("TOKEN_EXPIRED", "Token has expired"),
    "revoked": ("TOKEN_REVOKED", "Token has been revoked"),
}
"""By the state of a token, the more is known of it the later: its error code and what is said about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A refusal by an HTTP response, also of an upgrade; without a body of its own it says why as `detail`."""

    status: int
    headers: Headers = ()
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangup:
    """A refusal of a WebSocket that is opened: it is told why in a `frame`, if any, and closed `delay` later.

    `headers` are those of its 101 beside what RFC 6455 wants there.
    """

    code: int
    reason: str = ""
    frame: Json = None
    headers: Headers = ()
    delay: Time = 100 * MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """How some requests are refused whose tokens are in one of these states, which are keys of `WHY`."""

    states: frozenset[str] = frozenset(WHY)
    select: Selector = field(default_factory=Selector)
    http: Answer | None = None
    websocket: Answer | Hangup | None = None

    def how(self, request: Request, why: str) -> Answer | Hangup | None:
        """What is said to a request, if this speaks of it."""
        if why not in self.states or not self.select.selects(request, request):
            return None
        return self.websocket if is_upgrade_request(request) else self.http


def said(refusals: Iterable[Refusal], request: Request, why: str) -> Answer | Hangup | None:
    """What the first says that speaks of such a request."""
    return next((how for refusal in refusals if (how := refusal.how(request, why)) is not None), None)


def recorded_refusal(
    recorded: Iterable[tuple[Request, Response]],
    asked: Request | None,
    *,
    shown: bool = True,
    elsewhere: bool = True,
) -> Response | None:
    """How the recorded server refused a token, or (not `shown`) that there was none.

    The same request's refusal if it can be, else, if one from `elsewhere` will do, another's of its service.
    """
    refused = [
        (request, response)
        for request, response in recorded
        if response.status in REFUSED_STATUS and any(tokens(request)) == shown
    ]
    same = [
        response
        for request, response in refused
        if asked is not None and (request.method, request.path) == (asked.method, asked.path)
    ]
    others = [response for _, response in refused] if elsewhere else []
    return next(iter([*same, *others]), None)


def refuse(
    refusals: Iterable[Refusal],
    recorded: Iterable[tuple[Request, Response]],
    request: Request,
    why: str,
    wall: Time,
) -> Sequence[Event]:
    """What is said to one who is not let in, for a reason of `WHY`; `wall` is now, since the Unix epoch.

    As the recording shows it for this request, else as `refusals` say, else as the recording shows it for others
    or for another reason, else as `unauthorized` has it.
    """
    alike = [pair for pair in recorded if is_upgrade_request(pair[0]) == is_upgrade_request(request)]
    shown = why != "missing"
    found = recorded_refusal(alike, request, shown=shown, elsewhere=False)
    how = None if found is not None else said(refusals, request, why)
    if isinstance(how, Hangup):
        return _hung_up(request, how, wall)
    if how is not None:
        return [_answered(request, how, why)]
    found = (
        found or recorded_refusal(alike, request, shown=shown) or recorded_refusal(alike, request, shown=not shown)
    )
    if found is None:
        return [unauthorized(request, why)]
    return [replace(found, flow=request.flow, at=request.at, id=None, cause=None)]


def unauthorized(request: Request, why: str) -> Response:
    """What is said to one who is not let in: 401 with a challenge (RFC 6750 §3), or 403 to a WebSocket."""
    return _answered(request, Answer(status=403 if is_upgrade_request(request) else 401), why)


def _answered(request: Request, answer: Answer, why: str) -> Response:
    """A 401 has a challenge; no error is named there to one who showed nothing (RFC 6750 §3.1)."""
    _, text = WHY[why]
    body = dump({"detail": text}).encode() if answer.body is None else answer.body
    fields = [("Content-Type", "application/json")] if answer.body is None else []
    fields.append(("Content-Length", str(len(body))))
    if answer.status == 401:
        error = "" if why == "missing" else f' error="invalid_token", error_description="{text}"'
        fields.append(("WWW-Authenticate", f"Bearer{error}"))
    given = {name.lower() for name, _ in answer.headers}
    headers = (*((name, value) for name, value in fields if name.lower() not in given), *answer.headers)
    return Response(
        flow=request.flow,
        at=request.at,
        status=answer.status,
        reason=phrase(answer.status),
        headers=headers,
        body=body,
    )


def _hung_up(request: Request, how: Hangup, wall: Time) -> list[Event]:
    key = header(request.headers, "sec-websocket-key")
    accept = () if key is None else (("Sec-WebSocket-Accept", key),)
    headers = (("Upgrade", "websocket"), ("Connection", "Upgrade"), *accept, *how.headers)
    opened = Response(flow=request.flow, at=request.at, status=101, reason="Switching Protocols", headers=headers)
    found: list[Event] = [agreed(opened, request)]
    way = Direction.DOWNSTREAM
    if how.frame is not None:
        frame = dump(dated(how.frame, wall))
        found.append(Message(flow=request.flow, at=request.at, direction=way, data=frame))
    at = request.at + how.delay
    return [*found, Close(flow=request.flow, at=at, direction=way, code=how.code, reason=how.reason)]


def dated(frame: Json, wall: Time) -> Json:
    """A frame whose `timestamp` of null is filled in, with seconds since the Unix epoch."""
    if isinstance(frame, dict) and "timestamp" in frame and frame["timestamp"] is None:
        return {**frame, "timestamp": wall / SECOND}
    return frame
