"""Evidence: why something is said to correlate in a recording, and why what looks like an id is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from simulator.core.jsontext import Json
from simulator.core.recording import Correlation, Recording
from simulator.core.values.correlation import MINTED, PAIRED, SENT, TOKEN, Plan, propose
from simulator.core.values.ids import holds_uuid, is_distinctive, is_id_name, is_label, is_word, looks_like_id
from simulator.core.values.occurrences import Occurrence, occurrences
from simulator.core.values.pairs import tallies
from simulator.core.values.planning import plan, uncorrelated
from simulator.core.values.twins import Twins, twins

_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A correlation; some of its values as recorded, how often they were seen, and why it is one."""

    correlation: Correlation
    examples: tuple[Json, ...]
    seen: int
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """A place of what looks like an id and does not correlate; a value, and why not."""

    place: str
    example: Json
    why: str


@dataclass(slots=True)
class _Uses:
    """Where the values of one correlation stand."""

    values: dict[str, Json] = field(default_factory=dict)
    sent: int = 0
    said: int = 0
    names: dict[str, None] = field(default_factory=dict)


def findings(recording: Recording, *others: Recording) -> list[Finding]:
    """What correlates, by the recording's header or as it is found now, with what speaks for it.

    With `others` of the same scenario, as it is learned from all of them.
    """
    recording = _learned(recording, *others)
    planned, known = plan(recording), twins(recording, *others)
    uses = _uses(recording, planned)
    paired = {(tally.source, tally.target): tally for tally in tallies([recording, *others])}
    found = []
    for item in planned.correlations:
        mine = uses.get((item.source, item.kind), _Uses())
        why = list(_why(item, mine))
        if item.kind == PAIRED:
            counts = (paired[item.source, target] for target in item.targets if (item.source, target) in paired)
            why = [f"echoed {tally.echoed} of {tally.seen} on its flow" for tally in counts] or why
        why += _compared(item, known)
        examples = tuple(mine.values.values())[:_EXAMPLES]
        found.append(Finding(correlation=item, examples=examples, seen=mine.sent + mine.said, why=tuple(why)))
    return found


def _learned(recording: Recording, *others: Recording) -> Recording:
    if not others:
        return recording
    return replace(recording, header=replace(recording.header, correlate=propose(recording, *others)))


def _uses(recording: Recording, planned: Plan) -> dict[tuple[str, str], _Uses]:
    """The uses of each correlation's values, by its source and kind."""
    sources: dict[int, tuple[str, str]] = {}
    found: dict[tuple[str, str], _Uses] = {}
    slots = {index: dict(planned.at(index)) for index in planned.uses}
    for item in occurrences(recording):
        variable = slots.get(item.number, {}).get(item.slot)
        if variable is None:
            continue
        uses = found.setdefault(sources.setdefault(variable.number, (item.place, variable.kind)), _Uses())
        uses.values[repr(variable.value)] = variable.value
        uses.sent += item.upstream
        uses.said += not item.upstream
        uses.names[str(item.slot.at[-1])] = None
    return found


def _why(item: Correlation, uses: _Uses) -> Iterator[str]:
    values = list(uses.values.values())
    if item.kind in SENT:
        yield f"sent {_times(uses.sent)}, said by the server {_times(uses.said)}"
    elif item.kind == TOKEN:
        yield "a JSON Web Token"
    elif item.kind == MINTED:
        yield f"said by the server {_times(uses.said)}, sent back {_times(uses.sent)}"
    if any(map(holds_uuid, values)):
        yield "holds a UUID"
    elif any(map(is_distinctive, values)):
        yield "too random for chance"
    if any(map(is_id_name, uses.names)):
        yield "named as an id"


def _compared(item: Correlation, known: Twins) -> Iterator[str]:
    """What other recordings have to say."""
    differing, same = known.differing[item.source], known.same[item.source]
    if differing:
        yield f"differs in {differing} of {differing + same} between the recordings"
    elif same:
        yield f"the same {_times(same)} in the other recording"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times" if count else "never"


def left_alone(recording: Recording, *others: Recording) -> list[LeftAlone]:
    """What looks like an id and belongs to no correlation, and why not."""
    recording = _learned(recording, *others)
    planned, known = plan(recording), twins(recording, *others)
    places = dict.fromkeys(uncorrelated(recording, planned))
    first: dict[str, Occurrence] = {}
    values: dict[str, dict[str, None]] = {}
    for item in occurrences(recording):
        if item.place in places:
            if looks_like_id(item.value) or item.place not in first:
                first[item.place] = item
            values.setdefault(item.place, {})[repr(item.value)] = None
    return [
        LeftAlone(place=place, example=item.value, why=_why_not(item, len(values[place]), recording, known))
        for place, item in ((place, first[place]) for place in places)
    ]


def _why_not(item: Occurrence, values: int, recording: Recording, known: Twins) -> str:
    if item.place in recording.header.ignore:
        return "the header says to ignore it"
    if known.is_constant(item.place):
        return f"the same {_times(known.same[item.place])} in the other recording"
    if recording.header.correlate is not None:
        return "the header's correlations do not name it"
    if is_word(item.value) or is_label(item.value):
        return "a word, or a version"
    if item.upstream:
        return "the client sent it, and the server never said it"
    return (
        f"data: {values} values stand there, and the client never sent one back"
        if values > 1
        else ("said once, not named as an id, and never sent back")
    )
