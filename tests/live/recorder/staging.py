"""A staging to record, and a notebook for what was recorded: servers in a thread, clients down to the socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from simulator.core.events import Direction, Event
from simulator.live.frames import FrameParser, encode

PATIENCE = 10.0
"""Seconds after which a test gives up; none takes nearly as long."""

Handler = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Recorded:
    """The events and the problems of a recorder, which can be waited for."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.problems: list[str] = []
        self._changed = threading.Condition()

    def sink(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def problem(self, line: str) -> None:
        with self._changed:
            self.problems.append(line)
            self._changed.notify_all()

    def until(self, true: Callable[[], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(true, PATIENCE), (self.events, self.problems)

    def newest(self) -> list[Event]:
        """The events of the flow that was opened last."""
        flow = max((int(event.flow) for event in self.events), default=0)
        return [event for event in self.events if event.flow == str(flow)]

    def flow(self, kinds: str) -> list[Any]:
        """The events of the newest flow, once they are of these kinds; no time is before the one above it."""
        self.until(lambda: " ".join(event.kind for event in self.newest()) == kinds)
        times = [event.at for event in self.events]
        assert times == sorted(times)
        return self.newest()


class Staging:
    """A loop in a thread, for servers. What the raw ones do after the head of a request is up to each test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.handler: Handler | None = None
        self.head = ""
        self._open = 0
        self.errors: list[BaseException] = []
        self._servers: list[Any] = []
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, make: Callable[[], Awaitable[Any]]) -> Any:
        """Await something in the servers' loop."""

        async def wait() -> Any:
            return await make()

        return asyncio.run_coroutine_threadsafe(wait(), self.loop).result(PATIENCE)

    def event(self) -> threading.Event:
        return threading.Event()

    def listen(self, context: ssl.SSLContext | None = None) -> int:
        """A raw server's port."""
        return self.serve(lambda: asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context))

    def serve(self, start: Callable[[], Awaitable[Any]]) -> int:
        """Start a server of any kind that has sockets, and return its port."""
        server = self.run(start)
        self._servers.append(server)
        return int(next(iter(server.sockets)).getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            assert self.handler is not None
            await self.handler(head.decode("latin-1"), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._open -= 1

    async def quiet(self, connections: int) -> None:
        """Wait until no more than this many connections of raw servers are open."""
        while self._open > connections:
            await asyncio.sleep(0.001)

    def close(self) -> None:
        async def cancel() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for server in self._servers:
                server.close()
                await server.wait_closed()

        self.run(cancel)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        assert not self.errors


async def heard(signal: threading.Event) -> None:
    """Wait in the servers' loop for what a test says."""
    assert await asyncio.to_thread(signal.wait, PATIENCE)


def switching(head: str, *fields: str) -> bytes:
    """The 101 response to an upgrade request (RFC 6455 §4.2.2)."""
    key = re.search(r"(?im)^sec-websocket-key: *(\S+)", head)
    assert key is not None
    digest = hashlib.sha1(key[1].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", *fields]
    lines.append(f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a server's connection by RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A server's frame, legal or not; payloads below 126 bytes."""
    return bytes([fin << 7 | opcode, len(payload)]) + payload


class RawClient:
    """A WebSocket client that does what it is told, and nothing by itself."""

    def __init__(
        self, address: str, target: str = "/ws", *fields: str, connected: socket.socket | None = None
    ) -> None:
        host, port = urlsplit(address).netloc.split(":")
        self.socket = connected or socket.create_connection((host, int(port)), timeout=PATIENCE)
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}:{port}", "Connection: Upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", *fields]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._rest = b""
        try:
            while b"\r\n\r\n" not in self._rest:
                self._rest += self._more()
        except BaseException:
            self.socket.close()
            raise
        self.head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        self._frames = self._read()

    def _more(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(self._rest)
        return data

    def _read(self) -> Iterator[Event]:
        parser = FrameParser(Direction.DOWNSTREAM, flow="")
        yield from parser.feed(self._rest, 0)
        while True:
            yield from parser.feed(self._more(), 0)

    def read(self) -> Any:
        """The next event that the server sends; EOFError if it ends the connection."""
        return next(self._frames)

    def send(self, event: Event) -> None:
        self.socket.sendall(encode(event, mask=b"\x01\x02\x03\x04"))

    def reset(self) -> None:
        """End the connection by RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()
