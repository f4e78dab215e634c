"""mitmproxy's hooks, turned into what an Exchange and a WebSocketConnection want to know.

The `websocket_*` hooks are not used: they hide pings, hold back fragments and invent closes. mitmproxy runs with
`websocket=false` instead, and then relays what follows a 101 untouched, through the `tcp_*` hooks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from mitmproxy import connection, http, tcp, tls
from mitmproxy.proxy import server, server_hooks

from simulator.core.events import Direction, Request
from simulator.files.upstreams import ServiceNames, origin
from simulator.live.recorder.exchange import Exchange, end_to_end
from simulator.live.recorder.failures import no_connection
from simulator.live.recorder.tape import Tape
from simulator.live.recorder.websocket import WebSocketConnection

_A_YEAR: Final = 365 * 24 * 3600
_CLIENT_IS_GONE: Final = "client disconnected"
"""mitmproxy's own words, in any case."""


class _Client:
    """A client's connection, and those to servers on its behalf: what is left of them when they are gone.

    mitmproxy does not tell RST from FIN, but the readers of its streams do.
    """

    def __init__(self, handler: server.ConnectionHandler) -> None:
        self.handler = handler
        self._readers: dict[str, asyncio.StreamReader] = {}
        self.remember(handler.client)

    def remember(self, peer: connection.Connection) -> None:
        reader = self.handler.transports[peer].reader
        if isinstance(reader, asyncio.StreamReader):
            self._readers[peer.id] = reader

    @property
    def is_gone(self) -> bool:
        reader = self._readers.get(self.handler.client.id)
        return reader is not None and (reader.at_eof() or reader.exception() is not None)

    def was_reset(self, peer: connection.Connection) -> bool:
        """Whether the peer ended its connection by RST."""
        reader = self._readers.get(peer.id)
        return reader is not None and isinstance(reader.exception(), ConnectionError)


class _Socket:
    """An upgraded connection with its two peers, and which of them went away first."""

    def __init__(self, client: _Client, flow: http.HTTPFlow, tape: WebSocketConnection) -> None:
        self.client, self.connection = client, tape
        self._peers = {Direction.UPSTREAM: flow.client_conn, Direction.DOWNSTREAM: flow.server_conn}
        self._gone: dict[Direction, bool] = {}

    def look(self) -> dict[Direction, bool]:
        """The peers that are gone, by RST (True) or FIN; once it is one, it stays that one: later, both are."""
        if not self._gone:
            self._gone = {
                direction: self.client.was_reset(peer)
                for direction, peer in self._peers.items()
                if not peer.state & connection.ConnectionState.CAN_READ
            }
        return self._gone

    def check(self) -> None:
        """Record that a peer is gone, if one is."""
        if gone := self.look():
            self.connection.vanished(gone)


class RecordingAddon:
    """Records what passes a mitmproxy master; `handlers` are its connections by the id of their client."""

    def __init__(
        self, tape: Tape, names: ServiceNames, handlers: Mapping[Any, server.ConnectionHandler], ca_file: str
    ) -> None:
        self._tape, self._names, self._handlers, self._ca_file = tape, names, handlers, ca_file
        self._clients: dict[str, _Client] = {}
        self._exchanges: dict[str, tuple[_Client, Exchange]] = {}
        self._sockets: dict[str, _Socket] = {}

    def finish(self) -> None:
        """The recording ends here, whatever is still under way."""
        for _, exchange in self._exchanges.values():
            exchange.abandon()
        for socket in self._sockets.values():
            socket.connection.abandon()
        self._exchanges.clear()
        self._sockets.clear()
        self._tape.close()

    # Connections

    def client_connected(self, client: connection.Client) -> None:
        handler = self._handlers[client.id]
        # An idle WebSocket is not for the recorder to close; mitmproxy would, after ten minutes.
        handler.timeout_watchdog.timeout = _A_YEAR
        self._clients[client.id] = _Client(handler)

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        if client := self._clients.get(data.client.id):
            client.remember(data.server)

    def client_disconnected(self, client: connection.Client) -> None:
        self._clients.pop(client.id, None)
        # Hooks for what came before this may still be waiting, and `tcp_end` with them.
        if socket := self._sockets.get(client.id):
            socket.look()

    def tls_failed_client(self, data: tls.TlsData) -> None:
        why, name = data.conn.error or "", data.conn.sni or "the recorder"
        if "not trust" in why:
            why = f"it does not trust the certificate of {name} (it must trust {self._ca_file})"
        self._tape.problem(f"no TLS with a client: {why}")

    # HTTP

    def request(self, flow: http.HTTPFlow) -> None:
        client = self._clients.get(flow.client_conn.id)
        if client is None:  # Gone already: mitmproxy will not pass its request on.
            return
        request = Request(
            flow=self._tape.open_flow(),
            at=self._tape.now(),
            service=self._names.of(_origin(flow)),
            method=flow.request.method,
            target=flow.request.data.path.decode("latin-1"),
            headers=end_to_end(flow.request.headers.fields),
            body=flow.request.raw_content or b"",
        )
        self._exchanges[flow.id] = client, Exchange(self._tape, request)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is None or flow.id not in self._exchanges:
            return
        _, exchange = self._exchanges[flow.id]
        reason = flow.response.data.reason.decode("latin-1")
        exchange.respond(flow.response.status_code, reason, end_to_end(flow.response.headers.fields))

        def stream(data: bytes) -> bytes:
            if data:
                exchange.chunk(bytes(data))
            return data

        flow.response.stream = stream

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.response is None or flow.id not in self._exchanges:
            return
        client, exchange = self._exchanges.pop(flow.id)
        exchange.end()
        if flow.response.status_code == 101:
            headers = end_to_end(flow.response.headers.fields)
            socket = WebSocketConnection(self._tape, exchange.flow, headers)
            self._sockets[flow.client_conn.id] = _Socket(client, flow, socket)

    def error(self, flow: http.HTTPFlow) -> None:
        message = flow.error.msg if flow.error else ""
        if flow.id not in self._exchanges:
            self._tape.problem(f"{self._names.of(_origin(flow))}: a request is not recorded: {message}")
            return
        client, exchange = self._exchanges.pop(flow.id)
        reached = flow.server_conn.timestamp_tcp_setup is not None
        if message.lower().startswith(_CLIENT_IS_GONE) or (client.is_gone and not reached):
            exchange.reset(Direction.UPSTREAM, rst=client.was_reset(flow.client_conn))
        elif not reached:
            self._tape.problem(no_connection(exchange.service, _origin(flow), message))
        else:
            exchange.reset(Direction.DOWNSTREAM, rst=client.was_reset(flow.server_conn))
            if not exchange.answered:
                # The client sees what the server did, and no 502 that it never sent.
                flow.kill()  # type: ignore[no-untyped-call]

    # WebSocket

    def tcp_start(self, flow: tcp.TCPFlow) -> None:
        socket = self._sockets.get(flow.client_conn.id)
        if socket is None:
            self._tape.problem(f"a connection to {flow.server_conn.address} is not HTTP, and is not recorded")
            return
        handler = socket.client.handler
        close = handler.close_connection

        def close_connection(peer: connection.Connection, half_close: bool = False) -> None:
            socket.check()
            close(peer, half_close)

        # No hook tells when a peer goes away: at `tcp_end`, mitmproxy has closed both connections.
        handler.close_connection = close_connection  # type: ignore[assignment, method-assign]

    def tcp_message(self, flow: tcp.TCPFlow) -> None:
        message = flow.messages[-1]
        flow.messages.clear()
        if socket := self._sockets.get(flow.client_conn.id):
            direction = Direction.UPSTREAM if message.from_client else Direction.DOWNSTREAM
            socket.connection.received(direction, bytes(message.content))

    def tcp_end(self, flow: tcp.TCPFlow) -> None:
        if socket := self._sockets.pop(flow.client_conn.id, None):
            socket.check()
            socket.connection.abandon()


def _origin(flow: http.HTTPFlow) -> str:
    return origin(flow.request.scheme, flow.request.host.lower(), flow.request.port)
