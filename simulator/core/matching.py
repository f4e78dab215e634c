"""Matching: does a live event stand for this recorded one, and if not, why not.

One comparison gives both the decision and the explanation. Hard differences are mismatches: kind, method, path,
query, the shape of the JSON, and the discriminator (the field that says what a message is). Other values may
differ, for no two runs are the same; the more of them agree, the better the match.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from simulator.core.events import Close, Event, Message, Request, header
from simulator.core.ids import is_jwt, is_secret_name, looks_like_id
from simulator.core.jsontext import MISSING, Json, MaybeJson, Path, leaves, path_text
from simulator.core.places import json_of, query_values, segments
from simulator.core.timestamps import looks_like_time
from simulator.core.visible import visible

DISCRIMINATORS: Final = frozenset(
    "type event op operation operationName action method cmd command kind msg_type message_type messageType "
    "topic channel".split()
)
"""Field names that say what a message is, at the top of it or one level below."""

_ADDRESSES: Final = frozenset(("topic", "channel"))
_HEARTBEATS: Final = frozenset("ping pong heartbeat heartbeat_ack keepalive keep_alive ka".split())
_NAME: Final = re.compile(r"[A-Za-z_][\w.:/-]{0,99}")
_DISCRIMINATOR_DEPTH: Final = 2

Translate = Callable[[Json], Json]
"""From a live value to the recorded value that it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """One reason why a live event does not match: where, what the recording has, what came."""

    place: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.place}: expected {self.expected}, got {self.found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """A recorded event that nearly matched. `used` says that it would have, but was played already."""

    label: str
    mismatches: tuple[Mismatch, ...]
    used: bool = False

    def __str__(self) -> str:
        reasons = "; ".join(map(str, self.mismatches)) or "matches"
        return f"{self.label}: {'already used' if self.used else reasons}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The outcome: no mismatches is a match, and `score` counts the values that agree."""

    mismatches: tuple[Mismatch, ...]
    score: int = 0

    @property
    def matches(self) -> bool:
        return not self.mismatches


def compare(recorded: Event, live: Event, translate: Translate = lambda value: value) -> Comparison:
    """Compare a live event with a recorded one."""
    if recorded.kind != live.kind:
        return Comparison(mismatches=(Mismatch(place="kind", expected=recorded.kind, found=live.kind),))
    if isinstance(recorded, Request) and isinstance(live, Request):
        return _requests(recorded, live, translate)
    if isinstance(recorded, Message) and isinstance(live, Message):
        return _messages(recorded, live, translate)
    if isinstance(recorded, Close) and isinstance(live, Close):
        return Comparison(mismatches=(), score=int(recorded.code == live.code))
    return Comparison(mismatches=(), score=int(_payload(recorded) == _payload(live)))


def _payload(event: Event) -> bytes:
    return getattr(event, "data", b"")


def _requests(recorded: Request, live: Request, translate: Translate) -> Comparison:
    found: list[Mismatch] = []
    if recorded.method != live.method:
        found.append(Mismatch(place="method", expected=recorded.method, found=live.method))
    if live.service and recorded.service != live.service:
        found.append(Mismatch(place="service", expected=recorded.service, found=live.service))
    if is_upgrade_request(recorded) != is_upgrade_request(live):
        kinds = {True: "a WebSocket upgrade", False: "plain HTTP"}
        expected, got = kinds[is_upgrade_request(recorded)], kinds[is_upgrade_request(live)]
        found.append(Mismatch(place="kind", expected=expected, found=got))
    found += _paths(recorded, live, translate)
    score, differing = _queries(recorded, live, translate)
    body = _bodies(json_of(recorded), json_of(live), translate)
    same_body = int(recorded.body == live.body)
    return Comparison(mismatches=(*found, *differing, *body.mismatches), score=score + body.score + same_body)


def is_upgrade_request(request: Request) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455 §4.1)."""
    return (header(request.headers, "upgrade") or "").lower() == "websocket"


def _paths(recorded: Request, live: Request, translate: Translate) -> list[Mismatch]:
    ours, theirs = segments(recorded), segments(live)
    fits = len(ours) == len(theirs) and all(
        _same_or_volatile(our, their, translate) for our, their in zip(ours, theirs, strict=True)
    )
    return [] if fits else [Mismatch(place="path", expected=recorded.path, found=live.path)]


def _queries(recorded: Request, live: Request, translate: Translate) -> tuple[int, list[Mismatch]]:
    ours, theirs = query_values(recorded.query), query_values(live.query)
    found = []
    for name, nth in sorted(ours.keys() | theirs.keys()):
        our, their = ours.get((name, nth)), theirs.get((name, nth))
        if our is None or their is None or not (is_secret_name(name) or _same_or_volatile(our, their, translate)):
            found.append(Mismatch(place=f"query.{name}", expected=shown(our), found=shown(their)))
    return sum(theirs.get(key) == our for key, our in ours.items()), found


def _same_or_volatile(recorded: str, live: str, translate: Translate) -> bool:
    """Equal, or equal once translated, or a value that no two runs share: an id, a token, a time."""
    if recorded == live or recorded == translate(live):
        return True
    return is_volatile(recorded) and is_volatile(live)


def is_volatile(text: str) -> bool:
    """Whether a text is an id, a token or a time, and so is another in every run."""
    number = int(text) if text.isdecimal() and 9 < len(text) < 20 else text
    return looks_like_id(text) or is_jwt(text) or looks_like_time(number)


def _messages(recorded: Message, live: Message, translate: Translate) -> Comparison:
    kinds = {str: "text", bytes: "binary"}
    if type(recorded.data) is not type(live.data):
        expected, found = kinds[type(recorded.data)], kinds[type(live.data)]
        return Comparison(mismatches=(Mismatch(place="opcode", expected=expected, found=found),))
    ours = json_of(recorded)
    if ours is MISSING and json_of(live) is MISSING:
        return Comparison(mismatches=(), score=int(recorded.data == live.data))
    return _bodies(ours, json_of(live), translate)


def _bodies(recorded: MaybeJson, live: MaybeJson, translate: Translate) -> Comparison:
    if recorded is MISSING:
        return Comparison(mismatches=())
    if live is MISSING:
        return Comparison(mismatches=(Mismatch(place="body", expected="JSON", found="something else"),))
    found: list[Mismatch] = []
    score = _shapes((), recorded, live, translate, found)
    return Comparison(mismatches=tuple(found), score=score)


def _shapes(path: Path, ours: Json, theirs: Json, translate: Translate, found: list[Mismatch]) -> int:
    """Collect the mismatches between two values; gives back how many scalars agree."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        score = 0
        for key, our in ours.items():
            if key in theirs:
                score += _shapes((*path, key), our, theirs[key], translate, found)
            else:
                expected = "null" if our is None else shown(our)
                found.append(Mismatch(place=path_text((*path, key)), expected=expected, found="nothing"))
        return score
    if isinstance(ours, list) and isinstance(theirs, list):
        pairs = zip(ours, theirs, strict=False)  # lists of any length: their items are data
        return sum(_shapes((*path, i), our, their, translate, []) for i, (our, their) in enumerate(pairs))
    if _json_type(ours) != _json_type(theirs) and ours is not None and theirs is not None:
        found.append(Mismatch(place=path_text(path), expected=_json_type(ours), found=_json_type(theirs)))
        return 0
    same = ours == theirs or ours == translate(theirs)
    if not same and is_discriminator(path, ours):
        found.append(Mismatch(place=path_text(path), expected=shown(ours), found=shown(theirs)))
    return int(same)


def _json_type(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, dict):
        return "object"
    return "list" if isinstance(value, list) else "null" if value is None else "text"


def shown(value: Json) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def is_discriminator(path: Path, value: Json) -> bool:
    """Whether this field says what the message is."""
    return (
        0 < len(path) <= _DISCRIMINATOR_DEPTH
        and path[-1] in DISCRIMINATORS
        and isinstance(value, str)
        and bool(_NAME.fullmatch(value))
    )


def discriminator(event: Event) -> str | None:
    """What a message says it is, such as 'start_agent', by its first discriminator; else where it goes."""
    document = json_of(event)
    if document is MISSING:
        return None
    named = [(path, value) for path, value in leaves(document) if is_discriminator(path, value)]
    return str(min(named, key=lambda item: (item[0][-1] in _ADDRESSES, len(item[0])))[1]) if named else None


def is_heartbeat(event: Event) -> bool:
    """Whether an event only says 'still here': a ping or pong, of the protocol or in JSON."""
    if event.kind in ("ping", "pong"):
        return True
    return isinstance(event, Message) and (discriminator(event) or "").lower() in _HEARTBEATS


def label(event: Event) -> str:
    """A short name for people: 'POST /login', 'start_agent', 'close 1011'."""
    if isinstance(event, Request):
        return visible(f"{event.method} {event.target}")
    if isinstance(event, Message):
        return discriminator(event) or f"{'text' if isinstance(event.data, str) else 'binary'} message"
    if isinstance(event, Close):
        return f"close {event.code or 'without a code'}"
    status = getattr(event, "status", None)
    return f"{event.kind} {status}" if status is not None else event.kind
