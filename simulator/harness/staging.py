"""A replay in a thread of its own, for tests of any kind: sync, asyncio, trio, unittest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from simulator.core.proof import RuleProof, proofs
from simulator.core.script import Script
from simulator.core.settings import Settings
from simulator.core.units import duration
from simulator.files.faultfiles import LoadedFault
from simulator.files.named import faults_of, rules_of
from simulator.harness.conversation import Conversation
from simulator.live.clock import LoopClock, ManualClock
from simulator.live.server import ReplayServer, environment, ws_url
from simulator.live.virtualtime import VirtualTime, VirtualTimeError

Result = TypeVar("Result")


class Staging:
    """A running replay. Its methods may be called from any thread; they return when what they ask for is done.

    With `manual`, time stands still until `advance`. Used as a context manager, or with `start` and `stop`.
    """

    def __init__(
        self,
        script: Script,
        faults: Iterable[LoadedFault] = (),
        settings: Settings | None = None,
        *,
        manual: bool = False,
    ) -> None:
        """Raises StagesimError for two rules of one name."""
        faults = tuple(faults)
        rules = tuple(rules_of(faults, "faults"))
        self.settings = settings or Settings()
        self.misses_allowed = False
        """Whether a test may send what is not in the recording."""
        self.unfired_allowed = False
        """Whether a test may end without its fault having fired."""
        self._manual = manual
        self._faults = {fault.name: [rule.name for rule in fault.rules] for fault in faults}
        self._loop = asyncio.new_event_loop()
        self._server = ReplayServer(
            script=script,
            rules=rules,
            settings=self.settings,
            clock=ManualClock() if manual else LoopClock(self._loop),
        )
        self._thread = threading.Thread(target=self._loop.run_forever, name="stagesim", daemon=True)

    def start(self) -> None:
        """Listen. Raises StagesimError where that is not possible."""
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result()
        except BaseException:
            self._end_loop()
            raise

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result()
        self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, service: str | None = None, path: str = "") -> str:
        """The http origin of a service, by default the first one, with a path. Raises KeyError."""
        return (self._server.urls[service] if service else self._server.url) + path

    def ws_url(self, path: str = "", service: str | None = None) -> str:
        """The same for WebSockets: 'ws://127.0.0.1:36045/ws'."""
        return ws_url(self.url(service)) + path

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which child processes learn where staging is."""
        return environment(self._server.urls)

    def advance(self, by: str) -> bool:
        """Let '2m' pass on a manual clock; False if nothing more can ever happen. Raises TypeError without one."""
        return self._call(lambda: self._server.pump.advance(duration(by)))

    def virtual_time(self, *, patience: str = "10s", limit: str = "24h") -> VirtualTime:
        """Let timeouts of asyncio clients in this process pass in no time, and exactly, inside a `with`.

        Event loops that are made inside take part, and so does the one inside which it is entered; sockets and
        threads are real. Time stands still while a thread works, for up to `patience`; clients that still wait
        after `limit` of virtual time are taken to hang. Where time cannot be moved, the `with` ends with
        VirtualTimeError, which says why. See `simulator.live.virtualtime`.
        """
        if self._manual:
            raise VirtualTimeError(
                "this staging's time stands still", hint="advance() it, or leave out manual=True"
            )
        return VirtualTime(self._loop, self._hang_up, patience=patience, limit=limit)

    def _hang_up(self) -> None:
        """Reset all connections, so that nobody waits for what will not come."""
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop)

    def arm(self, fault: str, **parameters: str) -> None:
        """Lay a fault over what is running, by name or file: all its rules, or none.

        Raises FaultError, and ValueError if a rule of one of their names is armed.
        """
        overrides = [(None, key, value) for key, value in parameters.items()]
        loaded = faults_of([fault], self._server.script.recording, overrides)
        rules = rules_of(loaded, fault)

        def arm() -> None:
            session = self._server.session
            armed = {stage.rule.name for stage in session.stages if stage.in_play}
            clash = next((rule.name for rule in rules if rule.name in armed), None)
            if clash is not None:
                raise ValueError(f"a rule named {clash!r} is armed already")
            for rule in rules:
                session.arm(rule, self._server.now())
            self._faults |= {each.name: [rule.name for rule in each.rules] for each in loaded}
            self._server.pump.turn()

        self._call(arm)

    def disarm(self, fault: str) -> bool:
        """Take a fault away, or a single rule; what it held is sent in order. False if it is not armed."""

        def disarm() -> bool:
            rules = self._faults.get(fault) or self._faults.get(Path(fault).stem) or [fault]
            found = [self._server.session.disarm(rule, self._server.now()) for rule in rules]
            self._server.pump.turn()
            return any(found)

        return self._call(disarm)

    @property
    def journal(self) -> Conversation:
        """What has happened so far."""
        return self._call(lambda: Conversation(tuple(self._server.session.journal)))

    @property
    def proofs(self) -> list[RuleProof]:
        """What every rule has done so far."""
        return self._call(lambda: proofs(self._server.session))

    @property
    def unfired(self) -> list[str]:
        """Faults of which no rule has fired so far."""
        fired = {proof.rule for proof in self.proofs if proof.exercised}
        return [fault for fault, rules in self._faults.items() if fired.isdisjoint(rules)]

    def _call(self, function: Callable[[], Result]) -> Result:
        """Run something in the server's thread and wait for it."""
        done: Future[Result] = Future()

        def run() -> None:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result()
