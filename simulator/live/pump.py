"""The pump: the one loop that feeds a session what comes, and performs what falls due. It decides nothing."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from itertools import groupby

from simulator.core.errors import StagesimError
from simulator.core.events import Event
from simulator.core.journal import Entry, Note
from simulator.core.session import Session
from simulator.core.underway import FlowError
from simulator.core.units import SECOND, Time
from simulator.live.clock import Clock, ManualClock

logger = logging.getLogger(__name__)

Perform = Callable[[str, list[Event]], None]
"""Puts the events of one flow on its wire."""
Cut = Callable[[str], None]
"""Ends a flow's connection that cannot go on."""
Keep = Callable[[Entry], None]
"""Takes journal entries as they are made."""


class Pump:
    """Drives one session on the running event loop."""

    def __init__(
        self,
        session: Session,
        clock: Clock,
        perform: Perform,
        keep: Keep | None = None,
        cut: Cut = lambda flow: None,
        remember: int | None = None,
    ) -> None:
        self.session, self.clock = session, clock
        self._perform, self._cut, self._keep = perform, cut, keep
        self._kept, self._remember = 0, remember
        self._came: deque[Event] = deque()
        self._watchers: list[Callable[[], None]] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._turning = self._again = False

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have something called whenever the journal may have grown."""
        self._watchers.append(watcher)

    def feed(self, event: Event) -> None:
        """Something came from a client, stamped with the clock's time; what is due at once goes out at once."""
        self._came.append(event)
        self.turn()

    def turn(self) -> None:
        """Perform everything that is due, then wait for the next deadline."""
        self._again = True
        if self._turning:  # performing may bring in the next request of a kept connection: it waits its turn
            return
        self._turning = True
        try:
            while self._again:
                self._again = False
                self._perform_due()
        finally:
            self._turning = False
            self._wait()  # whatever happened: without a timer, time stands still for everybody
        self._write_journal()

    def _perform_due(self) -> None:
        """What was due before something came goes out before it: the journal is in order of time."""
        while self._came:
            event = self._came.popleft()
            self._perform_until(event.at)
            try:
                self.session.receive(event)
            except Exception as error:  # what one client sends must not stop the others' time
                self._end(event.flow, event.at, error)
        self._perform_until(self.clock.now())

    def _perform_until(self, now: Time) -> None:
        for flow, group in groupby(self._due(now), key=lambda event: event.flow):
            try:
                self._perform(flow, list(group))
            except Exception as error:  # nor must one connection's trouble
                self._tell(flow, error)
                self._cut(flow)

    def _due(self, now: Time) -> list[Event]:
        """Everything that is due; a flow that cannot go on ends there, and the others have their turn."""
        events: list[Event] = []
        while True:
            try:
                return events + self.session.due(now)
            except FlowError as stopped:
                events += stopped.sent
                self._end(stopped.flow, stopped.at, stopped.__cause__ or stopped)

    def _end(self, flow: str, at: Time, error: BaseException) -> None:
        """End a flow that the session cannot go on with, and say why: in the journal, and to people."""
        self._tell(flow, error)
        why = f"{type(error).__name__}: {error}"
        self.session.journal.add(Note(at=at, flow=flow, what="failed", detail={"error": why}))
        self.session.cut(flow, at)
        self._loop.call_soon(self._cut, flow)  # once what was due before is on the wire

    def _tell(self, flow: str, error: BaseException) -> None:
        what = f"flow {flow} is cut" if flow else "a rule cannot go on"
        logger.error("stagesim: %s: %s: %s", what, type(error).__name__, error)

    def advance(self, by: Time) -> bool:
        """Let time pass on a manual clock, from deadline to deadline; False if nothing more can ever happen."""
        if not isinstance(self.clock, ManualClock):
            raise TypeError("only a manual clock can be advanced")
        end = self.clock.now() + by
        while (deadline := self.session.deadline()) is not None and deadline <= end:
            self.clock.advance_to(max(deadline, self.clock.now()))
            self.turn()
        self.clock.advance_to(end)
        self.turn()
        return self.session.deadline() is not None

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._write_journal()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.session.deadline()
        if deadline is None or isinstance(self.clock, ManualClock):
            return
        self._timer = self._loop.call_later(max(0, deadline - self.clock.now()) / SECOND, self.turn)

    def _write_journal(self) -> None:
        for entry in self.session.journal.since(self._kept) if self._keep is not None else ():
            self._kept += 1
            try:
                if self._keep is not None:
                    self._keep(entry)
            except StagesimError as error:
                self._keep = None
                logger.error("stagesim: the journal ends here: %s", error)
        for watcher in self._watchers:
            watcher()
        if self._remember is not None:
            self.session.journal.forget(self._remember)
