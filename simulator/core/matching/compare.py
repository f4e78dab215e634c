"""Matching: does a live event stand for this recorded one, and if not, why not.

One comparison gives both the decision and the explanation. Hard differences are mismatches: kind, method, path,
query, the shape of the JSON, and the discriminator (the field that says what a message is). Other values may
differ, for no two runs are the same; the more of them agree, the better the match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from simulator.core.events import Close, Event, Message, Request, header
from simulator.core.jsontext import MISSING, Json, MaybeJson, Path, leaves, path_text
from simulator.core.matching.overrides import NO_RULES, Paired, Rules
from simulator.core.values.ids import is_jwt, is_secret_name, looks_like_id
from simulator.core.values.places import Slot, json_of, query_values, segments
from simulator.core.values.timestamps import looks_like_time
from simulator.core.visible import visible

DISCRIMINATORS: Final = frozenset(
    "type event op operation operationName action method cmd command kind msg_type message_type messageType "
    "topic channel".split()
)
"""Field names that say what a message is, at the top of it or one level below."""

_CONDITIONS: Final = ("range", "if-range", "if-none-match", "if-modified-since", "if-match")
_ADDRESSES: Final = frozenset(("topic", "channel"))
_HEARTBEATS: Final = frozenset("ping pong heartbeat heartbeat_ack keepalive keep_alive ka".split())
_NAME: Final = re.compile(r"[A-Za-z_][\w.:/-]{0,99}")
_DISCRIMINATOR_DEPTH: Final = 2

StandsFor = Callable[[Json | Paired, Json], bool]
"""Whether in this run a recorded value is called so: (recorded, live)."""


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

    def told(self) -> dict[str, Json]:
        """The same for programs, and for a table: what differs, where, on both sides."""
        differs: list[Json] = [
            {"at": each.place, "recorded": each.expected, "came": each.found} for each in self.mismatches
        ]
        if self.used:
            return {"recorded": self.label, "used": True}
        return {"recorded": self.label, "differs": differs}

    @classmethod
    def read(cls, told: Json) -> Iterator[NearMiss]:
        """The near misses of a list of what was `told`."""
        for miss in _objects(told):
            mismatches = tuple(
                Mismatch(place=str(each["at"]), expected=str(each["recorded"]), found=str(each["came"]))
                for each in _objects(miss.get("differs"))
            )
            yield cls(label=str(miss["recorded"]), mismatches=mismatches, used=bool(miss.get("used")))


def _objects(value: Json) -> list[dict[str, Json]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The outcome: no mismatches is a match, and `score` counts the values that agree."""

    mismatches: tuple[Mismatch, ...]
    score: int = 0

    @property
    def matches(self) -> bool:
        return not self.mismatches


def compare(
    recorded: Event, live: Event, stands_for: StandsFor = lambda recorded, live: False, rules: Rules = NO_RULES
) -> Comparison:
    """Compare a live event with a recorded one, by the rules that the recording's header has for their route."""
    if recorded.kind != live.kind:
        return Comparison(mismatches=(Mismatch(place="kind", expected=recorded.kind, found=live.kind),))
    if isinstance(recorded, Request) and isinstance(live, Request):
        return _requests(recorded, live, stands_for, rules)
    if isinstance(recorded, Message) and isinstance(live, Message):
        return _messages(recorded, live, stands_for, rules)
    if isinstance(recorded, Close) and isinstance(live, Close):
        return Comparison(mismatches=(), score=int(recorded.code == live.code))
    return Comparison(mismatches=(), score=int(_payload(recorded) == _payload(live)))


def _payload(event: Event) -> bytes:
    return getattr(event, "data", b"")


def _requests(recorded: Request, live: Request, stands_for: StandsFor, rules: Rules) -> Comparison:
    found: list[Mismatch] = []
    if recorded.method != live.method:
        found.append(Mismatch(place="method", expected=recorded.method, found=live.method))
    if live.service and recorded.service != live.service:
        found.append(Mismatch(place="service", expected=recorded.service, found=live.service))
    if is_upgrade_request(recorded) != is_upgrade_request(live):
        kinds = {True: "a WebSocket upgrade", False: "plain HTTP"}
        expected, got = kinds[is_upgrade_request(recorded)], kinds[is_upgrade_request(live)]
        found.append(Mismatch(place="kind", expected=expected, found=got))
    found += _paths(recorded, live, stands_for, rules)
    found += _headers(recorded, live, stands_for, rules)
    score, differing = _queries(recorded, live, stands_for, rules)
    body = _bodies(json_of(recorded), json_of(live), stands_for, rules)
    same_body = int(recorded.body == live.body and not rules.paired)
    score += body.score + same_body + _same_part(recorded, live, stands_for)
    return Comparison(mismatches=(*found, *differing, *body.mismatches), score=score)


def _same_part(recorded: Request, live: Request, stands_for: StandsFor) -> int:
    """How many of the fields agree that ask for a part, or for what is new (RFC 9110 §13.1, §14.2)."""
    fields = ((header(recorded.headers, name), header(live.headers, name)) for name in _CONDITIONS)
    return sum(ours == theirs or stands_for(ours, theirs) for ours, theirs in fields)


def could_match(recorded: Request, live: Request) -> bool:
    """Whether it is worth while to compare two requests: most of a recording's differ at first sight."""
    return recorded.method == live.method and recorded.path.count("/") == live.path.count("/")


def is_upgrade_request(request: Request) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455 §4.1)."""
    return (header(request.headers, "upgrade") or "").lower() == "websocket"


def _paths(recorded: Request, live: Request, stands_for: StandsFor, rules: Rules) -> list[Mismatch]:
    ours, theirs = segments(recorded), segments(live)
    fits = len(ours) == len(theirs) and all(
        _fits(Slot("path", (nth,)), our, their, stands_for, rules)
        for nth, (our, their) in enumerate(zip(ours, theirs, strict=True))
    )
    return [] if fits else [Mismatch(place="path", expected=recorded.path, found=live.path)]


def _headers(recorded: Request, live: Request, stands_for: StandsFor, rules: Rules) -> list[Mismatch]:
    """Header fields are compared where the recording says so, and nowhere else: clients differ in them."""
    found = []
    for name in sorted(name.removeprefix("header.") for name in rules.exact if name.startswith("header.")):
        our, their = header(recorded.headers, name), header(live.headers, name)
        if our != their and not stands_for(our, their):
            found.append(Mismatch(place=f"header.{name}", expected=shown(our), found=shown(their)))
    return found


def _queries(recorded: Request, live: Request, stands_for: StandsFor, rules: Rules) -> tuple[int, list[Mismatch]]:
    ours, theirs = query_values(recorded.query), query_values(live.query)
    found = []
    for name, nth in sorted(ours.keys() | theirs.keys()):
        our, their, slot = ours.get((name, nth)), theirs.get((name, nth)), Slot("query", (name, nth))
        if our is None or their is None:
            fits = rules.of(slot) == "ignored"
        else:
            fits = is_secret_name(name) or _fits(slot, our, their, stands_for, rules)
        if not fits:
            found.append(Mismatch(place=f"query.{name}", expected=shown(our), found=shown(their)))
    return sum(theirs.get(key) == our for key, our in ours.items()), found


def _fits(slot: Slot, recorded: str, live: str, stands_for: StandsFor, rules: Rules) -> bool:
    """Equal, or equal once translated, or a value that no two runs share (an id, a token, a time), or ignored."""
    if recorded == live or stands_for(recorded, live):
        return True
    rule = rules.of(slot)
    return rule == "ignored" or (rule is None and is_volatile(recorded) and is_volatile(live))


def is_volatile(text: str) -> bool:
    """Whether a text is an id, a token or a time, and so is another in every run."""
    number = int(text) if text.isdecimal() and 9 < len(text) < 20 else text
    return looks_like_id(text) or is_jwt(text) or looks_like_time(number)


def _messages(recorded: Message, live: Message, stands_for: StandsFor, rules: Rules) -> Comparison:
    kinds = {str: "text", bytes: "binary"}
    if type(recorded.data) is not type(live.data):
        expected, found = kinds[type(recorded.data)], kinds[type(live.data)]
        return Comparison(mismatches=(Mismatch(place="opcode", expected=expected, found=found),))
    ours = json_of(recorded)
    if ours is MISSING and json_of(live) is MISSING:
        return Comparison(mismatches=(), score=int(recorded.data == live.data))
    return _bodies(ours, json_of(live), stands_for, rules)


def _bodies(recorded: MaybeJson, live: MaybeJson, stands_for: StandsFor, rules: Rules) -> Comparison:
    if recorded is MISSING:
        return Comparison(mismatches=())
    if live is MISSING:
        return Comparison(mismatches=(Mismatch(place="body", expected="JSON", found="something else"),))
    shapes = _Shapes(stands_for, rules)
    score = shapes.compare((), recorded, live)
    return Comparison(mismatches=tuple(shapes.found), score=score)


@dataclass(slots=True)
class _Shapes:
    """Compares two JSON values and collects the mismatches; `exact` while inside of what must be equal."""

    stands_for: StandsFor
    rules: Rules
    found: list[Mismatch] = field(default_factory=list)

    def compare(self, path: Path, ours: Json, theirs: Json, *, exact: bool = False) -> int:
        """How many scalars agree."""
        rule = self.rules.of(Slot("json", path))
        if rule == "ignored":
            return 0
        if rule == "paired" and not isinstance(ours, dict | list) and not isinstance(theirs, dict | list):
            return int(self.stands_for(Paired(ours), theirs))  # where two clients count alike it says nothing
        exact = exact or rule == "exact"
        if isinstance(ours, dict) and isinstance(theirs, dict):
            return sum(self._field(path, key, our, theirs, exact) for key, our in ours.items())
        if isinstance(ours, list) and isinstance(theirs, list):
            return self._lists(path, ours, theirs, exact)
        if _json_type(ours) != _json_type(theirs) and ours is not None and theirs is not None:
            self._differ(path, _json_type(ours), _json_type(theirs))
            return 0
        same = ours == theirs or self.stands_for(ours, theirs)
        if not same and (exact or is_discriminator(path, ours)):
            self._differ(path, shown(ours), shown(theirs))
        return int(same)

    def _field(self, path: Path, key: str, ours: Json, theirs: dict[str, Json], exact: bool) -> int:
        inner = (*path, key)
        if key in theirs:
            return self.compare(inner, ours, theirs[key], exact=exact)
        if self.rules.of(Slot("json", inner)) != "ignored":
            self._differ(inner, "null" if ours is None else shown(ours), "nothing")
        return 0

    def _lists(self, path: Path, ours: list[Json], theirs: list[Json], exact: bool) -> int:
        """Lists may have any length, for their items are data, unless they must be equal."""
        if exact and len(ours) != len(theirs):
            self._differ(path, f"{len(ours)} items", f"{len(theirs)} items")
        items = self if exact else _Shapes(self.stands_for, self.rules)
        pairs = enumerate(zip(ours, theirs, strict=False))
        return sum(items.compare((*path, nth), our, their, exact=exact) for nth, (our, their) in pairs)

    def _differ(self, path: Path, expected: str, found: str) -> None:
        self.found.append(Mismatch(place=path_text(path), expected=expected, found=found))


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
