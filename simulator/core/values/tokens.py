"""JSON Web Tokens of the simulator's own: real and decodable, signed with a key that everybody may know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import jwt

from simulator.core.jsontext import Path, leaves, replaced
from simulator.core.units import SECOND, Time

SIMULATOR_KEY: Final = "stagesim: a public key for tokens that open nothing"
"""The HS256 key of every token that the simulator writes or issues (RFC 7519, RFC 7518 §3.2)."""

OTHER_KEY: Final = "stagesim: another key, that no token should be signed with"
"""What a wrong signature is made with."""

_JWS: Final = jwt.PyJWS()

DATES: Final = ("iat", "nbf", "exp", "auth_time", "updated_at")
"""Claims that are times, in seconds since the epoch."""


def claims_of(token: str) -> dict[str, Any] | None:
    """A token's claims, unverified; None if it is not a JWT."""
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None


def visible_text(value: str) -> str:
    """What ids can be found in: of a token its claims that are texts, each a line of JSON; else the value."""
    claims = claims_of(value) if value.startswith("eyJ") else None
    if claims is None:
        return value
    return "\n".join(json.dumps(text, ensure_ascii=False) for _, text in _texts(claims))


def _texts(claims: Mapping[str, Any]) -> list[tuple[Path, str]]:
    return [(path, value) for path, value in leaves(dict(claims)) if isinstance(value, str)]


def sign(claims: Mapping[str, Any], key: str = SIMULATOR_KEY) -> str:
    """A token with these claims and the simulator's signature, or another."""
    payload = json.dumps(dict(claims), separators=(",", ":")).encode()
    return _JWS.encode(payload, key, algorithm="HS256")  # not `jwt.encode`: it refuses claims that others write


def moved(claims: Mapping[str, Any], by: int) -> dict[str, Any]:
    """Claims with their dates so many seconds later."""
    dates = {name: claims[name] + by for name in DATES if isinstance(claims.get(name), int | float)}
    return {**claims, **dates}


def is_ours(token: str) -> bool:
    """Whether the simulator signed a token, whatever its dates say."""
    return is_signed(token, SIMULATOR_KEY)


def is_signed(token: str, key: str) -> bool:
    """Whether a token was signed with a shared key (RFC 7518 §3.2), whatever its dates say."""
    padded = key.encode().ljust(64, b"\0")  # the same key to HMAC (RFC 2104 §2); PyJWT warns of shorter ones
    try:
        _JWS.decode(token, padded, algorithms=["HS256", "HS384", "HS512"])
    except (jwt.PyJWTError, ValueError, RecursionError):
        return False
    return True


def resign(token: str, distance: Time, *, jti: str, texts: str | None = None) -> str:
    """The token with its dates `distance` µs later and an id of its own, signed by the simulator.

    The id makes it another token for each client. `texts` are its `visible_text` with other ids in it. What is
    not a JWT is given back as it is.
    """
    claims = claims_of(token)
    if claims is None:
        return token
    changed: Any = claims
    for (path, _), line in zip(_texts(claims), texts.split("\n") if texts else (), strict=False):
        changed = replaced(changed, path, json.loads(line))
    return sign(moved(changed, distance // SECOND) | {"jti": jti})
