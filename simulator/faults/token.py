"""token: what a client shows for itself is accepted no longer."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from simulator.core.events import Close, Direction, Event, Message, Request, Response, is_upgrade
from simulator.core.fault import Context, Fault, Kinds, delayed, sent
from simulator.core.jsontext import Json
from simulator.core.matching.clients import tokens
from simulator.core.matching.compare import is_upgrade_request
from simulator.core.refusals import WHY, dated, recorded_refusal
from simulator.core.units import MILLISECOND, Duration
from simulator.core.values.tokens import claims_of
from simulator.faults.answers import answer, require_sendable
from simulator.faults.close import require_close


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFault(Fault):
    """Requests with a token are refused as if it were `state`: expired, not_yet_valid, wrong_signature or revoked.

    The refusal is `status` with `json` or `body` and `headers`. Without any of these, it is how a token was
    refused in the recording, in answer to this request or else another to its service, or 401 (RFC 6750 §3.1).
    `claims` keeps it to tokens that say so, such as one user's. A WebSocket is refused in the same way, or with
    `websocket: close` accepted, told why in a `frame`, where a `timestamp` of null is filled in, and closed with
    `code` and `reason` `delay` later.
    """

    name: ClassVar[str] = "token"
    acts_on: ClassVar[Kinds] = frozenset({Request})
    direction: ClassVar[Direction | None] = Direction.UPSTREAM
    state: Literal["expired", "not_yet_valid", "wrong_signature", "revoked"] = "expired"
    claims: Mapping[str, str | int | bool] = field(default_factory=dict)
    status: int | None = None
    json: Json = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    websocket: Literal["refuse", "close"] = "refuse"
    frame: Json = None
    code: int | None = 1008
    reason: str = "Authentication failed"
    delay: Duration = 100 * MILLISECOND

    def __post_init__(self) -> None:
        require_sendable(status=self.status or 401, headers=self.headers, json=self.json, body=self.body)
        require_close(self.code, self.reason)

    def concerns(self, event: Event) -> bool:
        return isinstance(event, Request) and any(map(self._means, tokens(event)))

    def _means(self, token: str) -> bool:
        said = claims_of(token) or {} if self.claims else {}
        return all(said.get(name) == value for name, value in self.claims.items())

    def follows(self, event: Event) -> bool:
        return is_upgrade(event) or (isinstance(event, Message) and event.direction is Direction.UPSTREAM)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if isinstance(event, Response):
            return [event, self._frame(context), self._close(context)]
        if isinstance(event, Message):  # nobody listens any more
            return []
        if isinstance(event, Request) and is_upgrade_request(event) and self.websocket == "close":
            return [event]
        return [self._refusal(context)]

    def _refusal(self, context: Context) -> Response:
        said = self.json is not None or bool(self.body or self.headers)
        recorded = None if said or self.status else recorded_refusal(context.recorded, context.request)
        if recorded is not None:
            return replace(recorded, flow=context.flow, at=context.now, id=None, cause=None)
        _, why = WHY[self.state]
        default: Json = None if self.body else {"detail": why}
        challenge = ("WWW-Authenticate", f'Bearer error="invalid_token", error_description="{why}"')
        status = self.status or 401
        return answer(
            context,
            status,
            json=default if self.json is None else self.json,
            body=self.body,
            headers=self.headers,
            kept=(challenge,) if status == 401 else (),
        )

    def _frame(self, context: Context) -> Event:
        code, why = WHY[self.state]
        default: Json = {"type": "error", "code": code, "message": why, "timestamp": None}
        frame = dated(default if self.frame is None else self.frame, context.wall)
        return sent(Message, context, data=jsonlib.dumps(frame))

    def _close(self, context: Context) -> Event:
        return delayed(sent(Close, context, code=self.code, reason=self.reason), self.delay)
