"""One connection of the replay server: HTTP/1.1 by h11, WebSocket by `frames`; bytes in, events out, and back.

Written on asyncio's transports, not on a web framework, because faults need the wire itself: a reset in the middle
of a frame, a body cut short, a frame that no library would agree to send.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Final, Protocol

import h11
from websockets.extensions.permessage_deflate import PerMessageDeflate

from simulator.core.events import (
    Bytes,
    Chunk,
    Close,
    Continuation,
    Direction,
    End,
    Event,
    Headers,
    Message,
    Request,
    Reset,
    Response,
    continuations,
    header,
    is_upgrade,
)
from simulator.core.matching.compare import is_upgrade_request
from simulator.core.units import Time
from simulator.core.values.places import with_length
from simulator.live.frames import FrameParser, encode, encode_frames, frame_parsers, negotiated
from simulator.live.handshake import switching
from simulator.live.tls import Tell

MAX_HEAD: Final = 256 * 1024
"""Bytes of a head that are read; a request's that is longer is refused with 431."""
MAX_BODY: Final = 64 * 1024 * 1024
"""Bytes of a request's body that are read; what is longer is refused with 413."""
LINGER: Final = 1.0
"""Seconds that a refused client is heard out."""
CLOSE_TIMEOUT: Final = 10.0
"""Seconds that a client has to answer a close frame before the connection is ended (RFC 6455 §7.1.1)."""

Route = Callable[[h11.Request], str]
"""Says which service a request is for, by the host that it names. Raises RemoteProtocolError for a stranger."""


class Hub(Protocol):
    """What a connection needs of its server."""

    def now(self) -> Time: ...
    def opened(self, connection: Connection) -> str: ...
    def feed(self, event: Event) -> None: ...
    def finished(self, flow: str) -> None: ...
    def keeps_open(self, flow: str) -> bool: ...


class Connection(asyncio.Protocol):
    """The server's end of one connection; `service` is what its port stands for, '' for all.

    With a `route`, every request says for itself which service it is for.
    """

    def __init__(
        self, hub: Hub, service: str, on_made: Tell, on_lost: Tell, *, route: Route | None = None
    ) -> None:
        self.service: str | None = None if route is not None else service
        self._route = route or (lambda request: service)
        self._on_made = on_made
        self._hub, self._on_lost = hub, on_lost
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._transport: asyncio.Transport | None = None
        self._flow: str | None = None
        self._request: Request | None = None
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._parser: FrameParser | None = None
        self._deflate: PerMessageDeflate | None = None
        self._unsaid: deque[bytes] = deque()
        self._close_sent = self._close_received = False
        self._over = self._deaf = False

    # --- asyncio's side ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._on_made(self)
            sock = transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self._over or self._deaf:
            return
        if self._parser is not None:
            self._frames(self._parser.feed(data, self._hub.now()))
            return
        try:
            self._http.receive_data(data)
            self._read_http()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, str(error))

    def eof_received(self) -> bool:
        """A client that is done sending may still wait for its response; one that wants a WebSocket is gone."""
        if self._flow is None or self._request is None:
            return False
        if self._parser is None:
            with contextlib.suppress(h11.RemoteProtocolError):
                self._http.receive_data(b"")
        return not is_upgrade_request(self._request) or self._hub.keeps_open(self._flow)

    def connection_lost(self, error: Exception | None) -> None:
        flow, self._flow = self._flow, None
        if flow is not None:
            if not (self._close_sent and self._close_received) and not self._over:
                rst = isinstance(error, ConnectionResetError)
                gone = Reset(flow=flow, at=self._hub.now(), direction=Direction.UPSTREAM, rst=rst)
                self._hub.feed(gone)
            self._hub.finished(flow)
        self._over = True
        self._on_lost(self)

    # --- from the client ---------------------------------------------------------------------------------------

    def _read_http(self) -> None:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._head, self._body = event, bytearray()
                if self._http.they_are_waiting_for_100_continue:
                    self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > MAX_BODY:
                    raise h11.RemoteProtocolError("the request's body is too large", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage):
                self._open()
            elif isinstance(event, h11.ConnectionClosed):
                self._end()
                return
            else:  # NEED_DATA, or PAUSED until the response is out
                return

    def _open(self) -> None:
        if self._head is None:
            return
        service = self._route(self._head)
        self._flow = self._hub.opened(self)
        headers: Headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in self._head.headers.raw_items()
        )
        self._request = Request(
            flow=self._flow,
            at=self._hub.now(),
            service=service,
            method=self._head.method.decode("ascii"),
            target=_origin_form(self._head.target.decode("latin-1")),
            headers=headers,
            body=bytes(self._body),
        )
        self._hub.feed(self._request)

    def _frames(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Close):
                self._close_received = True
            self._deaf |= isinstance(event, Bytes)  # what breaks the protocol once is not read on
            self._hub.feed(replace(event, at=self._hub.now()))
        self._end_if_closed()
        if self._deaf and self._close_sent and not self._over:
            self._linger()  # it has been told; its answer would not be understood (RFC 6455 §7.1.7)

    # --- to the client -----------------------------------------------------------------------------------------

    def perform(self, events: list[Event]) -> None:
        """Put the events of this connection's flow on the wire, what goes out at once in one write."""
        out: list[bytes] = []
        for event in events:
            if self._over:
                break
            if isinstance(event, Reset):
                self._write(b"".join(out))
                self._abort() if event.rst else self._vanish()
                return
            out.append(self._bytes_of(event))
        self._write(b"".join(out))
        if self._parser is None:
            self._next_request()
        else:
            self._end_if_closed()

    def _bytes_of(self, event: Event) -> bytes:
        if isinstance(event, Bytes):
            return event.data
        if isinstance(event, Response):
            return self._upgrade(event) if is_upgrade(event) else self._response(event)
        if isinstance(event, Chunk):
            return self._http.send(h11.Data(data=event.data)) or b""
        if isinstance(event, End):
            return self._finish_response()
        if isinstance(event, Continuation):
            return self._unsaid.popleft() if self._unsaid else b""
        if isinstance(event, Message) and continuations(event):
            first, *rest = encode_frames(event, deflate=self._deflate)
            self._unsaid.extend(rest)
            return first
        if isinstance(event, Close):
            self._close_sent = True
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self.close)
        return encode(event, deflate=self._deflate)

    def _response(self, event: Response) -> bytes:
        bodiless = event.status in (204, 304) or (self._head is not None and self._head.method == b"HEAD")
        fields = event.headers if event.streaming or bodiless else with_length(event.headers, len(event.body))
        headers = [(name, _today(name, value)) for name, value in fields]
        framed = header(fields, "transfer-encoding") or header(fields, "content-length")
        if not event.streaming and framed is None and event.body and not bodiless:
            headers.append(("Content-Length", str(len(event.body))))
        head = h11.Response(
            status_code=event.status,
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            reason=event.reason.encode("latin-1"),
        )
        data = self._http.send(head) or b""
        if event.streaming:
            return data
        if event.body and not bodiless:
            data += self._http.send(h11.Data(data=event.body)) or b""
        return data + self._finish_response()

    def _finish_response(self) -> bytes:
        data = self._http.send(h11.EndOfMessage()) or b""
        if self._flow is not None:
            self._hub.finished(self._flow)
            self._flow = None
        return data

    def _next_request(self) -> None:
        """After a response: the next request of a kept connection, or its end."""
        if self._over or self._flow is not None:
            return
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            try:
                self._read_http()
            except h11.RemoteProtocolError as error:
                self._refuse(error.error_status_hint, str(error))
        elif self._http.our_state in (h11.MUST_CLOSE, h11.CLOSED):
            self._end()

    def _upgrade(self, event: Response) -> bytes:
        if self._request is None or self._flow is None or not is_upgrade_request(self._request):
            raise RuntimeError("a 101 without an upgrade request")
        response = switching(event, self._request)
        self._parser = frame_parsers(self._flow, response.headers)[Direction.UPSTREAM]
        deflate = negotiated(response.headers)
        self._deflate = deflate.encoder(Direction.DOWNSTREAM) if deflate else None
        trailing, _ = self._http.trailing_data
        if trailing:  # frames that a client sent before it had the 101
            asyncio.get_running_loop().call_soon(self.data_received, trailing)
        return raw_head(response)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer what is not HTTP; no flow begins."""
        if self._over:  # a request behind another, whose answer went out at once, was refused already
            return
        answers = self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE)
        self._linger(refusal(status, reason) if answers else b"")

    def _linger(self, last: bytes = b"") -> None:
        self._over = True
        if self._transport is not None:
            end_with(self._transport, last)

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _end_if_closed(self) -> None:
        if self._close_sent and self._close_received:
            self._end()

    def _end(self) -> None:
        """End the connection after what has been written (a FIN)."""
        if self._transport is not None:
            self._transport.close()

    def _vanish(self) -> None:
        """End the connection as a process does that died: a FIN, and over TLS no goodbye before it."""
        if self._transport is not None:
            self._transport.get_extra_info("wire", self._transport).close()

    def _abort(self) -> None:
        """End the connection with a TCP RST."""
        self._over = True
        if self._transport is not None:
            reset(self._transport)

    def close(self) -> None:
        """The server stops."""
        self._over = True
        if self._transport is not None:
            self._transport.abort()


def reset(transport: asyncio.Transport) -> None:
    """End a connection with a TCP RST: what lingers for no time is not ended but cut (POSIX SO_LINGER)."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def raw_head(response: Response) -> bytes:
    """A response's head as it stands on the wire (RFC 9112 §4)."""
    lines = [
        f"HTTP/1.1 {response.status} {response.reason}",
        *(f"{name}: {value}" for name, value in response.headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def refusal(status: int, problem: str, *, reason: str = "") -> bytes:
    """An answer in plain text that ends its connection."""
    body = f"{problem}\n".encode()
    fields = (("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("Connection", "close"))
    return raw_head(Response(flow="", at=0, status=status, reason=reason, headers=fields)) + body


def end_with(transport: asyncio.Transport, last: bytes) -> None:
    """Write the last bytes, end our side, and hear the client out for a moment.

    Bytes that are left unread would turn the end into a reset, which takes the answer with it (RFC 9112 §9.6).
    """
    if transport.is_closing():
        return
    if last:
        transport.write(last)
    if transport.can_write_eof():
        transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER, transport.abort)
    else:
        transport.close()


def _origin_form(target: str) -> str:
    """Path and query, also of a target in absolute form, as sent to proxies (RFC 9112 §3.2.2)."""
    if target.startswith("/"):
        return target
    rest = target.partition("://")[2]
    return "/" + rest.partition("/")[2]


def _today(name: str, value: str) -> str:
    """A Date field speaks of now."""
    return formatdate(usegmt=True) if name.lower() == "date" else value
