"""The recorder as the rest of the program sees it; mitmproxy is imported only when one is made."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from simulator.core.errors import StagesimError
from simulator.core.events import Event
from simulator.core.units import SECOND, Time
from simulator.files.upstreams import ServiceNames, Upstream, check_upstreams
from simulator.live.recorder.needed import check_mitmproxy, importing_mitmproxy
from simulator.live.recorder.tape import Summary, Tape, Timer

if TYPE_CHECKING:
    from mitmproxy.addons.proxyserver import Proxyserver

    from simulator.live.recorder.addon import RecordingAddon
    from simulator.live.recorder.master import ProxyThread

_REACHABLE: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104, nothing is bound here
"""Where clients reach what listens everywhere."""


def _monotonic() -> Time:
    return time.monotonic_ns() // 1000


class Recorder:
    """Records what passes between clients and `upstreams`: WebSocket and HTTP, TLS included.

    As a reverse proxy it has an address for each upstream; with `forward`, it is a proxy for any host, and the
    upstreams only say which names hosts get. `sink` gets every event once, in the order of their times, from the
    recorder's own thread; time 0 is when the recorder began to listen. `on_problem` gets a line for everything
    that is missing from the recording, each line once. `trust` is a PEM file with CAs to trust besides the usual
    ones; `insecure` trusts every certificate. `confdir` keeps the CA that clients must trust; None makes a new one
    that lasts as long as the recorder. `clock` counts µs and never goes back.

    Not recorded, because mitmproxy does not pass it on: HTTP/2 and HTTP/3 (all agree on HTTP/1.1), trailers, 1xx
    responses, how the body of a request was cut, and half-closed connections: a FIN is taken for the end. An RST
    reaches the other side as a FIN, but is recorded as RST. A client whose server cannot be reached gets a 502
    that is not recorded; its request is. A server's absolute URLs lead clients past a reverse proxy.
    """

    def __init__(
        self,
        sink: Callable[[Event], None],
        *,
        upstreams: Sequence[Upstream],
        listen: tuple[str, int] = ("127.0.0.1", 0),
        forward: bool = False,
        trust: Path | None = None,
        insecure: bool = False,
        confdir: Path | None = None,
        clock: Callable[[], Time] = _monotonic,
        on_problem: Callable[[str], None] = lambda line: None,
    ) -> None:
        check_upstreams(upstreams)
        if not upstreams and not forward:
            raise StagesimError("there is nothing to record", hint="give --upstream NAME=URL, or --forward")
        check_mitmproxy("recording")
        self._sink, self._on_problem, self._clock = sink, on_problem, clock
        self._upstreams, self._listen, self._forward = tuple(upstreams), listen, forward
        self._trust, self._insecure, self._confdir = trust, insecure, confdir
        self._has_own_ca = confdir is None
        self._names = ServiceNames(self._upstreams)
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._thread: ProxyThread | None = None
        self._addon: RecordingAddon | None = None
        self._tape: Tape | None = None
        self._ports: list[int] = []
        self.created: Time = 0
        """The wall time of time 0, in µs since the Unix epoch; known before the sink gets its first event."""

    def start(self) -> None:
        """Begin to record, once; returns when the recorder listens. Raises StagesimError."""
        if self._thread is not None:
            raise StagesimError("a recorder records once", hint="make another one")
        make_thread = _import_mitmproxy()
        self._scratch = tempfile.TemporaryDirectory(prefix="stagesim-recorder-")
        if self._has_own_ca:
            self._confdir = Path(self._scratch.name)
        try:
            self._thread = make_thread(
                self._modes(),
                self._options(Path(self._scratch.name)),
                make_addon=self._make_addon,
                before_stop=self._finish,
                on_error=self._problem,
            )
            self._ports = self._thread.start()
        except BaseException:
            self._thread = None
            self._scratch.cleanup()
            raise

    def stop(self) -> Summary:
        """End the recording, and say what it came to; sockets that are still open are closed after that.

        Raises nothing, and may be called twice.
        """
        if self._thread is not None:
            self._thread.stop()
        if self._scratch is not None:
            self._scratch.cleanup()
        return self._tape.summary(self._names.services()) if self._tape else Summary()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where clients find each upstream: {'backend': 'http://127.0.0.1:8080'}; empty for a forward proxy."""
        if self._forward:
            return {}
        return {
            upstream.name: self._address(port)
            for upstream, port in zip(self._upstreams, self._ports, strict=False)
        }

    @property
    def proxy_address(self) -> str | None:
        """The address of the forward proxy, such as 'http://127.0.0.1:8080'; None for a reverse proxy."""
        return self._address(self._ports[0]) if self._forward and self._ports else None

    @property
    def ca_file(self) -> Path:
        """The certificate, as PEM, that clients must trust to speak TLS with the recorder. Made by start()."""
        if self._confdir is None:
            raise StagesimError("a recorder without a confdir has no certificate before it is started")
        return self._confdir / "mitmproxy-ca-cert.pem"

    def _address(self, port: int) -> str:
        host = _REACHABLE.get(self._listen[0], self._listen[0])
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def _modes(self) -> list[str]:
        host, port = self._listen
        if self._forward:
            return [f"regular@{host}:{port}"]
        ports = [port, *(0 for _ in self._upstreams[1:])]
        return [
            f"reverse:{upstream.origin}@{host}:{port}"
            for upstream, port in zip(self._upstreams, ports, strict=True)
        ]

    def _options(self, scratch: Path) -> dict[str, Any]:
        options: dict[str, Any] = {"confdir": str(self._confdir), "ssl_insecure": self._insecure}
        if self._trust is not None:
            options["ssl_verify_upstream_trusted_ca"] = str(_with_usual_cas(self._trust, scratch))
        return options

    def _make_addon(self, proxy: Proxyserver) -> object:
        """Called in the recorder's loop, just before it listens."""
        from simulator.live.recorder.addon import RecordingAddon

        loop = asyncio.get_running_loop()

        def later(wait: Time, call: Callable[[], None]) -> Timer:
            return loop.call_later(wait / SECOND, call)

        self.created = time.time_ns() // 1000
        self._tape = Tape(self._sink, on_problem=self._on_problem, clock=self._clock, later=later)
        self._addon = RecordingAddon(self._tape, self._names, proxy.connections, str(self.ca_file))
        return self._addon

    def _finish(self) -> None:
        if self._addon is not None:
            self._addon.finish()

    def _problem(self, line: str) -> None:
        if self._tape is not None:
            self._tape.problem(line)


def _import_mitmproxy() -> type[ProxyThread]:
    """Import everything that imports mitmproxy. Raises StagesimError if its installation is broken."""
    with importing_mitmproxy("recording"):
        from simulator.live.recorder.master import ProxyThread
    return ProxyThread


def _with_usual_cas(trust: Path, scratch: Path) -> Path:
    """A file with these CAs and the usual ones, for mitmproxy trusts either its own list or a given one."""
    import certifi

    try:
        ssl.create_default_context(cafile=trust)
        both = scratch / "trusted.pem"
        both.write_text(f"{certifi.contents()}\n{trust.read_text()}")
    except (OSError, UnicodeDecodeError) as error:
        raise StagesimError(f"expected a PEM file with CA certificates: {error}", place=str(trust)) from None
    return both
