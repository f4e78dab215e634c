"""TLS between a wire and a connection: the standard library's, sans I/O, because faults need both its ends.

asyncio's own TLS would answer a client's goodbye by itself, and knows no end without one.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

logger = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds that a client gets from the first byte of its TLS hello to the end of the handshake."""
_READ: Final = 64 * 1024
_HANDSHAKE: Final = 0x16
"""The first byte of a TLS record that begins a handshake (RFC 8446 §5.1); no HTTP request begins with it."""


class Wire(Protocol):
    """What can be ended when the server stops; `service` is what it stands for, None if that is not known."""

    service: str | None

    def close(self) -> None: ...


Tell = Callable[[Wire], None]
MakeInner = Callable[[], asyncio.Protocol]
MakeContext = Callable[[], ssl.SSLContext]


class Door(asyncio.Protocol):
    """Sees by a connection's first byte whether it is TLS; what is not is plain HTTP, served all the same."""

    def __init__(
        self, service: str | None, context: MakeContext, inner: MakeInner, *, on_made: Tell, on_lost: Tell
    ) -> None:
        self.service = service
        self._context, self._inner = context, inner
        self._on_made, self._on_lost = on_made, on_lost
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._on_made(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        behind = self._inner()
        if begins_tls(data):
            behind = TlsLayer(self._context(), behind, self.service, on_made=self._on_made, on_lost=self._on_lost)
        try:
            hand_over(self._transport, behind, data)
        finally:
            self._on_lost(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def begins_tls(data: bytes) -> bool:
    return data[:1] == bytes([_HANDSHAKE])


def hand_over(transport: asyncio.Transport, protocol: asyncio.Protocol, data: bytes) -> None:
    """Let another protocol go on with a connection, from these bytes of it on."""
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if data:
        protocol.data_received(data)


def _say_failed(why: str) -> None:
    logger.warning("stagesim: a TLS handshake failed: %s (does the client trust the CA?)", why)


class TlsLayer(asyncio.Transport, asyncio.Protocol):
    """The server's side of one TLS connection: a protocol to the wire, a transport to the protocol within.

    The inner protocol is made a connection when the handshake is done. `close` says goodbye (close_notify),
    `abort` does not; 'wire' is the extra info that has the transport below, for an end without it.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        inner: asyncio.Protocol,
        service: str | None,
        *,
        on_made: Tell,
        on_lost: Tell,
    ) -> None:
        super().__init__()
        self.service = service
        self._inner, self._on_made, self._on_lost = inner, on_made, on_lost
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._wire: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ready = self._said_goodbye = self._closing = False
        self._stays: bool | None = None

    # --- the wire's side ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._wire = transport
            self._on_made(self)
            self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_TIMEOUT, self.abort)

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            if self._ready or self._shake_hands():
                self._read()
        except ssl.SSLError as error:
            if not self._ready and error.reason != "CALLBACK_FAILED":  # whoever refused has said why
                _say_failed(error.reason or str(error))
            self._flush()  # the alert that says why
            self._close_wire()

    def eof_received(self) -> bool:
        return self._ready and self._no_more()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._ready:
            self._inner.connection_lost(error)
        elif not self._closing:
            _say_failed("the client left")
        self._on_lost(self)

    def _shake_hands(self) -> bool:
        """Go on with the handshake; whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
        self._ready = True
        self._inner.connection_made(self)
        return True

    def _read(self) -> None:
        """Pass on everything that has come in whole records."""
        with suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while data := self._tls.read(_READ):
                self._inner.data_received(data)
            if not self._no_more():  # the client has said goodbye
                self.close()
        self._flush()

    def _no_more(self) -> bool:
        """The client sends nothing any more; whether the connection stays up for what it still gets."""
        if self._stays is None:
            self._stays = bool(self._inner.eof_received())
        return self._stays

    def _flush(self) -> None:
        if self._wire is not None and self._outgoing.pending and not self._wire.is_closing():
            self._wire.write(self._outgoing.read())

    def _close_wire(self) -> None:
        self._closing = True
        if self._wire is not None:
            self._wire.close()

    # --- the connection's side ---------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        rest = memoryview(data)
        while rest and not self._said_goodbye:
            rest = rest[self._tls.write(rest) :]
        self._flush()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Say goodbye, and end our half of the connection; the client's may go on (RFC 8446 §6.1)."""
        self._goodbye()
        if self._wire is not None and not self._wire.is_closing():
            self._wire.write_eof()

    def close(self) -> None:
        self._goodbye()
        self._close_wire()

    def _goodbye(self) -> None:
        if self._ready and not self._said_goodbye:
            self._said_goodbye = True
            with suppress(ssl.SSLError):  # it wants to read the client's goodbye, for which nobody waits
                self._tls.unwrap()
            self._flush()

    def abort(self) -> None:
        self._closing = True
        if self._wire is not None:
            self._wire.abort()

    def is_closing(self) -> bool:
        return self._closing or self._wire is None or self._wire.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "wire":
            return self._wire
        return default if self._wire is None else self._wire.get_extra_info(name, default)
