"""The session: plays the server's side of a recording against whoever plays the client's.

Sans I/O: `receive` what came, `due` gives what is to be sent by now, `deadline` says when to ask again. It
decides everything and does nothing; time is an argument, and the same input gives the same output.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from simulator.core.events import (
    Close,
    Continuation,
    Direction,
    Event,
    Message,
    Pong,
    Request,
    Reset,
    Response,
    ends_link,
    is_upgrade,
)
from simulator.core.forms import Forms
from simulator.core.journal import Journal, Note
from simulator.core.jsontext import Json
from simulator.core.matching.clients import Client, Clients, next_take, same
from simulator.core.matching.compare import is_upgrade_request, label
from simulator.core.matching.replies import (
    Choice,
    answering,
    choose_flow,
    not_in_recording,
    policy_close,
    protocol_answer,
)
from simulator.core.matching.takes import Switch, Take, Takes
from simulator.core.pipeline import PAST, FlowView, Stage
from simulator.core.rule import Rule
from simulator.core.schedule import Schedule
from simulator.core.script import Expectation, Reaction, Script, exchanges
from simulator.core.settings import Settings
from simulator.core.underway import FlowError, Item, LiveFlow, Queue
from simulator.core.units import Time
from simulator.core.values.bindings import Bindings


class Session:
    """One run of a script under some rules."""

    def __init__(self, script: Script, rules: Iterable[Rule] = (), settings: Settings | None = None) -> None:
        self.script, self.settings = script, settings or Settings()
        self.journal = Journal()
        self.stages: list[Stage] = []
        self._clients = Clients(script.plan, self.settings.seed, fresh=self.settings.fresh)
        self._forms = Forms(script.recording, self.settings)
        self._flows: dict[str, LiveFlow] = {}
        self._early: list[tuple[str, Client, Item]] = []
        self._queue = Queue()
        self._schedule = Schedule(self.settings.speed)
        self._recorded = exchanges(script)
        for rule in rules:
            self.arm(rule)

    # --- the outside -------------------------------------------------------------------------------------------

    def receive(self, event: Event) -> None:
        """Something came from a client; `event.at` is now. A flow begins with its Request."""
        if isinstance(event, Request):
            self._schedule.begin(event.at)
            event = self._open(event)
        flow = self._flows.get(event.flow)
        late = flow is not None and Direction.UPSTREAM in flow.ended
        if flow is None or (late and event.kind != "bytes"):
            return
        self.journal.add(event)
        if isinstance(event, Reset):
            self._gone(flow)
        elif not late:  # nobody hears what comes after a close
            if isinstance(event, Close):
                flow.ended.add(Direction.UPSTREAM)
            self._queue.push(Item(due=event.at, flow=flow, event=event))

    def due(self, now: Time) -> list[Event]:
        """Everything that is to be sent by `now`, in order. After a FlowError, ask again for the rest."""
        out: list[Event] = []
        while True:
            turn = self._schedule.deadline()
            item = self._queue.pop(now if turn is None else min(now, turn - 1))
            try:
                if item is not None:
                    self._run(item, out)
                elif turn is not None and turn <= now:
                    self._turn()
                else:
                    return out
            except Exception as error:
                raise FlowError(item.flow.view.id if item else "", item.due if item else turn or 0, out) from error

    def deadline(self) -> Time | None:
        """When something will be due; None if nothing is under way that time alone would bring."""
        due = [time for time in (self._queue.deadline(), self._schedule.deadline()) if time is not None]
        return min(due, default=None)

    def forget(self, flow: str) -> None:
        """A flow's connection is gone, after a regular end."""
        if flow in self._flows:
            self._gone(self._flows[flow])

    def arm(self, rule: Rule, now: Time = 0) -> None:
        """Add a rule behind those there are. Raises ValueError where one of this name is armed."""
        if any(stage.in_play and stage.rule.name == rule.name for stage in self.stages):
            raise ValueError(f"a rule named {rule.name!r} is armed already")
        stage = Stage(rule, self.settings.seed, self._observe, self._strike_later, self._queue.recall)
        self.stages.append(stage)
        self._schedule.add(stage, now)

    def disarm(self, name: str, now: Time) -> bool:
        """Take a rule away and free what it held, in order; False if no such rule is armed."""
        stage = next((stage for stage in self.stages if stage.in_play and stage.rule.name == name), None)
        if stage is None:
            return False
        self._disarm(stage, now)
        return True

    def _disarm(self, stage: Stage, now: Time) -> None:
        stage.disarm(now)
        self._queue.free(stage, now)

    def _turn(self) -> None:
        """A rule's own time begins or ends; the journal says so, since nobody else does."""
        at, begins, _, stage = self._schedule.pop()
        self._observe(at, "", "armed" if begins else "disarmed", {"rule": stage.rule.name})
        if begins:
            stage.arm()
        else:
            self._disarm(stage, at)

    @property
    def live(self) -> tuple[LiveFlow, ...]:
        """The flows that are there now."""
        return tuple(self._flows.values())

    def cut(self, flow: str, now: Time) -> None:
        """End a connection from outside the recording: a reset that no rule is asked about, due now."""
        if flow in self._flows:
            reset = Reset(flow=flow, at=now, direction=Direction.DOWNSTREAM)
            self._queue.push(Item(due=now, flow=self._flows[flow], event=reset, stage=len(self.stages)))

    def start_over(self) -> int:
        """Forget who was here: whoever comes now is new, and gets every first take. Says how many it forgot."""
        self._early.clear()
        return self._clients.forget()

    def keeps_open(self, flow: str, now: Time) -> bool:
        """Whether a fault keeps the server's end of a connection from ending, whatever the client does."""
        return any(stage.keeps_open(flow, now) for stage in self.stages)

    # --- flows -------------------------------------------------------------------------------------------------

    def _open(self, request: Request) -> Request:
        """Begin a flow; a request to nobody in particular is for the service that would answer it."""
        client = self._clients.of(request)
        bindings = self._clients.bindings(client, request.flow)
        if not request.service:
            choice = self._choose(request, bindings, client)
            named = [take.request.service for take in choice.takes] or self.script.services or ("",)
            request = replace(request, service=named[0])
        view = FlowView(
            id=request.flow,
            client=client.name,
            since=request.at,
            request=request,
            websocket=is_upgrade_request(request),
            wall=self.settings.wall,
            recorded=self._recorded.get(request.service, ()),
            minted=bindings.minted,
        )
        self._flows[request.flow] = LiveFlow(view=view, client=client, bindings=bindings)
        return request

    def _gone(self, flow: LiveFlow) -> None:
        """The client vanished: nothing more can be sent to it."""
        flow.gone = True
        self._flows.pop(flow.view.id, None)
        for stage in self.stages:
            stage.forget(flow.view.id)

    # --- one item ----------------------------------------------------------------------------------------------

    def _run(self, item: Item, out: list[Event]) -> None:
        flow, now = item.flow, item.due
        if item.strike is not None:
            events = item.strike.strike(item.event, flow.view, now)
            self._through(events, self.stages.index(item.strike) + 1, flow, now, out)
            return
        event = replace(item.event, at=now)
        if item.recorded is not None:
            event = self._forms.live(item.recorded, event, flow)
        self._through([event], item.stage, flow, now, out)

    def _through(self, events: Iterable[Event], stage: int, flow: LiveFlow, now: Time, out: list[Event]) -> None:
        """Pass events through the stages from one on; what is delayed waits in the queue."""
        work = [(event, stage, event.at > now) for event in events]
        while work:
            event, at_stage, queues = work.pop(0)
            if queues:
                holder = self.stages[at_stage - 1] if at_stage else None
                self._queue.push(Item(due=event.at, flow=flow, event=event, stage=at_stage, held_by=holder))
            elif (at_stage := self._next_stage(at_stage, flow)) < len(self.stages):
                stepped = self.stages[at_stage].step(event, flow.view, now)
                work[:0] = [(out.event, at_stage + 1, out.queues) for out in stepped]
            elif event.direction is Direction.UPSTREAM:
                self._arrive(event, flow, now)
            else:
                self._send(event, flow, out)
        if flow.gone:  # what came out after the end may have left traces
            self._gone(flow)

    def _next_stage(self, stage: int, flow: LiveFlow) -> int:
        """The first stage from one on that the flow's events must pass: rules come and go in a long run."""
        while stage < len(self.stages) and self.stages[stage].is_done_with(flow.view.id):
            stage += 1
        return stage

    def _send(self, event: Event, flow: LiveFlow, out: list[Event]) -> None:
        late = flow.open and event.kind == "bytes" and not self.stages  # as recorded; a fault's close is the end
        if (Direction.DOWNSTREAM in flow.ended and not late) or flow.holds_back(event):
            return
        out.append(event)
        if isinstance(event, Continuation):
            for waiting in flow.went_on():
                self._send(replace(waiting, at=event.at), flow, out)
            return
        self.journal.add(event)
        flow.view.past = (*flow.view.past[1 - PAST :], event)
        if is_upgrade(event):
            flow.open = True
            flow.view.since = event.at
            self._queue.push_all(flow.waiting, event.at)
            flow.waiting.clear()
        elif isinstance(event, Message):
            self._queue.push_all(flow.begin(event), event.at)
        elif ends_link(event):
            flow.ended.add(Direction.DOWNSTREAM)
        if isinstance(event, Reset) or (Direction.DOWNSTREAM in flow.ended and not flow.open):
            self._gone(flow)

    # --- what the server does ----------------------------------------------------------------------------------

    def _arrive(self, event: Event, flow: LiveFlow, now: Time) -> None:
        """A client event has reached the server."""
        if isinstance(event, Request):
            self._request(event, flow, now)
        elif isinstance(event, Pong):
            return
        elif flow.takes is not None:
            self._answer(event, flow, flow.takes, now)

    def _request(self, request: Request, flow: LiveFlow, now: Time) -> None:
        choice = self._choose(replace(request, at=now), flow.bindings, flow.client)
        if choice.refused:
            self._note(now, flow, "refused", {"event": label(request), "why": choice.refused})
        if not choice.takes:
            self._turn_away(request, flow, choice, now)
            return
        busy = self._busy(flow) if len(choice.takes) > 1 else set()
        script = next_take(flow.client, choice.takes, busy)
        rest = [other for other in (*choice.takes, *choice.others) if other is not script and other.upgrade]
        flow.takes = Takes.of(script, rest, request, now)
        flow.client.progress.part = script.part
        self._take_early(flow, script.flow, now)
        self._note(now, flow, "opened", {"as": script.flow, "client": flow.client.name})
        self._react(script.opening, request, flow, now)

    def _busy(self, flow: LiveFlow) -> set[str]:
        """The recorded flows that the client of this one is in the middle of."""
        others = (other for other in self._flows.values() if other.client.progress is flow.client.progress)
        return {other.script.flow for other in others if other is not flow and other.script is not None}

    def _choose(self, request: Request, bindings: Bindings, client: Client) -> Choice:
        wall = self.settings.wall + request.at
        followed, auth = client.progress.part, self.settings.auth
        return choose_flow(self.script, request, bindings, followed=followed, auth=auth, wall=wall)

    def _turn_away(self, request: Request, flow: LiveFlow, choice: Choice, now: Time) -> None:
        """Answer what no take answers: it is not let in, or not in the recording."""
        request, auth, answers = replace(request, at=now), self.settings.auth, list[Event]()
        if choice.refused:
            said = auth.refuse(flow.view.recorded, request, choice.refused, self.settings.wall + now)
            answers += map(self._forms.rebased, said)
        else:
            self._missed(now, flow, request, choice)
            answers.append(not_in_recording(request, choice.misses))
        for answer in answers:
            self._wait_or_queue(Item(due=answer.at, flow=flow, event=answer))

    def _answer(self, event: Event, flow: LiveFlow, takes: Takes, now: Time) -> None:
        choice, left = takes.hear(event, flow.bindings)
        if left is not None:
            self._switch(flow, left, takes.followed, len(takes.followed.steps) - 1, now)
        if choice.expectation is not None:
            self._react(choice.expectation, event, flow, now)
            if not self._closes_first(choice.expectation, flow):
                return
        answer = protocol_answer(event)
        if answer is None:
            self._missed(now, flow, event, choice)
            answer = policy_close(event) if self.settings.strict else None
        if answer is not None:
            self._queue.push(Item(due=now, flow=flow, event=answer))

    def _switch(self, flow: LiveFlow, left: Take, followed: Take, steps: int, now: Time) -> None:
        """Follow another take from here on: what the left one would still have said is not said."""
        self._note(now, flow, "followed", {"as": followed.script.flow, "instead of": left.script.flow})
        flow.client.progress.part = followed.script.part
        pending = self._queue.take_back(flow)
        for step in followed.steps[:steps]:
            flow.bindings.learn(step.expectation.index, step.event)
        switch = Switch.of(left, followed, steps, pending, now)
        for before, after in switch.said:
            flow.bindings.carry(before.index, after.index)
        for step, reaction in switch.due:
            due = max(now, step.at + round(reaction.delay / self.settings.speed))
            self._set_under_way(flow, answering(reaction, step.expectation, step.event), due, reaction)

    def _closes_first(self, expectation: Expectation, flow: LiveFlow) -> bool:
        """Whether a client closes by itself that in the recording only answered the server's close."""
        if not isinstance(expectation.event, Close) or Direction.DOWNSTREAM in flow.ended:
            return False
        closed = None if flow.script is None else flow.script.closed
        return closed is not None and closed < expectation.index

    def _react(self, expectation: Expectation, event: Event, flow: LiveFlow, now: Time) -> None:
        """Set under way what the recording did after this."""
        flow.bindings.learn(expectation.index, event)
        self._note(now, flow, "matched", {"event": label(event), "recorded": expectation.index + 1})
        for reaction in expectation.reactions:
            due = now + round(reaction.delay / self.settings.speed)
            self._set_under_way(flow, answering(reaction, expectation, event), due, reaction)

    def _set_under_way(self, flow: LiveFlow, event: Event, due: Time, reaction: Reaction) -> None:
        """Queue a recorded event on its own flow, which may be another than its cause's, or not open yet."""
        target: LiveFlow | None = flow
        if flow.script is None or event.flow != flow.script.flow:
            target = self._playing(event.flow, flow.client, due)
        ordered = not reaction.heartbeat
        item = Item(due=due, flow=target or flow, event=event, recorded=reaction.index, ordered=ordered)
        if target is None:
            self._early.append((event.flow, flow.client, item))
        else:
            self._wait_or_queue(item)

    def _playing(self, recorded: str, client: Client, now: Time) -> LiveFlow | None:
        """The flow of this client that follows a recorded one, or could and does from now on."""
        mine = [flow for flow in self._flows.values() if same(flow.client, client) and flow.takes is not None]
        for flow in mine:
            if flow.script is not None and flow.script.flow == recorded:
                return flow
        for flow in mine:
            left = flow.takes.follow(recorded) if flow.takes is not None else None
            if left is not None and flow.takes is not None:
                self._switch(flow, left, flow.takes.followed, len(left.steps), now)
                return flow
        return None

    def _take_early(self, flow: LiveFlow, recorded: str, now: Time) -> None:
        """What was under way to a flow before it was opened is under way on it now."""
        early, self._early = self._early, []
        for name, client, item in early:
            if name == recorded and same(client, flow.client):
                self._wait_or_queue(replace(item, flow=flow, due=max(item.due, now)))
            else:
                self._early.append((name, client, item))

    def _wait_or_queue(self, item: Item) -> None:
        """What a server says on a WebSocket comes after its 101."""
        flow = item.flow
        if flow.view.websocket and not flow.open and not isinstance(item.event, Response):
            flow.waiting.append(item)
        else:
            self._queue.push(item)

    # --- notes -------------------------------------------------------------------------------------------------

    def _missed(self, now: Time, flow: LiveFlow, event: Event, choice: Choice) -> None:
        nearest: list[Json] = [miss.told() for miss in choice.misses]
        self._note(now, flow, "missed", {"event": label(event), "nearest": nearest})

    def _note(self, now: Time, flow: LiveFlow, what: str, detail: dict[str, Json]) -> None:
        self._observe(now, flow.view.id, what, detail)

    def _observe(self, now: Time, flow: str, what: str, detail: dict[str, Json]) -> None:
        self.journal.add(Note(at=now, flow=flow, what=what, detail=detail))

    def _strike_later(self, due: Time, stage: Stage, view: FlowView, event: Event) -> None:
        flow = self._flows.get(view.id)
        if flow is not None:  # else an earlier rule has just ended it
            self._queue.push(Item(due=due, flow=flow, event=event, strike=stage))
