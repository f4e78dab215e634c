"""What goes over the wire of the control API, both ways. Times are seconds on the run's timeline."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from simulator.core.units import SECOND
from simulator.files.models import EventLine, Strict
from simulator.files.rulemodels import DurationText, Scalar

Seconds = Annotated[float, Field(ge=0, description="seconds since the run began")]
Position = Annotated[int, Field(ge=0, description="how many entries of the journal come before")]


class Nothing(Strict):
    """No parameters, or no body."""


class Problem(Strict):
    """What was wrong: `error` is the whole line, and its parts are where, what, and what to do about it."""

    error: str
    place: str = ""
    problem: str
    hint: str = ""


class RuleState(Strict):
    """A rule that is armed, was, or `waits` for its time of the run, and the proof of what it did.

    `on` is the event that it first fired on, `at` when, `instead` what went out. `rule` is the rule as fault files
    write it; null for one that they cannot.
    """

    name: str
    fault: str
    armed: bool
    waits: bool
    matched: int
    fired: int
    at: Seconds | None
    on: str
    instead: str
    rule: dict[str, Any] | None


class Rules(Strict):
    """All rules of the run, in the order in which they act."""

    rules: list[RuleState]


class Arm(RootModel[dict[str, Any]]):
    """A rule, what a fault file says, or the name of a fault file with what to set in it."""


class ByName(Strict):
    """A fault that the replay knows by name, such as 'none-orchestrator' or 'missing:llm_manager'.

    `set` tells this from a rule, so it is given even where there is nothing to set.
    """

    fault: str
    set: dict[str, Scalar]


class Armed(Strict):
    """The names of the rules that were armed."""

    armed: list[str]


class Named(Strict):
    """A rule by its name, or all rules of a fault by the fault's."""

    name: str


class Disarmed(Strict):
    """The names of the rules that were disarmed. What they held is on its way, in order."""

    disarmed: list[str]


class Advance(Strict):
    """How much time is to pass."""

    by: Annotated[DurationText, Field(le=10**8 * SECOND)]


class Advanced(Strict):
    """The time that it is now, and when something will happen next; null if nothing will by itself."""

    now: Seconds
    next: Seconds | None


class Since(Strict):
    """Where in the journal to begin."""

    since: Position = 0


class Page(Since):
    """Where in the journal to begin, and how many entries to give at most."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000


class JournalPage(Strict):
    """Entries of the journal as files write them, secrets redacted; ask for `next` to go on."""

    next: Position
    total: int
    entries: list[EventLine]


class FlowState(Strict):
    """A WebSocket or HTTP exchange that is there now. `plays` is the recorded flow that is played to it."""

    id: str
    client: str
    service: str
    route: str
    since: Seconds
    websocket: bool
    plays: str | None
    state: Literal["opening", "open", "closing"]


class ClientState(Strict):
    """A client with something open, and the ids of its flows."""

    name: str
    flows: list[str]


class Sessions(Strict):
    """Who is connected."""

    clients: list[ClientState]
    flows: list[FlowState]


class ResetDone(Strict):
    """What a reset did: rules that it disarmed, services that listen again, how many clients are forgotten."""

    disarmed: list[str]
    enabled: list[str]
    forgotten: int


class Version(Strict):
    """What is running: version and API, recording, services with their origins, seed, clock."""

    stagesim: str
    api: Literal[1] = 1
    title: str
    services: dict[str, str]
    seed: int
    clock: Literal["real", "manual"]
