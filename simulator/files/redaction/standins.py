"""Stand-ins: what is written in the place of a secret."""

from __future__ import annotations

import hashlib
import hmac
import re
import string
from collections.abc import Callable, Collection
from typing import Any, Final

import jwt as pyjwt

from simulator.core.recording import standin_digest
from simulator.core.values import tokens
from simulator.files.redaction import names, shapes

_PEM_LINE: Final = re.compile(r"-----[^-\r\n]{1,64}-----")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
_STRUCTURE: Final = frozenset("-_.:/+=~,;&?#@|<>(){}[]\"'")
"""Characters that stay where they are: they give a secret its form, and the text around it its meaning."""
_SYMBOLS: Final = "!*$"
"""Symbols that need no escape in JSON, urls, forms, cookies and headers."""
_FOREIGN: Final = {2: "àéîõü", 3: "あいうえお", 4: "𝒶𝒷𝒸𝒹"}
"""Letters that are not ASCII, by their length in UTF-8."""
_TRIES: Final = 100


class Made:
    """The stand-ins that were made, here or, as far as their digests tell, in an earlier run."""

    def __init__(self, known: Collection[str] = ()) -> None:
        self._texts: set[str] = set()
        self._known = frozenset(known)

    def add(self, standin: str) -> None:
        self._texts.add(standin)

    def __contains__(self, text: str) -> bool:
        return text in self._texts or (bool(self._known) and standin_digest(text) in self._known)

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(sorted({*self._known, *map(standin_digest, self._texts)}))


class Standins:
    """Makes stand-ins from a salt and remembers them; equal secrets have equal ones."""

    def __init__(self, salt: bytes, known: Collection[str] = ()) -> None:
        self._salt = salt
        self._opaque: dict[str, str] = {}
        self._jwts: dict[str, str | None] = {}
        self.made = Made(known)

    def is_standin(self, text: str) -> bool:
        """Whether a text is a stand-in already, made here or a token that the simulator signed."""
        if text in self.made:
            return True
        return self._jwts[text] == text if text in self._jwts else text.count(".") == 2 and tokens.is_ours(text)

    def is_jwt(self, text: str) -> bool:
        """Whether a text is a JWT, or stands for one."""
        return text in self.made or self._jwts.get(text) is not None or tokens.claims_of(text) is not None

    def keep(self, standin: str) -> None:
        """Take a text for a stand-in from now on, being composed of such."""
        self.made.add(standin)

    def opaque(self, secret: str) -> str:
        """A stand-in with the length, the character classes and the separators of the secret."""
        if secret in self.made or not secret:
            return secret
        made = self._opaque.get(secret)
        if made is None:
            made = self._opaque[secret] = self._new(secret)
            self.made.add(made)
        return made

    def _new(self, secret: str) -> str:
        kept, pools = _kept(secret), _pools(secret)
        if not any(_pool(char, pools) for index, char in enumerate(secret) if index not in kept):
            kept = frozenset()
        for attempt in range(_TRIES):
            stream = hashlib.shake_256(self._digest(secret, attempt)).digest(len(secret))
            made = "".join(
                char if index in kept or not (pool := _pool(char, pools)) else pool[stream[index] % len(pool)]
                for index, char in enumerate(secret)
            )
            if made != secret:
                return made
        return made

    def _digest(self, secret: str, attempt: int = 0) -> bytes:
        return hmac.digest(self._salt, bytes((attempt,)) + secret.encode("utf-8", "surrogatepass"), "sha256")

    def jwt(self, token: str, redact: Callable[[str], str] = str) -> str | None:
        """The same token without personal claims, signed by the simulator; None if it does not decode.

        `redact` is what is done to claims that are text and not personal.
        """
        if token in self._jwts:
            return self._jwts[token]
        made = token if tokens.is_ours(token) else self._resigned(token, redact)
        self._jwts[token] = made
        if made is not None:
            self._jwts[made] = made
        return made

    def _resigned(self, token: str, redact: Callable[[str], str]) -> str | None:
        claims = tokens.claims_of(token)
        if claims is None:
            return None
        try:
            return tokens.sign({name: self._claim(name, value, redact) for name, value in claims.items()})
        except (pyjwt.PyJWTError, TypeError, ValueError, RecursionError):
            return None  # claims that PyJWT reads but refuses to write

    def _claim(self, name: str, value: Any, redact: Callable[[str], str], *, personal: bool = False) -> Any:
        personal = personal or names.plain(name) in names.PERSONAL
        if isinstance(value, dict):
            return {key: self._claim(key, inner, redact, personal=personal) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._claim(name, inner, redact, personal=personal) for inner in value]
        if not isinstance(value, str) or not value:
            return value
        if personal:
            return self._person(names.plain(name), value)
        return self.opaque(value) if name == "jti" or names.secret_kind(name) else redact(value)

    def _person(self, name: str, value: str) -> str:
        """Somebody who does not exist, obviously: the same for the same claim of the same somebody."""
        mark = self._digest(value)[:4].hex()
        if "@" in value:
            return f"redacted-{mark}@example.invalid"
        if value.startswith(("http://", "https://")):
            return f"https://example.invalid/redacted-{mark}"
        if name in ("birthdate", "birthday", "dateofbirth"):
            return "1900-01-01"
        if name in ("phone", "phones", "phonenumber", "mobile"):
            return f"+1-555-01{int(mark, 16) % 100:02}"
        return f"Redacted {mark}"


def _kept(secret: str) -> frozenset[int]:
    """The positions that keep their characters whatever these are."""
    if _UUID.fullmatch(secret):
        return frozenset((14, 19))  # version and variant (RFC 9562 §4)
    spans = [*(match.span() for match in _PEM_LINE.finditer(secret)), *shapes.known_prefixes(secret)]
    return frozenset(index for span in spans for index in range(*span))


def _pools(secret: str) -> dict[str, str]:
    """What letters are replaced by: hex digits where all of them are."""
    letters = {char for char in secret if char.isalpha()}
    hexadecimal = len(secret) >= 8 and letters <= set("abcdefABCDEF") and any(char.isdigit() for char in secret)
    lower, upper = ("abcdef", "ABCDEF") if hexadecimal else (string.ascii_lowercase, string.ascii_uppercase)
    return {**dict.fromkeys(string.ascii_lowercase, lower), **dict.fromkeys(string.ascii_uppercase, upper)}


def _pool(char: str, pools: dict[str, str]) -> str:
    """What a character is replaced by one of; '' if it stays."""
    if pool := pools.get(char):
        return pool
    if not char.isascii():
        return "" if char.isspace() or "\ud800" <= char <= "\udfff" else _FOREIGN[len(char.encode())]
    if char.isdigit():
        return string.digits
    return "" if char in _STRUCTURE or char <= " " else _SYMBOLS
