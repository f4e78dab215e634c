"""Secrets that show by their shape alone, wherever they stand: where they are, not what to do about them.

All patterns take linear time: repetitions are bounded, or possessive and guarded against starting inside a run.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

_KEY_HEADS: Final = (
    "sk-", "k_live_", "k_test_", "whsec_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox", "xapp-",
    "AKIA", "ASIA", "AIza", "ya29.", "GOCSPX-", "glpat-", "glrt-", "gldt-", "glcbt-", "glptt-", "glft-", "gloas-",
    "npm_", "hf_", "SG.", "pypi-", "dop_v1_", "shpat_", "shpca_", "shppa_", "shpss_", "lin_api_", "gsk_", "xai-",
    "pplx-", "r8_", "tvly-", "lsv2_", "nvapi-",
)  # fmt: skip
_WITH_DASHES: Final = (
    r"sk-(?:proj|ant|or|svcacct|admin)-(?:api\d\d-|v\d-)?|sk-|github_pat_|xox[abceoprs]-|xapp-|AIza|ya29\.|GOCSPX-"
    r"|gl(?:pat|rt|dt|cbt|ptt|ft|oas)-|pypi-|pplx-|tvly-|lsv2_(?:pt|sk)_|nvapi-"
)
_WITHOUT: Final = (
    r"[sprw]k_(?:live|test)_|whsec_|gh[pousr]_|npm_|hf_|dop_v1_|shp(?:at|ca|pa|ss)_|lin_api_|gsk_|xai-|r8_"
)
_KEY_PREFIX: Final = re.compile(rf"{_WITH_DASHES}|{_WITHOUT}|AKIA|ASIA|SG\.", re.A)
_KEY: Final = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?:{_WITH_DASHES})[A-Za-z0-9_-]{{10,}}+|(?:{_WITHOUT})[A-Za-z0-9]{{10,}}+"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+)",
    re.A,
)
_RANDOM: Final = re.compile(r"[A-Z0-9]|[a-z]{16}")
_PEM: Final = re.compile(
    r"-----BEGIN[ +][A-Z0-9 +]{0,30}?PRIVATE[ +]KEY(?:[ +]BLOCK)?-----"
    r"(?:\s{1,4}[A-Za-z-]{1,30}:[^\r\n]{0,200})*+[A-Za-z0-9+/=\s]{16,}+"
    r"(?:-----END[ +][A-Z0-9 +]{0,30}?PRIVATE[ +]KEY(?:[ +]BLOCK)?-----)?",
    re.A,
)
_BEARER: Final = re.compile(r"(?<![a-z0-9])bearer[\s:=]{1,4}([a-z0-9._~+/=-]{8,}+)", re.I | re.A)
_BASIC: Final = re.compile(r"(?<![a-z0-9])basic\s{1,4}([a-z0-9+/_-]{4,}+={0,2})", re.I | re.A)
_USERINFO: Final = re.compile(r"://([^\s/?#@\"'<>\\]{1,300}+)@", re.A)
_DOTTED: Final = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+)++")
_JWT_HEAD: Final = re.compile(r"e(?:yJ|yA|wo|wk|w0)")
"""How base64 of '{' and a quote or white space begins."""
_BROKEN_HEAD: Final = re.compile(r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{7}")
_HEADS_TRIED: Final = 4
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{11,}+={0,2}")
_SHORTEST: Final = 11
_SLASHES: Final = 8
_TO_STANDARD: Final = str.maketrans("-_", "+/")

Span = tuple[int, int]


def keys(text: str) -> Iterator[Span]:
    """Keys of well-known services; words such as 'sk-loading-indicator' are none."""
    if any(head in text for head in _KEY_HEADS):
        for match in _KEY.finditer(text):
            if _RANDOM.search(match[0], _prefix_length(match[0])):
                yield match.span()


def _prefix_length(key: str) -> int:
    match = _KEY_PREFIX.match(key)
    return match.end() if match else 0


def known_prefixes(secret: str) -> Iterator[Span]:
    """What a secret shares with all others of its service, or makes it look like a JWT."""
    if match := _KEY_PREFIX.match(secret):
        yield match.span()
    if secret.startswith("eyJ") and "." in secret:
        yield 0, 3
        if secret.count(".") == 1:
            start = secret.index(".") + 1
            yield start, start + 3


def private_keys(text: str) -> Iterator[Span]:
    """PEM private keys, also without their end (RFC 7468 §10)."""
    if "PRIVATE" in text:
        yield from (match.span() for match in _PEM.finditer(text))


def bearers(text: str) -> Iterator[Span]:
    """What follows 'Bearer' (RFC 6750 §2.1)."""
    for match in _BEARER.finditer(text) if "earer" in text or "EARER" in text else ():
        yield match.start(1), match.start(1) + len(match[1].rstrip("."))


def basics(text: str) -> Iterator[Span]:
    """What follows 'Basic' (RFC 7617 §2)."""
    if "asic" in text or "ASIC" in text:
        yield from (match.span(1) for match in _BASIC.finditer(text))


def userinfos(text: str) -> Iterator[Span]:
    """What stands before '@' in urls (RFC 3986 §3.2.1)."""
    if "://" in text and "@" in text:
        yield from (match.span(1) for match in _USERINFO.finditer(text))


def jwts(text: str, is_jwt: Callable[[str], bool]) -> Iterator[Span]:
    """JSON Web Tokens, and what looks like one (RFC 7519 §3)."""
    if "." not in text or not _JWT_HEAD.search(text):
        return
    for match in _DOTTED.finditer(text):
        if _JWT_HEAD.search(match[0]):
            yield from ((match.start() + start, match.start() + end) for start, end in _jwts(match[0], is_jwt))


def _jwts(dotted: str, is_jwt: Callable[[str], bool]) -> Iterator[Span]:
    """The tokens in a run of base64url parts with dots between."""
    parts = dotted.split(".")
    at = index = 0
    while index < len(parts) - 1:
        start, count = _jwt(parts[index : index + 5], is_jwt)
        end = at + len(".".join(parts[index : index + count]))
        if count > 1:
            yield at + start, end
        at, index = end + 1, index + count


def _jwt(parts: list[str], is_jwt: Callable[[str], bool]) -> tuple[int, int]:
    """Where in the first of these parts a token begins, and how many parts it has; one if there is none."""
    head = parts[0]
    for match in islice(_JWT_HEAD.finditer(head), _HEADS_TRIED if len(head) > 7 and len(parts) > 2 else 0):
        if is_jwt(".".join((head[match.start() :], *parts[1:3]))):
            return match.start(), 3
    if not (broken := _BROKEN_HEAD.search(head)):
        return 0, 1
    if len(parts) == 2:
        return broken.start(), 2 if _BROKEN_HEAD.match(parts[1]) else 1
    return broken.start(), 5 if all(parts) and len(parts) == 5 else 3  # five if it is encrypted (RFC 7516 §7.1)


def base64s(text: str) -> Iterator[tuple[int, int, str]]:
    """What may be base64 or base64url of text: where it stands and the text."""
    for match in _BASE64.finditer(text):
        start, end, token = match.start(), match.end(), match[0]
        for _ in range(_SLASHES):  # any of the first few may separate instead of being a digit
            if (decoded := from_base64(text[start:end])) is not None:
                yield start, end, decoded
                break
            slash = text.find("/", start, end - _SHORTEST)
            if slash < 0:
                yield from _between_slashes(token, match.start())
                break
            start = slash + 1


def _between_slashes(token: str, start: int) -> Iterator[tuple[int, int, str]]:
    for piece in token.split("/"):
        if _SHORTEST <= len(piece) < len(token) and (decoded := from_base64(piece)) is not None:
            yield start, start + len(piece), decoded
        start += len(piece) + 1


def from_base64(token: str) -> str | None:
    """The text that base64 or base64url stands for, padded or not; None if it stands for none."""
    bare = token.rstrip("=")
    try:
        return binascii.a2b_base64(bare.translate(_TO_STANDARD) + "=" * (-len(bare) % 4)).decode()
    except (ValueError, UnicodeError):
        return None


def to_base64(text: str, like: str, *, unsure: bool) -> str:
    """The base64 of a text, in the alphabet and with the padding of another base64 text.

    `unsure` is whether to pad where that one does not tell, having no need for padding.
    """
    standard = not ("-" in like or "_" in like) and (unsure or "+" in like or "/" in like or like.endswith("="))
    made = (base64.standard_b64encode if standard else base64.urlsafe_b64encode)(text.encode("utf-8", "replace"))
    padded = like.endswith("=") or (unsure and len(like) % 4 == 0)
    return made.decode() if padded else made.decode().rstrip("=")
