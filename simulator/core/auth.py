"""Who is let in: which tokens a replay accepts, and how the recorded server refused those that it did not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar

from simulator.core.events import Close, Direction, Request, Response
from simulator.core.jsontext import dump
from simulator.core.matching.clients import tokens
from simulator.core.matching.compare import is_upgrade_request
from simulator.core.script import FlowScript
from simulator.core.units import SECOND, Time
from simulator.core.values.ids import is_credential_name, is_jwt
from simulator.core.values.places import query_items
from simulator.core.values.tokens import SIMULATOR_KEY, claims_of, is_signed

Found = TypeVar("Found")

REFUSED_STATUS: Final = frozenset((401, 403))
REFUSED_CLOSE: Final = frozenset((1008, 3000, 3003, 4001, 4003, 4401, 4403))
"""Close codes by which servers say that a token will not do: policy (RFC 6455 §7.4.1), IANA's, and usual ones."""
SKEW: Final = 60 * SECOND
"""How far in the future a token may become valid: clocks differ (RFC 7519 §4.1.5)."""

WHY: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("NO_TOKEN", "No authentication token provided"),
    "malformed": ("INVALID_FORMAT", "Token is malformed"),
    "wrong_signature": ("INVALID_SIGNATURE", "Token signature is invalid"),
    "not_yet_valid": ("TOKEN_NOT_YET_VALID", "Token is not yet valid"),
    "expired": ("TOKEN_EXPIRED", "Token has expired"),
    "revoked": ("TOKEN_REVOKED", "Token has been revoked"),
}
"""By the state of a token, the more is known of it the later: its error code and what is said about it."""


class AuthMode(StrEnum):
    """`recorded`: whether there is a token picks the recorded answer, and no token is looked at."""

    RECORDED = "recorded"
    VERIFY = "verify"
    """Where the recorded request had a token, a live one must have one that is valid."""
    OFF = "off"
    """Everybody gets what was recorded for whoever was let in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """What is asked of tokens. `keys` are shared ones by which tokens may be signed beside the simulator's own.

    A key is for HS256, HS384 and HS512 (RFC 7518 §3.2).
    """

    mode: AuthMode = AuthMode.RECORDED
    keys: tuple[str, ...] = ()

    def compared(self, request: Request) -> Request:
        """What of a request counts when it is matched: unless tokens do, nothing in the query that is one."""
        return request if self.mode is AuthMode.RECORDED else _without_tokens(request)

    def problem(self, token: str, wall: Time) -> str | None:
        """What is wrong with a token at a time, in µs since the epoch, as a key of `WHY`; None for a valid one."""
        claims = claims_of(token)
        if claims is None:
            return "malformed"
        if not any(is_signed(token, key) for key in (SIMULATOR_KEY, *self.keys)):
            return "wrong_signature"
        ends, begins = claims.get("exp", math.inf), claims.get("nbf", 0)
        if not _is_date(ends) or not _is_date(begins):
            return "malformed"
        if ends * SECOND <= wall:
            return "expired"
        return "not_yet_valid" if begins * SECOND > wall + SKEW else None

    def refusal(self, recorded: Request, live: Request, wall: Time) -> str | None:
        """Why a request is not let in where the recorded one was, as a key of `WHY`.

        A token that was no JWT could be anything, so it must only be there.
        """
        shown = list(tokens(live))
        if not any(tokens(recorded)):
            return None
        if not shown:
            return "missing"
        if not any(map(is_jwt, tokens(recorded))):
            return None
        problems = [self.problem(token, wall) for token in shown]
        return None if None in problems else max(filter(None, problems), key=[*WHY].index)


def _is_date(value: object) -> bool:
    """Whether a claim may be a NumericDate (RFC 7519 §2): Python's JSON knows NaN, and its numbers truth."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def admitted(
    auth: Auth, fitting: Iterable[tuple[FlowScript, Found]], live: Request, wall: Time
) -> tuple[list[tuple[FlowScript, Found]], str | None]:
    """Those of the recorded flows that fit a request from which its answer is taken, or why it is refused."""
    fitting = list(fitting)
    granted = [item for item in fitting if not was_refused(item[0])]
    shown = any(tokens(live))
    alike = [item for item in fitting if any(tokens(item[0].request)) == shown]
    if auth.mode is AuthMode.RECORDED:
        return alike or fitting, None
    if auth.mode is AuthMode.OFF or not granted:
        return granted or fitting, None
    problems = [auth.refusal(take.request, live, wall) for take, _ in granted]
    if None in problems:
        return [item for item, problem in zip(granted, problems, strict=True) if problem is None], None
    refused = [item for item in fitting if was_refused(item[0])]
    return [item for item in refused if item in alike] or refused, problems[0]


def unasked(auth: Auth, flows: Iterable[FlowScript]) -> str | None:
    """What to tell who has tokens verified where that comes to nothing, as the recording lets nobody in by one."""
    if auth.mode is not AuthMode.VERIFY:
        return None
    if any(any(tokens(flow.request)) and not was_refused(flow) for flow in flows):
        return None
    return "nothing that the recording lets in carries a token, so nobody is refused"


def was_refused(take: FlowScript) -> bool:
    """Whether the recorded server refused to let this one in, at once."""
    return any(
        (isinstance(event, Response) and event.status in REFUSED_STATUS)
        or (isinstance(event, Close) and event.direction is Direction.DOWNSTREAM and event.code in REFUSED_CLOSE)
        for event in (reaction.event for reaction in take.opening.reactions)
    )


def recorded_refusal(
    recorded: Iterable[tuple[Request, Response]], asked: Request | None, *, shown: bool = True
) -> Response | None:
    """How the recorded server refused a token, or (not `shown`) that there was none.

    The same request's refusal if it can be, else another's of its service.
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
    return next(iter([*same, *(response for _, response in refused)]), None)


def refuse(recorded: Iterable[tuple[Request, Response]], request: Request, why: str) -> Response:
    """The answer to one who is not let in, for a reason of `WHY`: as recorded, else `unauthorized`."""
    alike = [pair for pair in recorded if is_upgrade_request(pair[0]) == is_upgrade_request(request)]
    shown = why != "missing"
    found = recorded_refusal(alike, request, shown=shown) or recorded_refusal(alike, request, shown=not shown)
    if found is None:
        return unauthorized(request, why)
    return replace(found, flow=request.flow, at=request.at, id=None, cause=None)


def unauthorized(request: Request, why: str) -> Response:
    """What is said to one who is not let in: 401 with a challenge (RFC 6750 §3), or 403 to a WebSocket.

    No error is named to one who showed nothing (RFC 6750 §3.1).
    """
    _, text = WHY[why]
    error = "" if why == "missing" else f' error="invalid_token", error_description="{text}"'
    body = dump({"detail": text}).encode()
    fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    status, reason = (403, "Forbidden") if is_upgrade_request(request) else (401, "Unauthorized")
    if status == 401:
        fields.append(("WWW-Authenticate", f"Bearer{error}"))
    headers = tuple(fields)
    return Response(flow=request.flow, at=request.at, status=status, reason=reason, headers=headers, body=body)


def _without_tokens(request: Request) -> Request:
    path, _, query = request.target.partition("?")
    kept = "&".join(_items_but_tokens(query))
    return replace(request, target=f"{path}?{kept}" if kept else path) if kept != query else request


def _items_but_tokens(query: str) -> Iterator[str]:
    for item in query.split("&"):
        if not any(is_credential_name(name) for name, _ in query_items(item)):
            yield item
