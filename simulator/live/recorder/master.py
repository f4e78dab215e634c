"""mitmproxy, embedded: in a thread and a loop of its own, with nothing of it leaking into the process.

mitmproxy keeps its state in a module (`mitmproxy.ctx`), so a process can run one master at a time. `Master.run` is
not used, because it exits the process when a port is in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

from mitmproxy.addons import default_addons
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode

from simulator.core.errors import StagesimError

_LAST_WORDS: Final = 0.05
"""Seconds in which what clients have sent just before the end is still read."""
_STOP_WITHIN: Final = 5.0
"""Seconds that open connections get to be closed."""
_OPTIONS: Final[Mapping[str, Any]] = {
    "websocket": False,
    "http2": False,
    "connection_strategy": "lazy",
    "onboarding": False,
    "block_global": False,
    "keep_alt_svc_header": True,
    "mode": [],
}
"""As transparent as mitmproxy gets: raw frames after a 101, HTTP/1.1 on both sides, no page, filter or header of
its own. It connects only for a request, because before one it has no way to answer that it cannot. The modes are
not options here, because two of them could not both ask for a free port."""

_only_one: Final = threading.Lock()


class ProxyThread:
    """Runs mitmproxy with one more addon, which `make_addon` makes inside the loop from the proxy server.

    `on_error` gets one line for everything that mitmproxy logs as an error: it logs what an addon raises, and
    carries on. `before_stop` is called in the loop while all connections are still open.
    """

    def __init__(
        self,
        modes: Sequence[str],
        options: Mapping[str, Any],
        *,
        make_addon: Callable[[Proxyserver], object],
        before_stop: Callable[[], None],
        on_error: Callable[[str], None],
    ) -> None:
        self._modes, self._options = modes, {**_OPTIONS, **options}
        self._make_addon, self._before_stop = make_addon, before_stop
        self._on_error = on_error
        self._startup_errors: list[str] = []
        self._log = _ErrorLog(self._report)
        self._thread = threading.Thread(target=self._run, name="stagesim-recorder", daemon=True)
        self._listening: Future[list[int]] = Future()
        self._stop: Callable[[], object] = lambda: None

    def start(self) -> list[int]:
        """Listen, and return the port of each mode. Raises StagesimError."""
        if not _only_one.acquire(blocking=False):
            raise StagesimError("a process can run only one recorder at a time", hint="stop the other one first")
        self._thread.start()
        try:
            return self._listening.result()
        except BaseException:
            self._thread.join()
            raise

    def stop(self) -> None:
        """Close all connections, and end the thread. May be called twice."""
        with contextlib.suppress(RuntimeError):  # The loop is closed already.
            self._stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._log:
                asyncio.run(self._main())
        except BaseException as error:
            # Either start() is waiting for this, or nobody is, and then it must not get lost.
            if self._listening.done():
                self._log.report(f"the recorder has crashed: {type(error).__name__}: {error}")
            else:
                self._listening.set_exception(_does_not_start(error))
        finally:
            _only_one.release()

    async def _main(self) -> None:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(self._log.unhandled)
        master = Master(Options(), with_termlog=False)
        master._legacy_log_events.uninstall()  # It is a handler of the root logger.
        try:
            proxy = await self._open(master)
            self._stop = lambda: loop.call_soon_threadsafe(stopping.set)
            self._listening.set_result([int(server.listen_addrs[0][1]) for server in proxy.servers])
            await stopping.wait()
            await asyncio.sleep(_LAST_WORDS)
            self._before_stop()
            await _close(proxy)
        finally:
            await master.done()

    def _report(self, line: str) -> None:
        if self._listening.done():
            self._on_error(line)
        else:
            self._startup_errors.append(line)

    async def _open(self, master: Master) -> Proxyserver:
        addons: Any = master.addons  # Its methods are not typed.
        addons.add(*default_addons())  # type: ignore[no-untyped-call]
        master.options.update(**self._options)  # type: ignore[no-untyped-call]
        proxy: Proxyserver = addons.get("proxyserver")
        addons.add(self._make_addon(proxy))
        await proxy.servers.update([_mode(mode) for mode in self._modes])
        for server in proxy.servers:
            if server.last_exception is not None:
                failed = server.last_exception
                await proxy.servers.update([])
                raise _cannot_listen(server.mode, failed)
        await master.running()
        if self._startup_errors:  # A mistake in an option, for example, is only logged.
            await proxy.servers.update([])
            raise StagesimError(f"the recorder does not start: {self._startup_errors[0]}")
        return proxy


def _does_not_start(error: BaseException) -> BaseException:
    """The error as one for people, unless it is one already or none at all."""
    if isinstance(error, StagesimError) or not isinstance(error, Exception):
        return error
    problem = StagesimError(f"the recorder does not start: {type(error).__name__}: {error}")
    problem.__cause__ = error
    return problem


def _mode(spec: str) -> ProxyMode:
    try:
        mode = ProxyMode.parse(spec)
    except ValueError as error:
        raise StagesimError(f"mitmproxy cannot be told {spec!r}: {error}") from None
    if isinstance(mode, ReverseMode):
        mode.transport_protocol = "tcp"  # HTTP/3 cannot be recorded, so its port need not be free.
    return mode


def _cannot_listen(mode: ProxyMode, error: Exception) -> StagesimError:
    host, port = mode.listen_host(), mode.listen_port()
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return StagesimError(f"{address} is in use", hint="listen on another port; port 0 takes any free one")
    if isinstance(error, OSError) and error.errno == errno.EACCES:
        return StagesimError(f"listening on {address} is not permitted", hint="listen on a port above 1023")
    return StagesimError(f"cannot listen on {address}: {error}")


async def _close(proxy: Proxyserver) -> None:
    await proxy.servers.update([])
    for handler in list(proxy.connections.values()):
        client = handler.transports.get(handler.client)
        if client is not None and client.handler is not None:
            client.handler.cancel("the recorder stops")
    end = asyncio.get_running_loop().time() + _STOP_WITHIN
    while proxy.connections and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.005)  # mitmproxy has no event for it.


class _ErrorLog(logging.Handler):
    """Turns errors that mitmproxy and its loop log into lines, and keeps its logger from the root handlers."""

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self.report = report
        self._logger = logging.getLogger("mitmproxy")
        self._propagated = self._logger.propagate

    def __enter__(self) -> None:
        self._propagated = self._logger.propagate
        self._logger.propagate = False
        self._logger.addHandler(self)

    def __exit__(self, *error: object) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        self.report(_line(record.getMessage(), cause))

    def unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The loop's exception handler."""
        self.report(_line(str(context.get("message")), context.get("exception")))


def _line(message: str, cause: BaseException | None) -> str:
    """One line for a log record; mitmproxy's own text often has that of the exception already."""
    first = message.strip().partition("\n")[0]
    if cause is None:
        return f"mitmproxy: {first}"
    kind = type(cause).__name__
    return f"mitmproxy: {first} ({kind})" if str(cause) in first else f"mitmproxy: {first} ({kind}: {cause})"
