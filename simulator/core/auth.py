"""Who is let in: which tokens a replay accepts, and who was not let in by the recorded server."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar

from simulator.core.events import Close, Direction, Event, Request, Response
from simulator.core.matching.clients import tokens
from simulator.core.refusals import REFUSED_STATUS, WHY, Refusal, refuse, said
from simulator.core.script import FlowScript
from simulator.core.units import SECOND, Time
from simulator.core.values.ids import is_credential_name, is_jwt
from simulator.core.values.places import query_items
from simulator.core.values.tokens import SIMULATOR_KEY, claims_of, is_signed

Found = TypeVar("Found")

REFUSED_CLOSE: Final = frozenset((1008, 3000, 3003, 4001, 4003, 4401, 4403))
"""Close codes by which servers say that a token will not do: policy (RFC 6455 §7.4.1), IANA's, and usual ones."""
SKEW: Final = 60 * SECOND
"""How far in the future a token may become valid: clocks differ (RFC 7519 §4.1.5)."""


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

    A key is for HS256, HS384 and HS512 (RFC 7518 §3.2). `refusals` say how tokens are refused where the recording
    does not show it.
    """

    mode: AuthMode = AuthMode.RECORDED
    keys: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()

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

    def refuse(
        self, recorded: Iterable[tuple[Request, Response]], request: Request, why: str, wall: Time
    ) -> Sequence[Event]:
        """What a request is told that is not let in, for a reason of `WHY`; see `simulator.core.refusals`."""
        return refuse(self.refusals, recorded, request, why, wall)


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
    why = problems[0]
    refused = [item for item in fitting if was_refused(item[0])]
    same = [item for item in refused if item in alike]
    if not same and why is not None and said(auth.refusals, live, why) is not None:
        return [], why
    return same or refused, why


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


def _without_tokens(request: Request) -> Request:
    path, _, query = request.target.partition("?")
    kept = "&".join(_items_but_tokens(query))
    return replace(request, target=f"{path}?{kept}" if kept else path) if kept != query else request


def _items_but_tokens(query: str) -> Iterator[str]:
    for item in query.split("&"):
        if not any(is_credential_name(name) for name, _ in query_items(item)):
            yield item
