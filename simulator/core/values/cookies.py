"""Header fields whose values have parts: cookies (RFC 6265), credentials behind a scheme (RFC 9110 §11.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from simulator.core.events import Request, Response, header
from simulator.core.units import Time

_LOOPBACK: Final = re.compile(r"localhost|127\.[\d.]+|::1")


def parts(name: str, value: str) -> Iterator[tuple[str, str, int, int]]:
    """The values in a header field of this name in lower case: 'cookie' or 'header', a name, begin and end."""
    if name in ("cookie", "set-cookie"):
        begin = 0
        for pair in value.split(";")[: 1 if name == "set-cookie" else None]:
            yield from _cookie(pair, begin)
            begin += len(pair) + 1
        return
    begin = 0
    if name in ("authorization", "proxy-authorization"):
        scheme, _, shown = value.strip().partition(" ")
        begin = value.index(shown.strip(), value.index(scheme) + len(scheme)) if shown.strip() else 0
    yield "header", name, begin, len(value)


def _cookie(pair: str, begin: int) -> Iterator[tuple[str, str, int, int]]:
    """The value of one cookie without its quotation marks, if it has a name."""
    name, equals, value = pair.partition("=")
    bare = value.strip()
    if not name.strip() or not equals:
        return
    begin += len(name) + 1 + (value.index(bare) if bare else 0)
    quoted = len(bare) > 1 and bare[0] == bare[-1] == '"'
    yield "cookie", name.strip(), begin + quoted, begin + len(bare) - quoted


def settled(response: Response, request: Request, origin: str, distance: Time) -> Response:
    """A recorded response, `distance` µs later, with cookies that a client of the replay keeps and sends back.

    Cookies live as long as they did. Their Domain goes where the client knows the server by another name, and
    Secure where it speaks plain HTTP to this machine; `origin` is by what name the service is offered.
    """
    host = _hostname(header(request.headers, "host") or "")
    plain = origin.startswith("http:") and bool(_LOOPBACK.fullmatch(host))
    fields = tuple(
        (name, _settled(value, host, distance, plain=plain) if name.lower() == "set-cookie" else value)
        for name, value in response.headers
    )
    return replace(response, headers=fields)


def _hostname(authority: str) -> str:
    """The name in a Host field (RFC 9110 §7.2), which a client may have filled with anything."""
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _settled(cookie: str, host: str, distance: Time, *, plain: bool) -> str:
    pair, *attributes = cookie.split(";")
    kept = [pair]
    for attribute in attributes:
        name, _, value = (part.strip() for part in attribute.partition("="))
        match name.lower():
            case "domain" if not _within(host, value):
                continue
            case "secure" if plain:
                continue
            case "samesite" if plain and value.lower() == "none":  # asks for Secure
                continue
            case "expires":
                attribute = f" {name}={_later(value, distance)}"
        kept.append(attribute)
    return ";".join(kept)


def _within(host: str, domain: str) -> bool:
    """Whether a host domain-matches (RFC 6265 §5.1.3)."""
    wanted = domain.lower().removeprefix(".")
    return host == wanted or host.endswith(f".{wanted}")


def _later(date: str, distance: Time) -> str:
    """A date so much later; what deletes a cookie, by a date long ago, still does."""
    try:
        moment = parsedate_to_datetime(date)
        return (
            date if moment.year < 2000 else format_datetime(moment + timedelta(microseconds=distance), usegmt=True)
        )
    except (ValueError, OverflowError, TypeError):
        return date
