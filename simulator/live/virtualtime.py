"""Virtual time: event loops of this process agree on a time that stands still while anything happens, then jumps.

A loop takes part by its own `time` and its own selector, replaced on that one object for as long as the context
lasts. Once every loop waits, nothing that was sent is under way and no work is left to threads, time jumps to the
earliest of their timers. So a timeout of 119.9 s is exactly that, however loaded the machine is.

What is assumed: nothing else wakes a loop up. Threads are seen if they were given work by `run_in_executor`,
`asyncio.to_thread` or `anyio.to_thread`, or run an event loop themselves; others are not. `time.time()` and
`time.monotonic()` go on as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import select
import selectors
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from simulator.core.errors import StagesimError
from simulator.core.units import SECOND, duration
from simulator.live.quiet import Hindrance, inode, supported, under_way

POLL: Final = 0.01
"""Seconds between looks at what nobody announces, such as a thread that is blocked."""
SOON: Final = 0.001
_one_at_a_time: Final = threading.Lock()

Ready = list[tuple[selectors.SelectorKey, int]]


class VirtualTimeError(StagesimError):
    """Virtual time cannot be had here, or cannot go on."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem, place="virtual time", hint=hint)


class Participant:
    """An event loop that takes part. Its timers, its selector and its executor are watched until `leave`.

    A loop that was running already ends the task that asked for virtual time, should that fail, and not itself.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        virtual: VirtualTime,
        *,
        serves: bool = False,
        task: asyncio.Task[Any] | None = None,
    ) -> None:
        self.loop, self.serves, self._task = loop, serves, task
        self.parked = self.told = False
        self.parkings = 0
        self.deadline: float | None = None
        self.work: dict[object, str] = {}
        """What threads do for this loop."""
        self.files: dict[int, int] = {}
        """What this loop has ever waited for, inodes by file number."""
        self._virtual = virtual
        self._selector: selectors.BaseSelector = _selector_of(loop)
        self.real_select = self._selector.select
        self._joined = loop.time() - virtual.elapsed
        self._replaced: list[tuple[object, str]] = []
        for key in self._selector.get_map().values():
            self._watch(key.fd)
        self._replace_all()

    def _replace_all(self) -> None:
        register, execute = self._selector.register, self.loop.run_in_executor
        end_executor = self.loop.shutdown_default_executor

        def registered(file: Any, events: int, data: Any = None) -> selectors.SelectorKey:
            key = register(file, events, data)
            self._watch(key.fd)
            return key

        def executed(executor: Any, function: Callable[..., object], *args: Any) -> asyncio.Future[Any]:
            future = execute(executor, function, *args)
            self.work[future] = _name(function)
            future.add_done_callback(lambda done: self.work.pop(done, None))
            return future

        async def ended(*args: Any) -> None:
            self.work[ended] = "shutdown_default_executor"
            try:
                await end_executor(*args)
            finally:
                del self.work[ended]

        async def refused(*_: object, **__: object) -> None:
            raise self._virtual.fail("a subprocess was started, whose time cannot be moved")

        self._replace(self._selector, select=self._select, register=registered)
        self._replace(self.loop, run_in_executor=executed, shutdown_default_executor=ended)
        self._replace(self.loop, subprocess_exec=refused, subprocess_shell=refused)
        self.loop.time = lambda: self._joined + self._virtual.elapsed  # type: ignore[method-assign]

    def _replace(self, owner: object, **methods: Callable[..., object]) -> None:
        for name, method in methods.items():
            setattr(owner, name, method)
            self._replaced.append((owner, name))

    def leave(self) -> None:
        """Give the loop back. It keeps its time, which goes on as real time does and has never gone back."""
        for owner, name in self._replaced:
            delattr(owner, name)
        self._replaced.clear()
        if self._task is not None and self.told:
            self._task.uncancel()
        self.wake()

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is closed
            self.loop.call_soon_threadsafe(lambda: None)

    def is_due(self, now: float) -> bool:
        return self.deadline is not None and self.deadline <= now

    def is_busy(self, now: float) -> bool:
        return not self.parked or self.is_due(now)

    def has_ready(self) -> bool:
        """Whether something that the loop waits for has come; also asked by other threads."""
        poll = select.poll()
        poll.register(self._selector.fileno(), select.POLLIN)  # type: ignore[attr-defined]
        return bool(poll.poll(0))

    def where(self) -> str:
        """What the loop's thread does, in the innermost line that is neither Python's nor a library's."""
        thread = getattr(self.loop, "_thread_id", None)
        frame = innermost = sys._current_frames().get(thread or 0)
        library = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))
        while frame is not None and frame.f_code.co_filename.startswith(library):
            frame = frame.f_back
        frame = frame or innermost
        return "" if frame is None else f" in {frame.f_code.co_filename}:{frame.f_lineno}"

    def _watch(self, fd: int) -> None:
        found = inode(fd)
        if found is not None:
            self.files[fd] = found

    def _select(self, timeout: float | None = None) -> Ready:
        if self._virtual.over:
            self._tell()
            return self.real_select(timeout)
        ready = self.real_select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        ready = self._virtual.park(self, timeout)
        self._tell()
        return ready

    def _tell(self) -> None:
        """A client ends with the reason, once: what clears up after it has real time."""
        if self._virtual.failure is None or self.serves or self.told:
            return
        self.told = True
        if self._task is None:
            raise self._virtual.failure
        self._task.cancel(str(self._virtual.failure))


class VirtualTime:
    """A time that a server's loop and its clients' loops share; a context manager.

    Loops that are made inside by `asyncio.run` take part, in any thread, and so does the loop inside which it is
    entered. Where time cannot be moved, entering raises VirtualTimeError; where that turns out later, `failed` is
    called (in any thread), loops that were made inside end with the error, and so does the context.
    """

    def __init__(
        self,
        server: asyncio.AbstractEventLoop,
        failed: Callable[[], object],
        *,
        patience: str = "10s",
        limit: str = "24h",
    ) -> None:
        """`patience` is real time that anything may hold it up, `limit` virtual time that clients may wait."""
        self.failure: VirtualTimeError | None = None
        self.over = False
        self._server, self._failed = server, failed
        self._patience, self._limit = duration(patience) / SECOND, duration(limit) / SECOND
        self._now, self._ended = 0.0, math.nan
        self._participants: list[Participant] = []
        self._lock = threading.RLock()
        self._hindered: tuple[Hindrance, float] | None = None
        self._new_event_loop = asyncio.events.new_event_loop

    @property
    def elapsed(self) -> float:
        """Seconds that have passed since it was entered; from its end on, real ones."""
        return self._now + (time.monotonic() - self._ended if self.over else 0)

    def __enter__(self) -> Self:
        if not supported():
            raise VirtualTimeError("needs Linux 4.19 or newer, which counts what is under way between sockets")
        client = _running_loop()
        if client is not None:
            _selector_of(client)
        if not self._server.is_running():
            raise VirtualTimeError("the staging does not run", hint="start() it first")
        if self.over or not _one_at_a_time.acquire(blocking=False):
            raise VirtualTimeError("one at a time, and each only once")
        with contextlib.ExitStack() as undo:
            undo.callback(_one_at_a_time.release)
            asyncio.run_coroutine_threadsafe(self._join_server(), self._server).result()
            if client is not None:
                self._join(client, task=asyncio.current_task())
            undo.pop_all()
        _make_loops_by(self.new_event_loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _make_loops_by(self._new_event_loop)
        with self._lock:
            self._go_on()
            for participant in self._participants:
                participant.leave()
        _one_at_a_time.release()
        if self.failure is not None and error is not self.failure:
            raise self.failure

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A loop that takes part, for `asyncio.Runner(loop_factory=…)`. Raises VirtualTimeError for uvloop."""
        loop = self._new_event_loop()
        try:
            self._join(loop)
        except VirtualTimeError:
            loop.close()
            raise
        return loop

    async def _join_server(self) -> None:
        self._join(self._server, serves=True)

    def _join(
        self, loop: asyncio.AbstractEventLoop, *, serves: bool = False, task: asyncio.Task[Any] | None = None
    ) -> None:
        with self._lock:
            self._participants.append(Participant(loop, self, serves=serves, task=task))

    def fail(self, problem: str) -> VirtualTimeError:
        """Give up; from here on it is real time for everybody."""
        with self._lock:
            if self.failure is None:
                self.failure = VirtualTimeError(problem)
                self._go_on()
                for participant in self._participants:
                    participant.wake()
                self._failed()
            return self.failure

    def _go_on(self) -> None:
        if not self.over:
            self._ended = time.monotonic()
            self.over = True

    # --- what a loop does instead of waiting -------------------------------------------------------------------

    def park(self, who: Participant, timeout: float | None) -> Ready:
        """Wait until something is ready or the time has come."""
        with self._lock:
            who.deadline = None if timeout is None else self._now + timeout
            who.parked = True
            who.parkings += 1
        try:
            while True:
                with self._lock:
                    wait = self._turn(who)
                ready = who.real_select(wait)
                if ready or not wait:
                    return ready
        finally:
            with self._lock:
                who.parked = False

    def _turn(self, who: Participant) -> float:
        """Let time pass if it may; seconds until the next look, 0 if this loop is to go on."""
        if self.over or who.is_due(self._now):
            return 0
        running = [one for one in self._participants if one.loop.is_running()]
        hindrance = self._hindrance(running)
        waited = self._waited(hindrance)
        if hindrance is not None and waited < min(hindrance.patience, self._patience):
            return SOON if waited < POLL else POLL
        if hindrance is not None and not hindrance.passes:
            self.fail(hindrance.tell())
        elif any(not one.serves for one in running):  # for nobody, it does not pass
            self._jump(min(one.deadline for one in running if one.deadline is not None), running, who)
        return 0 if self.over or who.is_due(self._now) else POLL

    def _jump(self, when: float, running: list[Participant], who: Participant) -> None:
        if when > self._limit:
            self.fail(f"{self._limit:g} s have passed and a client still waits")
            return
        self._now = when
        for one in running:
            if one is not who and one.is_due(when):
                one.wake()

    def _waited(self, hindrance: Hindrance | None) -> float:
        """Seconds of real time that the same hindrance has been there."""
        now = time.monotonic()
        if hindrance is None or self._hindered is None or hindrance != self._hindered[0]:
            self._hindered = None if hindrance is None else (hindrance, now)
        return 0 if self._hindered is None else now - self._hindered[1]

    def _hindrance(self, running: list[Participant]) -> Hindrance | None:
        """Why time may not pass. The order is what makes it exact.

        Once all loops are parked nothing is sent, once nothing is under way nothing more arrives, and what has
        arrived is ready.
        """
        busy = next((one for one in running if one.is_busy(self._now)), None)
        if busy is not None:
            return _blocked(busy)
        sent = under_way({file for one in self._participants for file in [*one.files.items()]})
        if sent is not None and not sent.passes:
            return sent
        work = [name for one in running for name in one.work.values()] + _work_of_anyio()
        if work:
            return Hindrance(
                key=("work", *work),
                tell=lambda: f"work in a thread, {work[0]}, does not end, and time waits for it",
            )
        ready = next((one for one in running if one.has_ready()), None)
        if ready is not None:
            return _blocked(ready)
        if all(one.deadline is None for one in running) and not all(one.serves for one in running):
            return Hindrance(
                key="nothing", tell=lambda: "nothing can happen any more: clients wait without a timeout"
            )
        return sent


def _blocked(busy: Participant) -> Hindrance:
    return Hindrance(
        key=("busy", id(busy), busy.parkings),
        tell=lambda: f"an event loop is blocked{busy.where()}, and time waits for it",
    )


def _selector_of(loop: asyncio.AbstractEventLoop) -> selectors.BaseSelector:
    """Raises VirtualTimeError for loops that keep their own time, such as uvloop's."""
    selector = getattr(loop, "_selector", None)
    if (
        not isinstance(selector, selectors.BaseSelector)
        or not hasattr(selector, "fileno")
        or getattr(type(loop), "time", None) is not asyncio.BaseEventLoop.time
    ):
        raise VirtualTimeError(
            f"the time of {type(loop).__module__}.{type(loop).__name__} cannot be moved",
            hint="use asyncio's own event loop",
        )
    return selector


def _make_loops_by(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """What `asyncio.run` calls; event loop policies would do, but for being deprecated from Python 3.14 on."""
    for module in (asyncio, asyncio.events):
        setattr(module, "new_event_loop", factory)  # noqa: B010 - to mypy it is no attribute of asyncio


def _running_loop() -> asyncio.AbstractEventLoop | None:
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        raise VirtualTimeError("the time of a trio loop cannot be moved", hint="use asyncio's event loop")
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _name(function: Callable[..., object]) -> str:
    if isinstance(function, partial) and function.args:  # asyncio.to_thread runs one in its context
        function = function.args[0]
    return getattr(function, "__qualname__", type(function).__name__)


def _work_of_anyio() -> list[str]:
    """What anyio's worker threads do. Each is given it by a queue, and tells its loop before the queue."""
    workers = [one for one in threading.enumerate() if type(one).__module__ == "anyio._backends._asyncio"]
    queues = [getattr(worker, "queue", None) for worker in workers]
    return ["of anyio" for queue in queues if getattr(queue, "unfinished_tasks", 0)]
