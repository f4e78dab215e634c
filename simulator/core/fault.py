"""What a fault is: a thing that goes wrong, laid over the events of a flow.

Three modes. A *transform* turns each event that its rule selects into the events that come out instead. A
*lasting* fault, once triggered on a flow, is given every later event of the kinds it affects. A *strike* happens
at a moment, with or without an event: a close, a reset, an injected message.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, ClassVar

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
    """

    flow: str
    now: Time
    rng: random.Random
    request: Request | None = None
    until: Time = NEVER
    memory: dict[str, Any] = field(default_factory=dict)
    past: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(ABC):
    """One way to fail. Subclasses are frozen dataclasses; their fields are what a fault file may set.

    `acts_on` are the kinds of event that can trigger the fault or be changed by it, `direction` the way they
    travel unless a rule selects otherwise (None: either way). The first docstring line is its description.
    """

    name: ClassVar[str]
    mode: ClassVar[Mode] = Mode.TRANSFORM
    acts_on: ClassVar[Kinds] = DATA
    direction: ClassVar[Direction | None] = Direction.DOWNSTREAM

    @abstractmethod
    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        """The events that come out instead of `event`; `at` may be later than it was, NEVER for held.

        For a strike, `event` is what triggered it, and the events given are sent beside it.
        """

    def concerns(self, event: Event) -> bool:
        """Whether an event can trigger the fault or be changed by it."""
        return type(event) in self.acts_on

    def affects(self, event: Event) -> bool:
        """For a lasting fault: whether it is given this later event of the flow."""
        return event.direction is Direction.DOWNSTREAM

    def lets_pass(self, event: Event) -> bool:
        """Whether an event may overtake what this fault holds back; RFC 6455 lets control frames do so."""
        return False


def delayed(event: Event, by: Time) -> Event:
    return replace(event, at=min(event.at + by, NEVER))


def sent(kind: type[Event], context: Context, **fields: Any) -> Event:
    """A new event from the server, now, on the context's flow."""
    return kind(flow=context.flow, at=context.now, direction=Direction.DOWNSTREAM, **fields)
