"""Offline staging: a proxy that answers hard-coded URLs from the recording, and knows no other answer.

It takes what proxies are asked (CONNECT, and requests with absolute targets, RFC 9110 §9.3.6 and RFC 9112 §3.2.2),
and clients that were led here by their addresses alone, whom it asks by TLS's server name and the Host field. It
connects to nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import h11

from simulator.core.errors import StagesimError
from simulator.core.visible import visible
from simulator.files.upstreams import at
from simulator.live.certificates import LocalCA, server_context
from simulator.live.connection import MAX_HEAD, Connection, end_with, refusal
from simulator.live.environment import node_environment, proxy_environment
from simulator.live.hosts import Host, Routes, asked_host
from simulator.live.server import ReplayServer, bound, url_of
from simulator.live.tls import HANDSHAKE_TIMEOUT, Door, TlsLayer, begins_tls, hand_over

_CONNECT: Final = b"CONNECT "
LOOPBACK: Final = "localhost,127.0.0.1,::1"
_TOLD: Final = 1000
"""Hosts about which something is said once; of those beyond, nothing is."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """How a command finds its hosts in the recording: which else there are, and who vouches for them."""

    hosts: Sequence[Host]
    ca: LocalCA
    say: Say


@asynccontextmanager
async def offline(server: ReplayServer, asked: Offline) -> AsyncIterator[dict[str, str]]:
    """A proxy in front of a running replay, as the variables that lead a child command's clients to it.

    Raises StagesimError where the recording names no host, and nobody else does.
    """
    routes = Routes.of(server.script.recording.header.services, asked.hosts)
    proxy = OfflineProxy(server, routes, asked.ca, asked.say)
    url = await proxy.start()
    try:
        own = [urlsplit(address).netloc for address in (url, *server.urls.values())]
        direct = [*own, *(["loopback"] if proxy.bypass else [])]
        yield proxy_environment(url, asked.ca.file, bypass=proxy.bypass) | node_environment(url, direct)
    finally:
        proxy.stop()


class OfflineProxy:
    """A proxy on loopback in front of a running replay; `say` gets one line about every stranger."""

    def __init__(self, server: ReplayServer, routes: Routes, ca: LocalCA, say: Say) -> None:
        if not routes.services:
            hint = "--host api.staging.example=SERVICE says which host a service is"
            raise StagesimError("the recording names no host to answer for", place="--offline", hint=hint)
        self.server, self.ca = server, ca
        self.routes = routes.and_also(server.urls)
        self._hosts, self._say = str(routes), say
        self.bypass = "" if routes.has_loopback() else LOOPBACK
        """Hosts that clients need not ask the proxy for: none, if the recording was made on this machine."""
        self._told: set[str] = set()
        self._listening: asyncio.Server | None = None
        self.context = server_context()
        self.context.sni_callback = self._chosen

    async def start(self) -> str:
        """Listen; gives back the proxy's URL."""
        sock = bound("127.0.0.1", 0)
        self._listening = await asyncio.get_running_loop().create_server(lambda: Entrance(self), sock=sock)
        return url_of(sock)

    def stop(self) -> None:
        """Listen no more. Connections end with the replay's."""
        if self._listening is not None:
            self._listening.close()

    def service(self, name: str, port: int) -> str:
        """The service that a host is. Raises RemoteProtocolError with what a stranger is to be told."""
        found = self.routes.find(name, port)
        if found is None:
            raise self.refused(at(name, port))
        if not self.server.is_up(found):
            raise h11.RemoteProtocolError(f"{at(name, port)} is down", error_status_hint=502)
        return found

    def refused(self, host: str) -> h11.RemoteProtocolError:
        """Note that somebody asked for a host that is not there, and say so."""
        self.server.missed(f"host {host}", [f"there are {self._hosts}"])
        problem = f"{visible(host)} is not in the recording, which has {self._hosts}"
        if host not in self._told and len(self._told) < _TOLD:
            self._told.add(host)
            self._say(f"{problem} (--host NAME=SERVICE adds one)")
        return h11.RemoteProtocolError(f"stagesim --offline: {problem}", error_status_hint=502)

    def asked(self, request: h11.Request, *, secure: bool) -> tuple[str, str]:
        """The host that a request names, and the service that this is. Raises RemoteProtocolError."""
        try:
            name, port = asked_host(request, secure=secure)
        except ValueError as error:
            raise h11.RemoteProtocolError(str(error), error_status_hint=400) from None
        return name, self.service(name, port)

    def route(self, request: h11.Request, *, secure: bool) -> str:
        if request.method == b"CONNECT":
            problem = "a CONNECT must be the first request of its connection"
            raise h11.RemoteProtocolError(problem, error_status_hint=405)
        return self.asked(request, secure=secure)[1]

    def connection(self, *, secure: bool) -> Connection:
        return self.server.connected("", partial(self.route, secure=secure))

    def tunnel(self, name: str, service: str) -> Door:
        """What is behind a CONNECT: the recorded service itself, over TLS or not."""
        context = self.ca.context((name,))
        inner = partial(self.server.connected, service)
        return Door(service, lambda: context, inner, on_made=self.server.made, on_lost=self.server.lost)

    def _chosen(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        """Answer a TLS hello that came without a CONNECT with the certificate of the host that it names."""
        if name is None or not self.routes.knows(name.lower()):
            self.refused(name or "a host without a name")
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        try:
            tls.context = self.ca.context((name.lower(),))
        except StagesimError as error:
            self._say(str(error))
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        return None


class Entrance(asyncio.Protocol):
    """A new connection to the proxy, until it is known what it wants."""

    def __init__(self, proxy: OfflineProxy) -> None:
        self.service: str | None = None
        self._proxy, self._hub = proxy, proxy.server
        self._begin = b""
        self._http: h11.Connection | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._hub.made(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._leave()

    def data_received(self, data: bytes) -> None:
        if self._timer is None:  # from the first byte on
            self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_TIMEOUT, self.close)
        if self._http is not None:
            self._connect(data)
            return
        self._begin += data
        if begins_tls(self._begin):
            inner = self._proxy.connection(secure=True)
            hub, context = self._hub, self._proxy.context
            self._become(TlsLayer(context, inner, None, on_made=hub.made, on_lost=hub.lost), self._begin)
        elif not self._begin.startswith(_CONNECT[: len(self._begin)]):
            self._become(self._proxy.connection(secure=False), self._begin)
        elif len(self._begin) >= len(_CONNECT):
            self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
            self._connect(self._begin)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _connect(self, data: bytes) -> None:
        """Answer a CONNECT as soon as all of its head is there (RFC 9110 §9.3.6)."""
        if self._over or self._http is None or self._transport is None:
            return
        try:
            self._http.receive_data(data)
            request = self._http.next_event()
            if not isinstance(request, h11.Request):
                return
            name, service = self._proxy.asked(request, secure=True)
            behind = self._proxy.tunnel(name, service)
            self._http.next_event()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, str(error))
        except StagesimError as error:
            self._refuse(502, str(error))
        else:
            self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._become(behind, self._http.trailing_data[0])

    def _refuse(self, status: int, problem: str) -> None:
        """Clients show the reason rather than the body of an answer to CONNECT, so both say it."""
        self._over = True
        if self._transport is not None:
            end_with(self._transport, refusal(status, problem, reason=problem))

    def _become(self, protocol: asyncio.Protocol, data: bytes) -> None:
        try:
            if self._transport is not None:
                hand_over(self._transport, protocol, data)
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._hub.lost(self)
