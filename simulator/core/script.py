"""The script: a recording cut into what one side waits for, and what the other side does then.

Every event of the playing side gets a cause on the other side: the event that the recording names, else the
latest one before it on its own flow. Heartbeats are answered but are never anybody's cause. A greeting that the
client did not wait for still belongs to the opening of its flow, see `greetings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.core.errors import RecordingError
from simulator.core.events import Close, Direction, Event, Message, Ping, Pong, Request, Response, is_upgrade
from simulator.core.matching.compare import is_heartbeat
from simulator.core.matching.overrides import NO_RULES, Overrides, Rules, overrides
from simulator.core.recording import Recording
from simulator.core.sendable import check_sendable
from simulator.core.units import MILLISECOND, Time
from simulator.core.values.correlation import SENT, Plan
from simulator.core.values.places import route
from simulator.core.values.planning import plan as planned

BREATH = 5 * MILLISECOND
"""How close to a message a heartbeat is part of the same burst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """An event of the playing side, `delay` after its cause. `index` is its place in the recording."""

    index: int
    delay: Time
    event: Event
    heartbeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """An event of the other side, and what follows from it."""

    index: int
    event: Event
    reactions: Sequence[Reaction] = ()
    heartbeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowScript:
    """One recorded flow: its opening request first, then what else the other side does.

    Of several recordings, `part` says which one it is from. `closed` is the index of its first close frame.
    """

    flow: str
    route: str
    opening: Expectation
    expectations: Sequence[Expectation] = ()
    rules: Rules = NO_RULES
    upgrade: bool = False
    begins: Time = 0
    ends: Time = 0
    part: int = 0
    closed: int | None = None

    @property
    def request(self) -> Request:
        if not isinstance(self.opening.event, Request):
            raise TypeError("a flow opens with a request")
        return self.opening.event


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All flows of a recording, ready to be played by the server's side.

    `answers` are the indices of its responses, but for those of WebSockets and those in pieces.
    """

    recording: Recording
    flows: tuple[FlowScript, ...]
    plan: Plan = field(default_factory=Plan)
    answers: Sequence[int] = ()

    @property
    def services(self) -> tuple[str, ...]:
        """Names of the recorded services, the default one first."""
        named = [service.name for service in self.recording.header.services]
        return tuple(dict.fromkeys([*named, *(flow.request.service for flow in self.flows)]))


def compile_script(recording: Recording) -> Script:
    """Cut a recording for the server's side. Raises RecordingError for what no server can do."""
    check_sendable(recording)
    return cut(recording, planned(recording))


def cut(recording: Recording, plan: Plan) -> Script:
    """The script, where it is known what correlates; of most messages, nothing is looked at but who sent them."""
    causes = find_causes(recording, Direction.DOWNSTREAM, greetings(recording, plan))
    reactions: dict[int, list[Reaction]] = {}
    for index, cause in causes:
        event = recording.events[index]
        delay = event.at - recording.events[cause].at
        reaction = Reaction(index=index, delay=delay, event=event, heartbeat=is_heartbeat(event))
        reactions.setdefault(cause, []).append(reaction)
    said = overrides(recording.header.match, recording.header.ignore, plan.paired)
    flows = [_flow(outline, recording, reactions, said) for outline in outlines(recording)]
    return Script(recording=recording, flows=tuple(flows), plan=plan, answers=tuple(answers(recording)))


def answers(recording: Recording) -> Iterator[int]:
    """The indices of the responses that are whole, but for those that open a WebSocket."""
    for index, event in enumerate(recording.events):
        if isinstance(event, Response) and not event.streaming and not is_upgrade(event):
            yield index


def _indexed(recording: Recording) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, event in enumerate(recording.events):
        found.setdefault(event.flow, []).append(index)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A flow by the indices of its events: its request, what else the client did, the first close frame."""

    flow: str
    opening: int
    expected: Sequence[int]
    upgrade: bool
    begins: Time
    ends: Time
    closed: int | None


def outlines(recording: Recording) -> Iterator[Outline]:
    """Every flow of a recording, in order. Going through them raises RecordingError."""
    events = recording.events
    for flow, indices in _indexed(recording).items():
        first = events[indices[0]]
        if not isinstance(first, Request):
            problem = f"begins with a {first.kind}; a flow begins with its request"
            raise RecordingError(problem, place=f"flow {flow}")
        yield Outline(
            flow=flow,
            opening=indices[0],
            expected=[index for index in indices[1:] if events[index].direction is Direction.UPSTREAM],
            upgrade=any(is_upgrade(events[index]) for index in indices),
            begins=first.at,
            ends=events[indices[-1]].at,
            closed=next((index for index in indices if isinstance(events[index], Close)), None),
        )


def _flow(
    outline: Outline, recording: Recording, reactions: Mapping[int, list[Reaction]], said: Overrides
) -> FlowScript:
    def expectation(index: int) -> Expectation:
        event = recording.events[index]
        after = tuple(reactions.get(index, ()))
        return Expectation(index=index, event=event, reactions=after, heartbeat=is_heartbeat(event))

    opening = expectation(outline.opening)
    where = route(opening.event) if isinstance(opening.event, Request) else "?"
    return FlowScript(
        flow=outline.flow,
        route=where,
        opening=opening,
        expectations=tuple(map(expectation, outline.expected)),
        rules=said.on(where),
        upgrade=outline.upgrade,
        begins=outline.begins,
        ends=outline.ends,
        closed=outline.closed,
    )


def exchanges(script: Script) -> dict[str, list[tuple[Request, Response]]]:
    """What each service was asked and what it answered, in order, but for WebSockets and answers in pieces."""
    found: dict[str, list[tuple[Request, Response]]] = {}
    requests = {flow.flow: flow.request for flow in script.flows}
    for index in script.answers:
        event = script.recording.events[index]
        if isinstance(event, Response):
            request = requests[event.flow]
            found.setdefault(request.service, []).append((request, event))
    return found


def greetings(recording: Recording, plan: Plan) -> frozenset[int]:
    """Server messages that answer the opening of their WebSocket although the client had spoken already.

    Many clients send at once and are greeted after that. If the server later shows that it heard (it sends back a
    value that came in one of the flow's messages), then what it said before that was no answer.
    """
    found: set[int] = set()
    for indices in _indexed(recording).values():
        messages = [index for index in indices if isinstance(recording.events[index], Message)]
        first = next((index for index in messages if not is_heartbeat(recording.events[index])), None)
        if first is None or recording.events[first].direction is not Direction.UPSTREAM:
            continue
        said = [index for index in messages if recording.events[index].direction is Direction.DOWNSTREAM]
        own = set(messages)
        heard = next((index for index in said if _echoes(index, own, plan)), None)
        if heard is not None:
            found |= {index for index in said if index < heard}
    return frozenset(found)


def _echoes(index: int, messages: set[int], plan: Plan) -> bool:
    """Whether an event sends back what came in one of these messages."""
    return any(variable.kind in SENT and variable.source in messages for variable in plan.in_all(index))


def find_causes(
    recording: Recording, side: Direction, greeting: frozenset[int] = frozenset()
) -> Iterator[tuple[int, int]]:
    """The index of every event that `side` sends, with that of the other side's event that it answers.

    Those in `greeting` answer the opening of their flow. Events with nothing before them have no cause: the
    client's first request. Going through them raises RecordingError.
    """
    names = {event.id: index for index, event in enumerate(recording.events) if event.id is not None}
    tracks: dict[str, _Track] = {}
    for index, event in enumerate(recording.events):
        track = tracks.setdefault(event.flow, _Track())
        if event.direction is not side:
            track.hear(index, event)
            continue
        if event.cause is not None:
            yield index, _named(recording, index, event, names)
            continue
        cause = track.cause_of(event, greeting=index in greeting)
        if cause is not None:
            yield index, cause


def _named(recording: Recording, index: int, event: Event, names: Mapping[str, int]) -> int:
    cause = names.get(event.cause or "")
    place = f"event {index + 1} (flow {event.flow})"
    if cause is None:
        raise RecordingError(f"names the cause {event.cause!r}, and no event has this id", place=place)
    if cause >= index or recording.events[cause].direction is event.direction:
        raise RecordingError(
            f"names the cause {event.cause!r}, which is not an earlier event of the other side", place=place
        )
    return cause


@dataclass(slots=True)
class _Track:
    """What was heard from the other side on one flow."""

    opening: int | None = None
    latest: int | None = None
    heartbeat: int | None = None
    pings: dict[bytes, int] = field(default_factory=dict)
    sent: tuple[Time, int] | None = None

    def hear(self, index: int, event: Event) -> None:
        if self.opening is None:
            self.opening = index
        if isinstance(event, Ping):
            self.pings[event.data] = index
        elif isinstance(event, Pong):
            pass  # an answer, and no question
        elif is_heartbeat(event):
            self.heartbeat = index
        else:
            self.latest = index

    def cause_of(self, event: Event, *, greeting: bool = False) -> int | None:
        """What an event of ours answers."""
        cause = self.opening if greeting else self._cause_of(event)
        if cause is not None and isinstance(event, Message):
            self.sent = (event.at, cause)
        return cause

    def _cause_of(self, event: Event) -> int | None:
        """A pong answers its ping, a JSON heartbeat the other side's; else the flow's own clock beats.

        A heartbeat that comes in one breath with a message was sent with it, and stays behind it.
        """
        if isinstance(event, Pong) and event.data in self.pings:
            return self.pings[event.data]
        if isinstance(event, Ping | Pong):
            return self.opening
        if is_heartbeat(event):
            answered, self.heartbeat = self.heartbeat, None
            if answered is None and self.sent is not None and event.at - self.sent[0] <= BREATH:
                return self.sent[1]
            return self.opening if answered is None else answered
        return self.latest
