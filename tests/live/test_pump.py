"""The pump, when the loop is late: what was due goes out before what came meanwhile is heard."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from simulator.core.events import Event, Message
from simulator.core.fault import Context, Fault
from simulator.core.journal import Entry, Note
from simulator.core.rule import Rule
from simulator.core.script import compile_script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.units import MILLISECOND, SECOND
from simulator.live.clock import ManualClock
from simulator.live.pump import Pump
from tests.conversations import CREATED, DOWN, UP, agent_run, text


def test_the_journal_is_in_order_of_time_though_the_loop_was_late() -> None:
    async def run() -> tuple[list[Event], list[Entry]]:
        clock, kept, sent = ManualClock(), list[Entry](), list[Event]()
        session = Session(compile_script(agent_run()), settings=Settings(wall=CREATED))
        pump = Pump(session, clock, lambda flow, events: sent.extend(events), kept.append)
        pump.feed(agent_run().events[2])
        clock.advance_to(1000 * MILLISECOND)  # nobody turned the pump when the greeting was due
        pump.feed(text("2", 1000, UP, type="start_agent", thread_id="mine_1", payload={"user_request": "a"}))
        pump.advance(1000 * MILLISECOND)
        pump.stop()
        return sent, kept

    sent, kept = asyncio.run(run())
    types = [json.loads(event.data)["type"] for event in kept if isinstance(event, Message)]
    assert types[:4] == ["system_message", "ping", "start_agent", "agent_started"]
    assert [entry.at for entry in kept] == sorted(entry.at for entry in kept)
    assert [event.at for event in sent] == sorted(event.at for event in sent)


class Broken(Fault):
    """Has a defect of its own: it raises on a greeting."""

    name = "broken"

    def apply(self, event: Event, context: Context) -> list[Event]:
        if isinstance(event, Message) and event.flow == "bad":
            raise ValueError("a defect")
        return [event]


def test_what_was_due_before_a_defect_is_sent_and_what_is_due_after_it_too() -> None:
    async def run() -> tuple[list[Event], list[Entry]]:
        clock, kept, sent = ManualClock(), list[Entry](), list[Event]()
        session = Session(compile_script(agent_run()), [Rule(name="broken", fault=Broken())])
        pump = Pump(session, clock, lambda flow, events: sent.extend(events), kept.append)
        for flow in ("good", "bad", "late"):
            pump.feed(replace(agent_run().events[2], flow=flow, at=0))
        clock.advance_to(SECOND)  # all of it is due in one turn
        pump.turn()
        pump.stop()
        return sent, kept

    sent, kept = asyncio.run(run())
    by_flow = {flow: [event.kind for event in sent if event.flow == flow] for flow in ("good", "bad", "late")}
    assert by_flow["good"] == by_flow["late"] == ["response", "message", "message"]
    assert by_flow["bad"] == ["response", "reset"]
    assert [entry for entry in kept if isinstance(entry, Event) and entry.direction is DOWN] == sent
    assert [entry.at for entry in kept] == sorted(entry.at for entry in kept)
    assert [entry.what for entry in kept if isinstance(entry, Note) and entry.flow == "bad"][-1] == "failed"


def test_what_the_session_cannot_even_receive_ends_that_flow_alone() -> None:
    class Deaf(Session):
        def receive(self, event: Event) -> None:
            if event.flow == "bad":
                raise ValueError("a defect")
            super().receive(event)

    async def run() -> tuple[list[str], list[Event]]:
        cut, sent = list[str](), list[Event]()
        pump = Pump(
            Deaf(compile_script(agent_run())), ManualClock(), lambda _, events: sent.extend(events), cut=cut.append
        )
        for flow in ("bad", "good"):
            pump.feed(replace(agent_run().events[2], flow=flow, at=0))
        pump.advance(SECOND)
        await asyncio.sleep(0)
        return cut, sent

    cut, sent = asyncio.run(run())
    assert cut == ["bad"]
    assert {event.flow for event in sent} == {"good"}
