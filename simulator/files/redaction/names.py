"""Which names promise a secret: of JSON keys, form and query fields, headers; and which claims are personal."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

STEMS: Final = tuple(
    "pass pwd secret token key auth cred cookie jwt sig assertion code ticket hmac saml bearer".split()
)
"""A text without any of these, in any case, holds no name of a secret: the quick test before the thorough one."""

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PASSWORDS: Final = frozenset(("password", "passwd", "passwort", "pwd", "pass", "passphrase", "passcode"))
_ENDINGS: Final = {
    "password": "password",
    "passwd": "password",
    "passphrase": "password",
    "secret": "secret",
    "token": "token",
    "apikey": "api key",
    "jwt": "token",
    "bearer": "token",
}
_KEYS: Final = {
    **dict.fromkeys(
        ("api", "access", "auth", "authorization", "account", "admin", "app", "application"), "api key"
    ),
    **dict.fromkeys(("bypass", "client", "license", "master", "secret", "service", "session"), "api key"),
    **dict.fromkeys(("shared", "subscription", "storage", "webhook", "functions"), "api key"),
    **dict.fromkeys(("private", "signing", "encryption", "decryption", "hmac", "jwt", "ssh"), "private key"),
}
_TOKENS: Final = frozenset(("access", "refresh", "auth", "api", "id", "bearer", "session", "device", "push"))
_SUFFIXES: Final = frozenset(
    "value values data string str plain raw hash hashed digest salt b64 base64 pem encoded encrypted "
    "confirmation confirm confirmed repeat repeated again new old current".split()
)
"""Words behind which a name goes on to mean what stands before them, as in `password_hash` or `SecretString`."""
_NEVER: Final = frozenset(("public", "idempotency", "cache", "surrogate", "cancellation"))
"""Words whose keys and tokens are no secrets."""
_QUERY: Final = {
    **dict.fromkeys(("signature", "sig", "amzsignature", "googsignature", "hmac"), "signature"),
    **dict.fromkeys(("code", "codeverifier", "auth", "key", "ticket", "assertion", "samlresponse"), "token"),
}
"""Names that promise a secret in a query or form only, and only if the value looks like one."""
_NO_SECRET_HEADERS: Final = frozenset(("sec-websocket-key", "sec-websocket-accept", "idempotency-key"))
_HEADER_END: Final = re.compile(r"(?:^|[-_])(?:(api-?)?key|token|secret|auth)$", re.I)

AUTHORIZATION: Final = "authorization"
COOKIE: Final = "cookie"

PERSONAL: Final = frozenset(
    "email emails mail emailaddress upn uniquename name fullname displayname givenname familyname firstname "
    "lastname middlename nickname username preferredusername phone phones phonenumber mobile picture avatar "
    "avatarurl photo profile website address streetaddress birthdate birthday dateofbirth gender ipaddr ip".split()
)
"""Claims that tell who somebody is, without separators (OpenID Connect Core §5.1, and other usual spellings)."""


def plain(name: str) -> str:
    """A name without case and separators; of a url, as claims may have for a name, the end."""
    return re.sub(r"[^a-z0-9]", "", name.rpartition("/")[2].lower())


@lru_cache(maxsize=4096)
def secret_kind(name: str) -> str | None:
    """The kind of secret that a field of this name holds, anywhere; None if it holds none."""
    words = [word.lower() for word in _WORDS.findall(name[:200])]
    while len(words) > 1 and (words[-1].isdigit() or words[-1] in _SUFFIXES):
        words.pop()
    if not words:
        return None
    return None if _NEVER.intersection(words) else _kind_of_words(words)


def _kind_of_words(words: list[str]) -> str | None:
    """What the last word says, which is the one that the others only describe."""
    last = words[-1]
    before = words[-2] if len(words) > 1 else ""
    if last in _PASSWORDS:
        return "password"
    if last == "authorization":
        return AUTHORIZATION
    if last in ("credential", "credentials"):
        return "credential"
    if last in ("cookie", "cookies"):
        return COOKIE
    if last == "secrets":
        return "secret"
    if last == "tokens":
        return "token" if before in _TOKENS else None
    if last in ("key", "keys"):
        return _KEYS.get(before)
    if last == "auth":
        return "credential" if before in ("basic", "http") else None
    return next((kind for end, kind in _ENDINGS.items() if last.endswith(end)), None)


@lru_cache(maxsize=4096)
def query_kind(name: str) -> str | None:
    """The kind that a query or form field of this name holds if its value looks like a secret."""
    return _QUERY.get(plain(name).removeprefix("x"))


@lru_cache(maxsize=4096)
def header_kind(name: str) -> str | None:
    """The kind of secret that a header field of this name holds, as a whole."""
    lower = name.lower()
    if lower in _NO_SECRET_HEADERS:
        return None
    kind = secret_kind(name)
    if kind is None and (match := _HEADER_END.search(name)) and not _NEVER.intersection(lower.split("-")):
        return "api key" if match[0].lower().endswith("key") else "token"
    return kind


@lru_cache(maxsize=4096)
def is_word_token(name: str) -> bool:
    """Whether a name may as well mean a piece of language: a bare `token`, as language models stream them."""
    return plain(name) in ("token", "tokens")
