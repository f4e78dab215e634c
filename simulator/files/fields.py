"""Header fields, as a recording keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from simulator.core.events import Headers, header

_HOP_BY_HOP: Final = frozenset(("keep-alive", "proxy-authorization", "proxy-connection", "te"))


def kept(fields: Iterable[tuple[str, str]]) -> Headers:
    """Header fields as sent, without those for one hop only (RFC 9110 §7.6.1).

    Kept nevertheless: Transfer-Encoding, which says how the body was sent, and Connection if it upgrades.
    """
    headers = tuple(fields)
    upgrades = "upgrade" in (header(headers, "connection") or "").lower()
    dropped = _HOP_BY_HOP if upgrades else _HOP_BY_HOP | {"connection"}
    return tuple(field for field in headers if field[0].lower() not in dropped)


def resized(headers: Headers, size: int) -> Headers:
    """Header fields whose Content-Length, if they have one, is that of the body."""
    return tuple((name, str(size) if name.lower() == "content-length" else value) for name, value in headers)
