"""What a fault is: a thing that goes wrong, laid over the events of a flow.

Three modes. A *transform* turns each event that its rule selects into the events that come out instead. A
*lasting* fault, once triggered on a flow, is given every later event of the kinds it affects. A *strike* happens
at a moment, with or without an event: a close, a reset, an injected message.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, ClassVar

from simulator.core.errors import FaultError
from simulator.core.events import (
    Bytes,
    Chunk,
    Close,
    Direction,
    End,
    Event,
    Message,
    Ping,
    Pong,
    Request,
    Reset,
    Response,
)
from simulator.core.units import NEVER, Time

Kinds = frozenset[type[Event]]

DATA: Kinds = frozenset({Message, Chunk})
FRAMES: Kinds = frozenset({Message, Ping, Pong, Close, Bytes})
HTTP: Kinds = frozenset({Response, Chunk, End})
ANY: Kinds = frozenset({Request, Response, Chunk, End, Message, Ping, Pong, Close, Reset, Bytes})


class Mode(Enum):
    """How a fault relates to events; see the module."""

    TRANSFORM = "transform"
    LASTING = "lasting"
    STRIKE = "strike"


@dataclass(slots=True, kw_only=True)
class Context:
    """What a fault may know: the flow, the time, seeded luck, its own memory of this flow, and what went before.

    `until` is the end of a lasting fault's time on this flow, or NEVER. `past` holds what went out before.
    `peers` counts the flows that the rule has matched and that are still there, this one included. `recall` takes
    back what the fault has delayed in the event's direction and is still on its way: it is due now, to be given
    again or not. `common` is its memory of all flows whose matches the rule counts together, `wall` the time now
    since the Unix epoch, and `recorded` what the flow's service was asked over HTTP and answered in the recording.
    `again` has the fault applied to the same event once more, so long from now; `minted` is told what value the
    fault has made that belongs to this client.
    """

    flow: str
    now: Time
    rng: random.Random
    request: Request | None = None
    until: Time = NEVER
    memory: dict[str, Any] = field(default_factory=dict)
    past: tuple[Event, ...] = ()
    peers: int = 1
    recall: Callable[[], list[Event]] = list
    common: dict[str, Any] = field(default_factory=dict)
    wall: Time = 0
    recorded: Sequence[tuple[Request, Response]] = ()
    again: Callable[[Time], None] = lambda by: None
    minted: Callable[[str], None] = lambda value: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(ABC):
    """One way to fail. Subclasses are frozen dataclasses; their fields are what a fault file may set.

    `acts_on` are the kinds of event that can trigger the fault or be changed by it, `direction` the way they
    travel unless a rule selects otherwise (None: either way). The first docstring line is its description.
    With `keeps_open`, the server's end of the connection does not end as long as the fault lasts, whatever the
    client does.
    """

    name: ClassVar[str]
    mode: ClassVar[Mode] = Mode.TRANSFORM
    acts_on: ClassVar[Kinds] = DATA
    direction: ClassVar[Direction | None] = Direction.DOWNSTREAM
    keeps_open: ClassVar[bool] = False

    @abstractmethod
    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        """The events that come out instead of `event`; `at` may be later than it was, NEVER for held.

        For a strike, `event` is what triggered it, and the events given are sent beside it.
        """

    def concerns(self, event: Event) -> bool:
        """Whether an event can trigger the fault or be changed by it."""
        return type(event) in self.acts_on

    def follows(self, event: Event) -> bool:
        """For a transform: whether it is given this later event of a flow as well, once it was given one there."""
        return False

    def affects(self, event: Event) -> bool:
        """For a lasting fault: whether it is given this later event of the flow."""
        return event.direction is Direction.DOWNSTREAM

    def lets_pass(self, event: Event) -> bool:
        """Whether an event may overtake what this fault holds back; RFC 6455 lets control frames do so."""
        return False


def require(holds: bool, field_name: str, problem: str) -> None:
    """For `__post_init__`: raise FaultError, with the field as its place, unless what must hold does."""
    if not holds:
        raise FaultError(problem, place=field_name)


def delayed(event: Event, by: Time) -> Event:
    return replace(event, at=min(event.at + by, NEVER))


def sent(kind: type[Event], context: Context, **fields: Any) -> Event:
    """A new event from the server, now, on the context's flow."""
    return kind(flow=context.flow, at=context.now, direction=Direction.DOWNSTREAM, **fields)
