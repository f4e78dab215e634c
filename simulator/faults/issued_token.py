"""issued-token: the tokens that a server gives out are wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

from simulator.core.events import Event, Message, Response, header
from simulator.core.fault import Context, Fault, Kinds
from simulator.core.units import SECOND, Duration
from simulator.core.values.ids import with_jwts
from simulator.core.values.places import filled, slots
from simulator.core.values.tokens import OTHER_KEY, claims_of, moved, sign

_JWT_BEGINS = "eyJ"
"""A JWT is base64url of a JSON object, and so are its claims (RFC 7519 §7.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedTokenFault(Fault):
    """Tokens in JSON from the server have expired `by` so long, are not yet valid for so long, or signed wrongly.

    The dates keep their distances (RFC 7519 §4.1), as on a server whose clock is wrong. With `state:
    wrong_signature`, only the key is another.
    """

    name: ClassVar[str] = "issued-token"
    acts_on: ClassVar[Kinds] = frozenset({Response, Message})
    state: Literal["expired", "not_yet_valid", "wrong_signature"] = "expired"
    by: Duration = 3600 * SECOND

    def concerns(self, event: Event) -> bool:
        if isinstance(event, Response):
            return _JWT_BEGINS.encode() in event.body or header(event.headers, "content-encoding") is not None
        return isinstance(event, Message) and isinstance(event.data, str) and _JWT_BEGINS in event.data

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        texts = [(slot, value) for slot, value in slots(event) if slot.part == "json" and isinstance(value, str)]
        return [filled(event, {slot: with_jwts(text, partial(self._forged, context)) for slot, text in texts})]

    def _forged(self, context: Context, token: str) -> str:
        claims = claims_of(token)
        if claims is None:
            return token
        now, by = context.wall // SECOND, self.by // SECOND
        if self.state == "wrong_signature":
            forged = sign(claims, OTHER_KEY)
        elif self.state == "expired":
            forged = sign({**moved(claims, now - by - _date(claims, "exp", now)), "exp": now - by})
        else:
            begins = _date(claims, "nbf", _date(claims, "iat", now))
            forged = sign({**moved(claims, now + by - begins), "nbf": now + by})
        context.minted(forged)
        return forged


def _date(claims: Mapping[str, Any], name: str, default: int) -> int:
    value = claims.get(name)
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else default
