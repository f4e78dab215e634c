"""The access tokens: minted by the auth service, checked by the backend."""

import time
from dataclasses import dataclass

import jwt

from simulator.demo.standin.frames import ENVIRONMENT
from simulator.demo.standin.ids import IdMint

SIGNING_KEY = "demo-signing-key-that-protects-nothing-at-all"
ACCESS_SECONDS = 900
REFRESH_SECONDS = 7 * 24 * 3600
ISSUER = "auth-service"
AUDIENCE = "backend"
_ALGORITHM = "HS256"
_REQUIRED = ["exp", "iat", "sub", "iss", "jti"]


@dataclass(frozen=True, slots=True)
class User:
    """Who a token speaks for."""

    user_id: str
    email: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """A checked token: its user and its end in epoch seconds."""

    user: User
    expires_at: int


class TokenError(Exception):
    """A token that is refused; `code` is one of the error codes of the WebSocket authentication."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Tokens:
    """Mints and checks HS256 tokens."""

    def __init__(self, ids: IdMint) -> None:
        self._ids = ids

    def mint(self, user: User, *, kind: str = "access", seconds: int = ACCESS_SECONDS) -> str:
        """A token of that kind which ends in so many seconds."""
        now = int(time.time())
        claims = {
            "sub": user.user_id,
            "email": user.email,
            "permissions": list(user.permissions),
            "iat": now,
            "exp": now + seconds,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "jti": self._ids.uuid(),
            "type": kind,
            "token_type": kind,
            "env": ENVIRONMENT,
        }
        return jwt.encode(claims, SIGNING_KEY, algorithm=_ALGORITHM)

    def check(self, token: str | None, *, trust_signature: bool = False) -> Grant:
        """The grant of an access token; raises `TokenError`.

        With `trust_signature` signature and dates are not looked at, as staging did for its end-to-end tests.
        """
        if not token:
            raise TokenError("NO_TOKEN", "No authentication token provided")
        if token.count(".") != 2:
            raise TokenError("INVALID_FORMAT", "Invalid token format")
        claims = _decode(token, trust_signature=trust_signature)
        kind = claims.get("type", claims.get("token_type"))
        expires_at = claims.get("exp")
        if kind != "access" or not isinstance(expires_at, int):
            raise TokenError("VALIDATION_FAILED", "Token validation failed")
        return Grant(_user(claims), expires_at)


def _decode(token: str, *, trust_signature: bool) -> dict[str, object]:
    # Audience is left out: the users' own test tokens do not carry it.
    options: jwt.types.Options = {"verify_aud": False, "require": _REQUIRED}
    if trust_signature:
        options = {"verify_signature": False}
    try:
        return jwt.decode(token, SIGNING_KEY, algorithms=[_ALGORITHM], options=options)
    except jwt.ExpiredSignatureError as error:
        raise TokenError("TOKEN_EXPIRED", "Token has expired") from error
    except jwt.InvalidTokenError as error:
        raise TokenError("VALIDATION_FAILED", "Token validation failed") from error


def _user(claims: dict[str, object]) -> User:
    permissions = claims.get("permissions")
    listed = permissions if isinstance(permissions, list) else []
    return User(str(claims.get("sub")), str(claims.get("email", "")), tuple(map(str, listed)))
