"""Bodies, as they were on the wire, from what tools keep of them: decoded, and often as text."""

from __future__ import annotations

import re
from email.message import Message as MimeHeaders
from typing import Final

from simulator.core.events import Headers, header
from simulator.core.values.coding import codings, decoded, encoder
from simulator.files.fields import resized
from simulator.files.losses import Losses

OTHER_LENGTH: Final = "bodies that are not of the length they had on the wire"
NO_CODING: Final = "bodies left without their content coding, which is not written here"
_CHARSETS: Final = re.compile(
    r"us-ascii|latin-?1|iso-8859-\d+|(windows-|cp)125\d|koi8-[ru]|utf-(16|32)([bl]e)?"
    r"|shift_jis|euc-(jp|kr)|gb2312|gbk|gb18030|big5"
)
"""Those of the web; Python has others that are no charsets, or take for ever."""


def body_of(
    kept: bytes | str | None, headers: Headers, losses: Losses, *, unsure: bool = False
) -> tuple[bytes, Headers]:
    """A body encoded as its header fields say, and fields that fit it.

    A text is encoded in the charset that its length on the wire speaks for, else the one that its type names.
    `unsure` says that bytes may be as they were on the wire, even if that cannot be told.
    """
    size, as_sent = length(headers), unsure and isinstance(kept, bytes)
    if isinstance(kept, str):
        kept = _encoded(kept, header(headers, "content-type") or "", None if codings(headers) else size)
    body = kept or b""
    if not codings(headers):
        if size is not None and size != len(body):
            losses.add(OTHER_LENGTH)
        return body, resized(headers, len(body))
    encoders = [encoder(coding) for coding in reversed(codings(headers))]
    if not body or decoded(body, headers) is not None or (as_sent and None in encoders):
        return body, resized(headers, len(body))
    for encode in encoders if None not in encoders else ():
        body = encode(body) if encode is not None else body
    if None in encoders:
        losses.add(NO_CODING)
        headers = tuple(field for field in headers if field[0].lower() != "content-encoding")
    return body, resized(headers, len(body))


def is_bodiless(method: str, status: int) -> bool:
    """Whether a response has no body whatever its Content-Length says (RFC 9110 §6.4.1)."""
    return method == "HEAD" or status < 200 or status in (204, 304)


def length(headers: Headers) -> int | None:
    """The length that header fields say a body has; None if they say none."""
    text = header(headers, "content-length") or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def _encoded(text: str, content_type: str, size: int | None) -> bytes:
    mime = MimeHeaders()
    mime["content-type"] = "".join(char for char in content_type if char.isprintable())
    named = mime.get_content_charset() or "utf-8"
    made = [data for charset in (named, "utf-8", "latin-1") if (data := _in(text, charset)) is not None]
    return next((data for data in made if len(data) == size), made[0])


def _in(text: str, charset: str) -> bytes | None:
    """A text in a charset, None if it cannot be said in it; UTF-8 can say all that JSON can."""
    if charset in ("utf-8", "utf8"):
        for errors in ("surrogateescape", "surrogatepass"):
            try:
                return text.encode("utf-8", errors)
            except UnicodeEncodeError:
                pass
        return text.encode("utf-8", "replace")
    try:
        return text.encode(charset) if _CHARSETS.fullmatch(charset) else None
    except (UnicodeError, LookupError):
        return None
