"""Takes the secrets out of events, one recording at a time."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, TypeVar

from simulator.core.events import (
    Bytes,
    Chunk,
    Close,
    End,
    Event,
    Headers,
    Message,
    Ping,
    Pong,
    Request,
    Reset,
    Response,
    header,
    refitted,
)
from simulator.core.values.coding import codings, decoded
from simulator.files.fields import resized
from simulator.files.redaction import names
from simulator.files.redaction.edits import Edit, applied, moved
from simulator.files.redaction.learned import is_varied
from simulator.files.redaction.text import Secrets, TextRedactor

UNREADABLE: Final = "unreadable body"
_CONTROL_PAYLOAD: Final = 125
_CLOSE_REASON: Final = 123
_UNDECODED: Final = re.compile("[\udc80-\udcff]")
_TORN: Final = 6
"""So many undecodable bytes are the ends of a text that was cut within a character; more are no text."""
_PROTOCOL_PREFIX: Final = re.compile(
    r"(?:base64url\.bearer\.authorization\.k8s\.io|jwt|bearer|token|auth|authorization|access[_-]token)[.-]", re.I
)
_UNTOUCHED: Final = frozenset(("sec-websocket-key", "sec-websocket-accept", "content-length", "date"))

E = TypeVar("E", bound=Event)


class Redactor:
    """Replaces the secrets of one recording's events by stand-ins, equal ones by equal ones.

    What is learned from an event is applied to it and to those that follow. A `salt` makes the stand-ins the same
    each time; without one they are not to be foreseen. `known` are digests of stand-ins made before.
    """

    def __init__(self, salt: bytes | None = None, *, known: Collection[str] = ()) -> None:
        self._secrets = Secrets(secrets.token_bytes(32) if salt is None else salt, known)
        self._text = TextRedactor(self._secrets)
        self._fixed = TextRedactor(self._secrets, fixed=True)
        self._counts: Counter[str] = Counter()
        self._sized: set[str] = set()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many secrets of each kind were replaced so far; also the bodies that could not be looked into."""
        return MappingProxyType(+self._counts)

    @property
    def digests(self) -> tuple[str, ...]:
        """Digests of the stand-ins that were made, for a later `known`: these texts are no secrets."""
        return self._secrets.standins.made.digests

    def event(self, event: Event) -> Event:
        """The event without its secrets: the same object if there are none."""
        known = len(self._secrets.learned)
        redacted = self._event(event)
        if len(self._secrets.learned) != known:  # what came last may have occurred further up
            unreadable = self._counts[UNREADABLE]
            redacted = self._event(redacted)
            self._counts[UNREADABLE] = unreadable
        return redacted

    def _event(self, event: Event) -> Event:
        match event:
            case Request():
                return self._request(event)
            case Response():
                return self._response(event)
            case Message():
                return self._message(event)
            case Chunk():
                return _changed(event, data=self._payload(event.data, fixed=event.flow in self._sized))
            case Close():
                return _changed(event, reason=self._limited(event.reason, _CLOSE_REASON))
            case Ping() | Pong():
                return _changed(event, data=_to_bytes(self._limited(_to_text(event.data), _CONTROL_PAYLOAD)))
            case Bytes():
                return _changed(event, data=self._payload(event.data, fixed=True))
            case End() | Reset():
                self._sized.discard(event.flow)
        return event

    def _request(self, event: Request) -> Request:
        headers = self._headers(event.headers)
        body = self._body(event.body, event.headers)
        return _changed(
            event, target=self._target(event.target), headers=_resized(headers, event.body, body), body=body
        )

    def _response(self, event: Response) -> Response:
        headers, reason = self._headers(event.headers), self._plain(event.reason)
        if event.streaming:
            coded = bool(codings(event.headers))
            self._counts[UNREADABLE] += coded
            if coded or header(event.headers, "content-length") is not None:
                self._sized.add(event.flow)
            return _changed(event, headers=headers, reason=reason)
        body = self._body(event.body, event.headers)
        return _changed(event, headers=_resized(headers, event.body, body), reason=reason, body=body)

    def _message(self, event: Message) -> Message:
        data = self._plain(event.data) if isinstance(event.data, str) else self._payload(event.data)
        changed = _changed(event, data=data)
        return refitted(changed)

    # Parts of HTTP messages.

    def _target(self, target: str) -> str:
        path, _, query = target.partition("?")
        fields = self._text.merged(target, [], moved(self._text.form(query, plus=False), len(path) + 1))
        return self._made(target, self._text.merged(target, fields, self._text.edits(target)))

    def _headers(self, headers: Headers) -> Headers:
        redacted = tuple((name, self._header(name.lower(), value)) for name, value in headers)
        return headers if redacted == headers else redacted

    def _header(self, name: str, value: str) -> str:
        if name in _UNTOUCHED:
            return value
        shaped = self._text.edits(value)
        if name == "sec-websocket-protocol":
            return self._made(value, self._text.merged(value, shaped, self._protocols(value, shaped)))
        named: list[Edit] = []
        if name in ("cookie", "set-cookie"):
            named = self._text.cookies(value if name == "cookie" else value.partition(";")[0])
        elif kind := names.header_kind(name):
            named = self._text.value(value, kind)
        return self._made(value, self._text.merged(value, named, shaped))

    def _protocols(self, value: str, shaped: list[Edit]) -> Iterable[Edit]:
        """The tokens among the subprotocols that a client offers: 'jwt.TOKEN', or 'access_token, TOKEN'.

        Those that show by their shape are known already.
        """
        at, before = 0, ""
        for item in value.split(","):
            name = item.strip()
            start = at + item.find(name)
            prefix = _PROTOCOL_PREFIX.match(name)
            secret = name[prefix.end() :] if prefix else name
            known = any(edit.start < at + len(item) and at < edit.end for edit in shaped)
            if not known and _is_random(secret, 8 if prefix or names.secret_kind(before) else 20):
                yield from moved(self._text.value(secret, "token"), start + len(name) - len(secret))
            at, before = at + len(item) + 1, name

    def _body(self, body: bytes, headers: Headers) -> bytes:
        form = (header(headers, "content-type") or "").lower().startswith("application/x-www-form-urlencoded")
        plain = decoded(body, headers)
        if plain is None:
            self._counts[UNREADABLE] += 1
            return self._payload(body, form=form)  # should it not be encoded at all
        made = self._payload(plain.data, form=form)
        return body if made is plain.data else plain.encode(made)

    # Texts and bytes.

    def _plain(self, text: str) -> str:
        return self._made(text, self._text.edits(text))

    def _payload(self, data: bytes, *, form: bool = False, fixed: bool = False) -> bytes:
        text = _to_text(data)
        finder = self._fixed if fixed or _is_binary(text) else self._text
        fields = finder.merged(text, [], finder.form(text)) if form else []
        edits = finder.merged(text, fields, finder.edits(text))
        made = self._made(text, edits)
        return data if made == text else _to_bytes(made)

    def _limited(self, text: str, limit: int) -> str:
        """A text without its secrets that does not become longer than the protocol allows."""
        edits = self._text.edits(text)
        if len(_to_bytes(applied(text, edits))) > limit:
            edits = self._fixed.edits(text)
        return self._made(text, edits)

    def _made(self, text: str, edits: list[Edit]) -> str:
        """Make edits: count what they hide, and learn it."""
        for edit in edits:
            for kind, secret, standin in edit.hides:
                self._counts[kind] += 1
                if secret:
                    self._secrets.learned.learn(secret, standin, kind)
        return applied(text, edits) if edits else text


def _changed(event: E, **fields: object) -> E:
    """The event with these fields; the same object if they are what they were."""
    if all(getattr(event, name) == value for name, value in fields.items()):
        return event
    return replace(event, **fields)  # type: ignore[arg-type]


def _resized(headers: Headers, old: bytes, new: bytes) -> Headers:
    """Header fields with the length of the new body where they had that of the old one."""
    return headers if len(old) == len(new) else resized(headers, len(new))


def _to_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _to_bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _is_binary(text: str) -> bool:
    return not text.isascii() and len(_UNDECODED.findall(text)) > _TORN


def _is_random(text: str, shortest: int) -> bool:
    """Whether a text is nothing that somebody would name a protocol."""
    digits = sum(char.isdigit() for char in text)
    mixed = text != text.lower() and text != text.upper()
    return len(text) >= shortest and is_varied(text) and (digits > 2 or (digits > 0 and mixed))
