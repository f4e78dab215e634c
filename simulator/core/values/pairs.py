"""Pairs of places: counters and other short ids that a client makes and the server sends back on the same flow.

'1' comes everywhere, so no value tells that it travels. Two places do: what the server says at one of them is,
nearly always, what the client has said at the other before, as with the ids of JSON-RPC, of graphql-ws, of Home
Assistant or of Phoenix. Such a value means something on its own flow and at these two places only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from simulator.core.jsontext import Json
from simulator.core.recording import Recording
from simulator.core.values.ids import is_id_name, is_word
from simulator.core.values.occurrences import Occurrence, occurrences

NEARLY: Final = 0.9
"""The share of what the server says at a place that must be an echo."""

_ANSWERED: Final = 0.5
"""The share of what the client says at a place that must come back: else an echo is chance."""

SHORTEST_ECHO: Final = 4
SHORTEST_NUMBER: Final = 5
"""What is shorter comes twice by chance."""

_LONGEST: Final = 64
_REFERENCE: Final = re.compile(
    r"(?:.*[_-])?(?:ref|seq|sequence|seq_?no|serial|tag|rid|cid|mid|ack|reply_?to|in_?reply_?to)|.*(?:Ref|Seq|ReplyTo)",
    re.I,
)
_POSITION: Final = re.compile(r"\$\[\d+\]")
_LAST: Final = re.compile(r'\.([^.\[\]]+)$|\["(.+)"\]$')


@dataclass(slots=True)
class Tally:
    """What speaks for a pair: of the values `seen` at the target, those `echoed`, and `promptly`: of the latest.

    `values` are those that came back, by flow; `sent` how many the client sent that could have.
    """

    source: str
    target: str
    seen: int = 0
    echoed: int = 0
    promptly: int = 0
    sent: int = 0
    values: dict[tuple[str, Json], None] = field(default_factory=dict)

    @property
    def distinct(self) -> tuple[Json, ...]:
        return tuple(dict.fromkeys(value for _, value in self.values))

    @property
    def same_name(self) -> bool:
        return _within(self.source) == _within(self.target)

    @property
    def convinces(self) -> bool:
        """Whether this is no chance. A single value is believed only where both have one name, at the top."""
        if not self.echoed or self.echoed < NEARLY * self.seen or len(self.values) < _ANSWERED * self.sent:
            return False
        if not self.same_name:
            return len(self.distinct) > 2 and self.promptly >= NEARLY * self.seen
        if len(self.distinct) > 1:
            return True
        name = _within(self.source)
        on_top = name.count(".") == 1 or (bool(_POSITION.fullmatch(name)) and self.echoed > 1)
        return on_top and self.echoed == self.seen and len(self.values) == self.sent and self.promptly > 0


def reference(item: Occurrence) -> bool:
    """Whether a value could be an id that means something on its flow only."""
    return item.slot.is_json and is_short(item.value) and is_reference(item.place)


def is_short(value: Json) -> bool:
    """Whether a value is too short, or too plain, to be known again wherever it stands."""
    if isinstance(value, str):
        return 0 < len(value) < SHORTEST_ECHO or (is_word(value) and len(value) <= _LONGEST)
    return isinstance(value, int) and not isinstance(value, bool) and len(str(value)) < SHORTEST_NUMBER


def typed(value: Json) -> str:
    """Equal for the same values only: 1 is not '1'."""
    return repr(value)


def tallies(recordings: Iterable[Recording]) -> list[Tally]:
    """All pairs of places that could be one, with what speaks for them."""
    found: dict[tuple[str, str], Tally] = {}
    for recording in recordings:
        References.of(recording).tell(found)
    return list(found.values())


class References:
    """What was said on each flow of a recording at places that could be one of a pair; values are not kept."""

    def __init__(self, ignored: Iterable[str]) -> None:
        self._ignored, self._flows = frozenset(ignored), dict[str, _Flow]()

    @classmethod
    def of(cls, recording: Recording) -> References:
        heard = cls(recording.header.ignore)
        for item in occurrences(recording):
            heard.hear(item)
        return heard

    def hear(self, item: Occurrence) -> None:
        """Know of one more value."""
        if reference(item) and item.place not in self._ignored:
            flow = self._flows.setdefault(item.event.flow, _Flow())
            if item.upstream:
                flow.sent.setdefault(item.place, {})[typed(item.value)] = None
                flow.latest[item.place] = typed(item.value)
            else:
                flow.hear(item.place, item.value)

    def tell(self, found: dict[tuple[str, str], Tally]) -> None:
        """Add what speaks for each pair of places, once everything was heard."""
        for name, flow in self._flows.items():
            flow.tell(name, found)


@dataclass(slots=True)
class _Echoes:
    """How often a target of one flow said what a source had sent, and what that was."""

    times: int = 0
    promptly: int = 0
    values: dict[Json, None] = field(default_factory=dict)


@dataclass(slots=True)
class _Flow:
    """By source, what the client sent and what came latest; by target, how often the server said something."""

    sent: dict[str, dict[str, None]] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    echoes: dict[tuple[str, str], _Echoes] = field(default_factory=dict)

    def hear(self, target: str, said: Json) -> None:
        """Know of one more value of the server."""
        self.seen[target] = self.seen.get(target, 0) + 1
        value = typed(said)
        for source, sent in self.sent.items():
            if value in sent and _could_pair(source, target):
                echoes = self.echoes.setdefault((source, target), _Echoes())
                echoes.times += 1
                echoes.promptly += self.latest[source] == value
                echoes.values[said] = None

    def tell(self, flow: str, found: dict[tuple[str, str], Tally]) -> None:
        for source, sent in self.sent.items():
            for target, seen in self.seen.items():
                if not _could_pair(source, target):
                    continue
                tally = found.setdefault((source, target), Tally(source, target))
                echoes = self.echoes.get((source, target), _Echoes())
                tally.seen += seen
                tally.sent += len(sent)
                tally.echoed += echoes.times
                tally.promptly += echoes.promptly
                tally.values.update(((flow, value), None) for value in echoes.values)


def pairs(found: Iterable[Tally]) -> Iterator[Tally]:
    """The pairs that convince: for each place of the server the one place of the client that tells most of it."""
    best: dict[str, Tally] = {}
    for tally in found:
        if tally.convinces:
            before = best.get(tally.target)
            if before is None or _rank(tally) > _rank(before):
                best[tally.target] = tally
    named = {tally.source for tally in best.values() if tally.same_name}
    yield from (tally for tally in best.values() if tally.same_name or tally.source not in named)


def _rank(tally: Tally) -> tuple[bool, int, int]:
    return tally.same_name, tally.echoed, len(tally.values)


@lru_cache(maxsize=4096)
def _could_pair(source: str, target: str) -> bool:
    """Whether two places could hold the same id: one for each message, or both one for each item of a batch."""
    ours, theirs = _within(source), _within(target)
    if _POSITION.fullmatch(ours) or _POSITION.fullmatch(theirs):
        return ours == theirs
    return ours.count("*") == theirs.count("*")


@lru_cache(maxsize=4096)
def is_reference(place: str) -> bool:
    """Whether a place is called as ids of a flow are: 'id', 'ref', 'seq', or a position of a message."""
    name = _within(place)
    last = _LAST.search(name)
    if last is None:
        return bool(_POSITION.fullmatch(name))
    word = last[1] or last[2]
    return is_id_name(word) or bool(_REFERENCE.fullmatch(word))


@lru_cache(maxsize=4096)
def _within(place: str) -> str:
    """The place within its message, or within each of a batch of them."""
    name = place.rpartition(" < ")[2].rpartition(" > ")[2]
    return "$" + name[4:] if name.startswith("$[*].") else name
