"""One flow of the driver: the client's end of a TCP connection, with every frame as it was recorded.

The mirror image of `simulator.live.connection`: events in, bytes out, and back. No library's client is used,
because none would send fragments, closes and resets the way somebody else's once did.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import replace
from secrets import token_bytes
from typing import Final
from urllib.parse import SplitResult

import h11
from websockets.extensions.permessage_deflate import PerMessageDeflate

from simulator.core.events import (
    Chunk,
    Direction,
    End,
    Event,
    Headers,
    Request,
    Reset,
    Response,
    header,
)
from simulator.core.units import Time
from simulator.core.values.places import with_length
from simulator.files.upstreams import PORTS
from simulator.live.connection import MAX_HEAD, reset
from simulator.live.frames import FrameParser, UnknownExtensionError, encode, frame_parsers, negotiated

_OF_THIS_HOP: Final = frozenset(("host", "expect"))


class Call(asyncio.Protocol):
    """A request, and what follows on its connection. `hear` gets what the server does, `now` stamps it.

    `lost` is called when the connection is gone. With `streaming`, a response is told in chunks as they come;
    else when it is complete, at the time of its head.
    """

    def __init__(
        self,
        origin: SplitResult,
        *,
        streaming: bool,
        hear: Callable[[Event], None],
        lost: Callable[[], None],
        now: Callable[[], Time],
    ) -> None:
        self._origin, self._streaming = origin, streaming
        self._hear, self._lost, self._now = hear, lost, now
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._transport: asyncio.Transport | None = None
        self._waiting: list[Event] = []
        self._flow = ""
        self._head: Response | None = None
        self._body = bytearray()
        self._parser: FrameParser | None = None
        self._deflate: PerMessageDeflate | None = None
        self._over = self._gone = False

    async def connect(self) -> None:
        """Raises OSError where nobody listens, UnicodeError for what no host can be called."""
        secure = ssl.create_default_context() if self._origin.scheme == "https" else None
        port = self._origin.port or PORTS[self._origin.scheme]
        await asyncio.get_running_loop().create_connection(
            lambda: self, self._origin.hostname or "", port, ssl=secure
        )

    def send(self, event: Event) -> None:
        """Put an event of the client on the wire, as soon as there is one."""
        self._flow = event.flow
        if self._transport is None:
            self._waiting.append(event)
        elif isinstance(event, Reset):
            self._over = True
            reset(self._transport) if event.rst else self._transport.close()
        elif not self._over and not self._transport.is_closing():
            self._transport.write(self._bytes_of(event))

    @property
    def over(self) -> bool:
        """Whether its connection is gone, or never came to be."""
        return self._gone

    def close(self) -> None:
        self._over = True
        if self._transport is None:
            self._gone = True
        else:
            self._transport.close()

    # --- asyncio's side ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self.send(event)

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        if self._parser is not None:
            self._frames(data)
            return
        try:
            self._http.receive_data(data)
            self._read_http()
        except h11.RemoteProtocolError:
            self._end(rst=False)

    def eof_received(self) -> bool:
        if not self._over and self._parser is None:
            with contextlib.suppress(h11.RemoteProtocolError):
                self._http.receive_data(b"")
                self._read_http()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = True
        self._end(rst=isinstance(error, ConnectionError))
        self._lost()

    # --- to the server -----------------------------------------------------------------------------------------

    def _bytes_of(self, event: Event) -> bytes:
        if isinstance(event, Request):
            return self._request(event)
        return encode(event, mask=token_bytes(4), deflate=self._deflate)

    def _request(self, request: Request) -> bytes:
        fields = [("Host", self._origin.netloc), *_travelling(request)]
        head = h11.Request(
            method=request.method,
            target=request.target.encode("latin-1"),
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields],
        )
        parts: list[h11.Event] = [head, *([h11.Data(data=request.body)] if request.body else [])]
        return b"".join(self._http.send(part) or b"" for part in (*parts, h11.EndOfMessage()))

    # --- from the server ---------------------------------------------------------------------------------------

    def _read_http(self) -> None:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.InformationalResponse):
                if event.status_code == 101:
                    self._upgraded(_response(event, self._flow, self._now()))
                    return
            elif isinstance(event, h11.Response):
                self._head = replace(_response(event, self._flow, self._now()), streaming=self._streaming)
                if self._streaming:
                    self._hear(self._head)
            elif isinstance(event, h11.Data):
                self._data(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._complete()
                return
            else:
                return

    def _data(self, data: bytes) -> None:
        if self._streaming:
            self._hear(Chunk(flow=self._flow, at=self._now(), data=data))
        else:
            self._body += data

    def _complete(self) -> None:
        """The response is all there, and with it the flow is over."""
        if self._head is None:
            return
        if self._streaming:
            self._hear(End(flow=self._flow, at=self._now()))
        else:
            self._hear(replace(self._head, body=bytes(self._body)))
        self.close()

    def _upgraded(self, response: Response) -> None:
        try:
            self._parser = frame_parsers(self._flow, response.headers)[Direction.DOWNSTREAM]
            deflate = negotiated(response.headers)
        except UnknownExtensionError:
            self._parser, deflate = FrameParser(Direction.DOWNSTREAM, flow=self._flow, opaque=True), None
        self._deflate = deflate.encoder(Direction.UPSTREAM) if deflate else None
        self._hear(response)
        trailing, _ = self._http.trailing_data
        if trailing:
            self._frames(trailing)

    def _frames(self, data: bytes) -> None:
        for event in self._parser.feed(data, self._now()) if self._parser else ():
            self._hear(replace(event, at=self._now()))

    def _end(self, *, rst: bool) -> None:
        """The server is gone; that is a reset, unless it had said goodbye."""
        if self._over:
            return
        self._over = True
        if self._parser is None or not self._parser.closed:
            self._hear(Reset(flow=self._flow, at=self._now(), direction=Direction.DOWNSTREAM, rst=rst))


def _travelling(request: Request) -> Headers:
    """The header fields of a request that are not about the connection on which it was recorded."""
    kept = tuple(field for field in request.headers if field[0].lower() not in _OF_THIS_HOP)
    if header(kept, "transfer-encoding") is not None or not request.body:
        return kept
    if header(kept, "content-length") is None:
        return (*kept, ("Content-Length", str(len(request.body))))
    return with_length(kept, len(request.body))


def _response(head: h11.Response | h11.InformationalResponse, flow: str, at: Time) -> Response:
    return Response(
        flow=flow,
        at=at,
        status=head.status_code,
        reason=bytes(head.reason).decode("latin-1"),
        headers=tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers.raw_items()
        ),
    )
