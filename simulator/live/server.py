"""The replay server: a script on loopback ports, one for each recorded service."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from simulator.core.errors import StagesimError
from simulator.core.events import Event
from simulator.core.journal import Note
from simulator.core.jsontext import Json
from simulator.core.rule import Rule
from simulator.core.script import Script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.units import Time
from simulator.files.upstreams import at
from simulator.live.clock import Clock, RealClock
from simulator.live.connection import Connection, Route
from simulator.live.pump import Keep, Pump
from simulator.live.tls import Door, Wire

STOP_TIMEOUT: Final = 5.0
"""Seconds that connections get to end when the server stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where to listen: loopback and any free port unless said. Services after the first get ports of their own."""

    host: str = "127.0.0.1"
    port: int = 0


@dataclass(slots=True, kw_only=True)
class ReplayServer:
    """Serves a script until stopped; all of it happens on the loop that started it.

    The first service's port answers for all services, so that one URL is enough where paths do not clash; every
    service has a port that answers for it alone. `urls` are origins by service name, known after `start`: https
    with a context for `tls`, though every port answers to plain HTTP as well. `origins` are what recorded absolute
    URLs name instead of what was recorded, by service; by default, `urls`. `keep` is given every entry of the
    journal, of which the latest are in memory as well: as many as `remember` says, or all.
    """

    script: Script
    rules: Iterable[Rule] = ()
    settings: Settings = field(default_factory=Settings)
    listen: Listen = field(default_factory=Listen)
    clock: Clock = field(default_factory=RealClock)
    keep: Keep | None = None
    remember: int | None = None
    tls: ssl.SSLContext | None = None
    origins: Mapping[str, str] | None = None
    urls: dict[str, str] = field(init=False, default_factory=dict)
    pump: Pump = field(init=False)
    _servers: dict[str, asyncio.Server] = field(init=False, default_factory=dict)
    _wires: set[Wire] = field(init=False, default_factory=set)
    _flows: dict[str, Connection] = field(init=False, default_factory=dict)
    _stopped: bool = field(init=False, default=False)
    _idle: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _count: int = field(init=False, default=0)

    async def start(self) -> None:
        """Listen. Raises StagesimError where a port is in use."""
        services = self.script.services or ("staging",)
        sockets = {}
        for index, service in enumerate(services):
            sockets[service] = bound(self.listen.host, self.listen.port if index == 0 else 0)
        scheme = "http" if self.tls is None else "https"
        self.urls = {service: url_of(sock, scheme) for service, sock in sockets.items()}
        origins = self.urls if self.origins is None else self.origins
        settings = replace(self.settings, origins=origins, wall=self.clock.wall)
        session = Session(self.script, self.rules, settings)
        self.pump = Pump(session, self.clock, self._perform, self.keep, self._cut, self.remember)
        for service, sock in sockets.items():
            await self._serve(service, sock)

    async def _serve(self, service: str, sock: socket.socket) -> None:
        factory = partial(self.entered, self._speaks_for(service), self.tls)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(factory, sock=sock, backlog=1024, start_serving=False)
        self._servers[service] = server  # before anything else has its turn
        await server.start_serving()

    def _speaks_for(self, service: str) -> str:
        """The service that a port answers for: the first one's answers for all."""
        return "" if service == next(iter(self.urls)) else service

    def take_down(self, service: str) -> None:
        """Stop listening for a service, and reset its connections and whatever else is under way for it."""
        if service not in self._servers:
            return
        self._servers.pop(service).close()
        for flow in self.session.live:
            connection = self._flows.get(flow.view.id)
            mine = connection is not None and connection.service in (service, self._speaks_for(service))
            if mine or (flow.view.request is not None and flow.view.request.service == service):
                self.session.cut(flow.view.id, self.now())
        self.pump.turn()
        for wire in list(self._wires):
            if wire.service in (service, self._speaks_for(service)):
                wire.close()  # it was kept for a next request

    async def bring_up(self, service: str) -> None:
        """Listen again, where it was. Raises StagesimError where somebody else has taken the port."""
        if service not in self._servers:
            url = urlsplit(self.urls[service])
            await self._serve(service, bound(url.hostname or "", url.port or 0))

    def is_up(self, service: str) -> bool:
        """Whether a service is there; '' is whichever answers first."""
        return (service or next(iter(self.urls))) in self._servers

    @property
    def session(self) -> Session:
        return self.pump.session

    @property
    def url(self) -> str:
        """The first service's origin."""
        return next(iter(self.urls.values()))

    async def stop(self) -> None:
        """Close everything, connections with a reset."""
        self._stopped = True
        for server in self._servers.values():
            server.close()
        for wire in list(self._wires):
            wire.close()
        with contextlib.suppress(TimeoutError):  # a connection that asyncio never ends must not keep us
            async with asyncio.timeout(STOP_TIMEOUT):
                if self._wires:
                    await self._idle.wait()
                for server in self._servers.values():
                    await server.wait_closed()
        self.pump.stop()

    # --- what connections need ---------------------------------------------------------------------------------

    def entered(self, service: str, context: ssl.SSLContext | None) -> asyncio.Protocol:
        """What serves a new connection, TLS or plain if there is a context."""
        if context is None:
            return self.connected(service)
        return Door(
            service, lambda: context, lambda: self.connected(service), on_made=self.made, on_lost=self.lost
        )

    def connected(self, service: str, route: Route | None = None) -> Connection:
        return Connection(self, service, self.made, self.lost, route=route)

    def made(self, wire: Wire) -> None:
        """There is something to end when the server stops."""
        if self._stopped:
            wire.close()
        self._wires.add(wire)
        self._idle.clear()

    def lost(self, wire: Wire) -> None:
        self._wires.discard(wire)
        if not self._wires:
            self._idle.set()

    def missed(self, event: str, nearest: list[str]) -> None:
        """Note a request that could not become a flow, because nothing in the recording is like it."""
        self.pump.turn()  # what was due before goes into the journal before it
        detail: dict[str, Json] = {"event": event, "nearest": [*nearest]}
        self.session.journal.add(Note(at=self.now(), flow="", what="missed", detail=detail))
        self.pump.turn()

    def now(self) -> Time:
        return self.clock.now()

    def opened(self, connection: Connection) -> str:
        self._count += 1
        self._flows[str(self._count)] = connection
        return str(self._count)

    def feed(self, event: Event) -> None:
        self.pump.feed(event)

    def finished(self, flow: str) -> None:
        self._flows.pop(flow, None)
        self.session.forget(flow)

    def keeps_open(self, flow: str) -> bool:
        return self.session.keeps_open(flow, self.now())

    def _cut(self, flow: str) -> None:
        if flow in self._flows:
            self._flows[flow].close()

    def _perform(self, flow: str, events: list[Event]) -> None:
        connection = self._flows.get(flow)
        if connection is not None:
            connection.perform(events)


def url_of(sock: socket.socket, scheme: str = "http") -> str:
    """The origin of what listens on a socket."""
    host, port = sock.getsockname()[:2]
    return f"{scheme}://{at(host, port)}"


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises StagesimError naming the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(1024)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise StagesimError(
            f"cannot listen: {error.strerror}", place=f"{host}:{port}", hint="--listen HOST:0 takes a free port"
        ) from None
    return sock


def ws_url(url: str) -> str:
    return "ws" + url.removeprefix("http")


def environment(urls: Mapping[str, str]) -> dict[str, str]:
    """The variables by which a child command learns where staging is."""
    first = next(iter(urls.values()))
    found = {"STAGESIM_URL": first, "STAGESIM_WS_URL": ws_url(first)}
    for service, url in urls.items():
        found |= {variable(service): url, variable(service, "WS_URL"): ws_url(url)}
    return found


def variable(service: str, what: str = "URL") -> str:
    """The variable that says where a service is: STAGESIM_BACKEND_URL."""
    name = "".join(char if char.isalnum() else "_" for char in service.upper())
    return f"STAGESIM_{name}_{what}"
