"""Takes: recorded flows that one live flow may stand for, and the one that it follows.

Of several recorded flows that begin alike, the one is followed whose next expectation fits what the client does;
the others stay candidates as long as everything that the client did fits them as well. So takes form a tree: they
share what they have in common, and the client chooses the branch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.core.events import Event, Message
from simulator.core.matching.compare import is_heartbeat
from simulator.core.matching.replies import Choice, choose_expectation
from simulator.core.script import Expectation, FlowScript, Reaction
from simulator.core.units import Time
from simulator.core.values.bindings import Bindings


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that the client did, when, and the expectation that it met."""

    expectation: Expectation
    event: Event
    at: Time


@dataclass(slots=True, kw_only=True)
class Take:
    """A recorded flow, as far as a live one has gone through it."""

    script: FlowScript
    used: set[int] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)

    def choose(self, event: Event, bindings: Bindings) -> Choice:
        return choose_expectation(self.script.expectations, event, self.used, bindings, self.script.rules)

    def use(self, expectation: Expectation) -> None:
        """A heartbeat is answered as often as it comes, anything else once."""
        if not expectation.heartbeat:
            self.used.add(expectation.index)


@dataclass(slots=True)
class Takes:
    """The take that a live flow follows, and those that it could follow instead, in the order of preference."""

    followed: Take
    others: list[Take] = field(default_factory=list)

    @classmethod
    def of(cls, followed: FlowScript, others: list[FlowScript], request: Event, now: Time) -> Takes:
        """All of them, after the request that opened the flow."""
        takes = [Take(script=script) for script in (followed, *others)]
        for take in takes:
            take.steps.append(Step(expectation=take.script.opening, event=request, at=now))
        return cls(takes[0], takes[1:])

    def hear(self, event: Event, bindings: Bindings) -> tuple[Choice, Take | None]:
        """Go on with what fits an event; says what was chosen, and the take that was left for it, if any.

        The followed take goes on if it fits as well as any other. Where none fits, nothing is decided.
        """
        choice = self.followed.choose(event, bindings)
        if not self.others or not isinstance(event, Message) or is_heartbeat(event):
            if choice.expectation is not None:
                self.followed.use(choice.expectation)
            return choice, None
        chosen = [(self.followed, choice), *((take, take.choose(event, bindings)) for take in self.others)]
        fitting = [(take, found, found.expectation) for take, found in chosen if found.expectation is not None]
        if not fitting:
            return choice, None
        for take, _, expectation in fitting:
            take.use(expectation)
            take.steps.append(Step(expectation=expectation, event=event, at=event.at))
        best, choice, _ = max(fitting, key=lambda item: item[1].score)
        left = self.followed
        self.followed, self.others = best, [take for take, _, _ in fitting if take is not best]
        return choice, None if left is best else left

    def follow(self, flow: str) -> Take | None:
        """Follow the take of this recorded flow; says which was left for it, None if there is no such take."""
        found = next((take for take in self.others if take.script.flow == flow), None)
        if found is None:
            return None
        left, self.followed = self.followed, found
        self.others = [left, *(take for take in self.others if take is not found)]
        return left


@dataclass(slots=True)
class Switch:
    """From one take to another, after so many common steps: what both have said, and what is `due` to be said.

    What the left take has said is taken for said: of the answers to a step, the first so many. `pending` are those
    that it had still to say. Heartbeats go on from now.
    """

    said: list[tuple[Reaction, Reaction]] = field(default_factory=list)
    due: list[tuple[Step, Reaction]] = field(default_factory=list)

    @classmethod
    def of(cls, left: Take, followed: Take, steps: int, pending: set[int], now: Time) -> Switch:
        switch = cls()
        for before, step in zip(left.steps[:steps], followed.steps[:steps], strict=True):
            said = [item for item in _ordered(before.expectation) if item.index not in pending]
            answers = _ordered(step.expectation)
            switch.said += zip(said, answers, strict=False)
            switch.due += ((step, item) for item in answers[len(said) :])
            beats = (item for item in step.expectation.reactions if item.heartbeat)
            switch.due += ((step, item) for item in beats if step.at + item.delay > now)
        return switch


def _ordered(expectation: Expectation) -> list[Reaction]:
    return [item for item in expectation.reactions if not item.heartbeat]
