"""The live driver: plays a recording's client against a real server, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from typing import Final
from urllib.parse import SplitResult, urlsplit

import h11

from simulator.core.driver import Driver, client_plan
from simulator.core.errors import StagesimError
from simulator.core.events import Chunk, Direction, Event, Request, Reset, Response, ends_link
from simulator.core.matching.compare import label
from simulator.core.recording import Recording
from simulator.core.sendable import check_sendable
from simulator.core.units import SECOND, Time
from simulator.core.values.planning import plan
from simulator.live.call import Call
from simulator.live.clock import RealClock

PATIENCE: Final = 10.0
"""Seconds that a server may be silent beyond the longest silence in the recording."""


class LiveDriver:
    """Drives one recording once; `urls` are the servers by the names of the recorded services.

    What the client sent is sent again as it was, after what it followed there; ids and tokens that the server made
    are this run's. `speed` divides recorded delays. `problems` are requests that could not be made.
    """

    def __init__(
        self, recording: Recording, urls: Mapping[str, str], *, speed: float = 1.0, patience: float = PATIENCE
    ) -> None:
        check_sendable(recording)
        self._origins = {service: _origin(service, url) for service, url in urls.items()}
        for event in recording.events:
            if isinstance(event, Request) and event.service not in self._origins:
                raise StagesimError(f"no URL for the service {event.service!r}")
        self.problems: list[str] = []
        self._driver = Driver(recording, client_plan(plan(recording)), speed)
        self._quiet = _longest_silence(recording) / speed / SECOND + patience
        self._streaming = {
            event.flow for event in recording.events if isinstance(event, Response) and event.streaming
        }
        self._clock = RealClock()
        self._calls: dict[str, Call] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._heard = asyncio.Event()

    async def run(self) -> list[Event]:
        """Play until all is said, or nothing more can come, or the server has been silent for too long.

        Gives back what it has not said.

        A server that says what was never recorded, however much, counts as silent, but for the chunks of a stream.
        WebSockets that the recording leaves open stay open until `close`.
        """
        self._clock = RealClock()
        self._turn()
        while self._driver.deadline() is not None or (self._driver.unseen() and self._is_heard_from()):
            self._heard.clear()
            try:
                async with asyncio.timeout(self._quiet):
                    await self._heard.wait()
            except TimeoutError:
                break
        return self._driver.unseen()

    def otherwise(self) -> list[Event]:
        """What the server has said in other words than were recorded."""
        return self._driver.otherwise()

    def _is_heard_from(self) -> bool:
        """Whether a connection is open, or being made, on which something can come."""
        return any(not call.over for call in self._calls.values())

    def close(self) -> None:
        """End every connection that is still there."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._connecting:
            task.cancel()
        for call in self._calls.values():
            call.close()

    def _hear(self, event: Event) -> None:
        if self._driver.receive(event) or isinstance(event, Chunk) or ends_link(event):
            self._heard.set()
        self._turn()

    def _wake(self) -> None:
        self._heard.set()
        self._turn()

    def _turn(self) -> None:
        """Send everything that is due, then wait for the next deadline."""
        for event in self._driver.due(self._clock.now()):
            self._heard.set()
            if isinstance(event, Request):
                self._open(event)
            elif event.flow in self._calls:
                self._calls[event.flow].send(event)
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._driver.deadline()
        if deadline is not None:
            wait = max(0, deadline - self._clock.now()) / SECOND
            self._timer = asyncio.get_running_loop().call_later(wait, self._wake)

    def _open(self, request: Request) -> None:
        call = Call(
            self._origins[request.service],
            streaming=request.flow in self._streaming,
            hear=self._hear,
            lost=self._heard.set,
            now=self._clock.now,
        )
        self._calls[request.flow] = call
        try:
            call.send(request)
        except h11.LocalProtocolError as error:
            self._give_up(call, request, f"{error}")
            return
        task = asyncio.ensure_future(self._connect(call, request))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, call: Call, request: Request) -> None:
        try:
            await call.connect()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            self._give_up(call, request, f"no connection: {reason or error}")
            self._wake()

    def _give_up(self, call: Call, request: Request, problem: str) -> None:
        """Nothing comes on this flow, and what waits for it on others need not wait any longer."""
        self.problems.append(f"{label(request)}: {problem}")
        call.close()
        self._driver.receive(
            Reset(flow=request.flow, at=self._clock.now(), direction=Direction.DOWNSTREAM, rst=True)
        )


def _origin(service: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise StagesimError(f"expected a URL such as http://127.0.0.1:8000, got {url!r}", place=service)
    return parts


def _longest_silence(recording: Recording) -> Time:
    times = [0, *(event.at for event in recording.events)]
    return max((after - before for before, after in pairwise(times)), default=0)
