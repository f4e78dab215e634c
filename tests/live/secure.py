"""A replay that speaks TLS, and a client by hand that sees how a TLS connection ends."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from simulator.core.recording import Recording
from simulator.core.rule import Rule
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.live.certificates import LocalCA
from simulator.live.clock import Clock, RealClock
from simulator.live.server import ReplayServer

PATIENCE = 20
"""Seconds that nothing here takes: what does hangs."""
NAMES = ("localhost", "127.0.0.1")


@asynccontextmanager
async def secure_replay(
    ca: LocalCA, played: Recording, *rules: Rule, speed: float = math.inf, clock: Clock | None = None
) -> AsyncIterator[ReplayServer]:
    server = ReplayServer(
        script=compile_script(played),
        rules=rules,
        settings=Settings(speed=speed),
        tls=ca.context(NAMES),
        clock=clock or RealClock(),
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def trusting(ca: LocalCA) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca.file)


async def by_hand(url: str, ca: LocalCA, *says: bytes, leaves_at: bytes | None = None) -> tuple[bytes, str]:
    """The bytes that come over TLS, and how they end: 'goodbye' (close_notify), a bare 'FIN', or 'RST'."""
    return await asyncio.to_thread(_by_hand, url, ca, says, leaves_at)


def _by_hand(url: str, ca: LocalCA, says: Iterable[bytes], leaves_at: bytes | None) -> tuple[bytes, str]:
    parts, found, how = urlsplit(url), b"", "FIN"
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(ca).wrap_bio(incoming, outgoing, server_hostname=parts.hostname)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=PATIENCE) as sock:
        while not _shaken(tls):
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))
        for data in says:
            tls.write(data)
        sock.sendall(outgoing.read())
        try:
            while data := sock.recv(65536):
                incoming.write(data)
                with suppress(ssl.SSLWantReadError):
                    while data := tls.read(65536):
                        found += data
                    how = "goodbye"
                if leaves_at is not None and leaves_at in found:
                    sock.shutdown(socket.SHUT_WR)
                    leaves_at = None
        except ConnectionResetError:
            how = "RST"
    return found, how


def _shaken(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
