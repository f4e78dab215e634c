"""The pump, when the loop is late: what was due goes out before what came meanwhile is heard."""

from __future__ import annotations

import asyncio
import json

from simulator.core.events import Event, Message
from simulator.core.journal import Entry
from simulator.core.script import compile_script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.units import MILLISECOND
from simulator.live.clock import ManualClock
from simulator.live.pump import Pump
from tests.conversations import CREATED, UP, agent_run, text


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
