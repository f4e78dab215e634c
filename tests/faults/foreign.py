"""Clients that other people wrote, each telling what it sees of a conversation with a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from wsproto import ConnectionType, WSConnection
from wsproto import events as wsproto
from wsproto.connection import ConnectionState
from wsproto.utilities import RemoteProtocolError

from tests.conversations import UPGRADE

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key of the RFC's own example (RFC 6455 §1.3)."""
REJECTS = (1002, 1007, 1009)
"""The codes with which a client rejects what it got (RFC 6455 §7.4.1)."""
PATIENT: Mapping[str, Any] = {"ping_interval": None, "open_timeout": None, "close_timeout": None}
"""So websockets never gives up by itself, however long a loaded machine takes."""


@dataclass(frozen=True)
class Conversation:
    """What a client does: it says these things once it is connected, and listens.

    It sends a ping, and it closes, when it has seen a certain word.
    """

    offers: Sequence[str] = ()
    says: Sequence[str] = (json.dumps({"type": "go", "id": "req_of_mine_1"}),)
    pings_at: str | None = None
    leaves_at: str | None = None


def label(data: str | bytes) -> str:
    """'tick 1' for a JSON message with a type and a number, and something short for anything else."""
    try:
        document = json.loads(data)
        return " ".join(str(document[name]) for name in ("type", "number") if name in document)
    except (ValueError, TypeError, UnicodeDecodeError):
        return f"{'text' if isinstance(data, str) else 'binary'} {len(data)}"


@dataclass
class Seen:
    """What a client saw, in order, and the messages themselves; `frames` says in how many frames each came.

    Only wsproto can tell that. `named` gives the word for a message.
    """

    named: Callable[[str | bytes], str] = label
    words: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)

    def said(self, data: str | bytes) -> None:
        self.texts.append(data if isinstance(data, str) else data.hex())
        self.words.append(self.named(data))


Client = Callable[[str, Conversation, Seen], Awaitable[None]]


async def by_websockets(url: str, talk: Conversation, seen: Seen) -> None:
    offers = [Subprotocol(offer) for offer in talk.offers] or None
    try:
        async with connect(url, subprotocols=offers, max_size=1 << 20, **PATIENT) as ws:
            seen.words.append("open" + (f" {ws.subprotocol}" if ws.subprotocol else ""))
            for message in talk.says:
                await ws.send(message)
            while True:
                seen.said(await ws.recv())
                if seen.words[-1] == talk.pings_at:
                    (await ws.ping(b"are you there")).add_done_callback(partial(_ponged, seen))
                if seen.words[-1] == talk.leaves_at:
                    await ws.close()
    except InvalidStatus as refused:
        seen.words.append(
            f"refused {refused.response.status_code} {(refused.response.body or b'').decode()}".strip()
        )
    except InvalidHandshake as error:
        seen.words.append(f"handshake fails: {type(error).__name__}")
    except ConnectionClosed as closed:
        seen.words.append(_how(closed))


def _ponged(seen: Seen, pong: asyncio.Future[float]) -> None:
    if not pong.cancelled() and pong.exception() is None:
        seen.words.append("pong are you there")


def _how(closed: ConnectionClosed) -> str:
    if closed.sent is not None and closed.sent.code in REJECTS:
        return f"fails {int(closed.sent.code)}"
    return f"closed {closed.rcvd.code} {closed.rcvd.reason}".strip() if closed.rcvd is not None else "1006"


async def by_aiohttp(url: str, talk: Conversation, seen: Seen) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout()) as session:
        try:
            ws = await session.ws_connect(
                url,
                protocols=talk.offers,
                autoping=False,
                max_msg_size=1 << 20,
                timeout=aiohttp.ClientWSTimeout(ws_close=None),
            )
        except aiohttp.ClientError as error:
            refused = isinstance(error, aiohttp.WSServerHandshakeError) and error.status != 101
            seen.words.append(f"refused {error.status}" if refused else f"handshake fails: {type(error).__name__}")
            return
        seen.words.append("open" + (f" {ws.protocol}" if ws.protocol else ""))
        for message in talk.says:
            await ws.send_str(message)
        while not ws.closed:
            await _aiohttp_message(ws, await ws.receive(), seen)
            if seen.words[-1] == talk.pings_at:
                await ws.ping(b"are you there")
            if seen.words[-1] == talk.leaves_at:
                await ws.close()
                seen.words.append(f"closed {ws.close_code}")


async def _aiohttp_message(ws: aiohttp.ClientWebSocketResponse, message: aiohttp.WSMessage, seen: Seen) -> None:
    match message.type:
        case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
            seen.said(message.data)
        case aiohttp.WSMsgType.PING:
            seen.words.append(f"ping {message.data.decode()}")
            await ws.pong(message.data)
        case aiohttp.WSMsgType.PONG:
            seen.words.append(f"pong {message.data.decode()}")
        case aiohttp.WSMsgType.CLOSE:
            seen.words.append(f"closed {message.data} {message.extra or ''}".strip())
        case aiohttp.WSMsgType.ERROR:
            seen.words.append(f"fails {ws.close_code}")
        case _:
            seen.words.append(f"{ws.close_code}")


async def by_wsproto(url: str, talk: Conversation, seen: Seen) -> None:
    async with _opened(url) as (host, reader, writer):
        ws, text, over = WSConnection(ConnectionType.CLIENT), [], False
        writer.write(ws.send(wsproto.Request(host=host, target="/ws", subprotocols=list(talk.offers))))
        while not over:
            try:
                data = await reader.read(1 << 16)
                ws.receive_data(data or None)
                over = not data
                for event in ws.events():
                    over = _wsproto_event(ws, event, talk, seen, text, writer) or over
            except ConnectionResetError:
                seen.words.append("reset")
                return
            except RemoteProtocolError as error:
                seen.words.append(f"handshake fails: {type(error).__name__}")
                return


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[tuple[str, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TCP connection to a URL, with its host."""
    host = url.removeprefix("ws://").partition("/")[0]
    reader, writer = await asyncio.open_connection(*host.split(":"))
    try:
        yield host, reader, writer
    finally:
        writer.close()


def _wsproto_event(
    ws: WSConnection,
    event: wsproto.Event,
    talk: Conversation,
    seen: Seen,
    text: list[str],
    writer: asyncio.StreamWriter,
) -> bool:
    """Note an event; says whether the conversation is over."""
    match event:
        case wsproto.AcceptConnection():
            seen.words.append("open" + (f" {event.subprotocol}" if event.subprotocol else ""))
            for message in talk.says:
                writer.write(ws.send(wsproto.TextMessage(data=message)))
        case wsproto.RejectConnection():
            seen.words.append(f"refused {event.status_code}")
            return not event.has_body
        case wsproto.RejectData():
            seen.words[-1] += f" {bytes(event.data).decode()}".rstrip()
            return event.body_finished
        case wsproto.TextMessage():
            text.append(event.data)
            if event.message_finished:
                seen.frames.append(len(text))
                seen.said("".join(text))
                text.clear()
                if seen.words[-1] == talk.pings_at:
                    writer.write(ws.send(wsproto.Ping(payload=b"are you there")))
                if seen.words[-1] == talk.leaves_at:
                    writer.write(ws.send(wsproto.CloseConnection(code=1000)))
        case wsproto.Ping():
            seen.words.append(f"ping {bytes(event.payload).decode()}")
            writer.write(ws.send(event.response()))
        case wsproto.Pong():
            seen.words.append(f"pong {bytes(event.payload).decode()}")
        case wsproto.CloseConnection():
            return _wsproto_close(ws, event, seen, writer)
    return False


def _wsproto_close(
    ws: WSConnection, event: wsproto.CloseConnection, seen: Seen, writer: asyncio.StreamWriter
) -> bool:
    if ws.state is ConnectionState.OPEN:  # a frame that it does not take: it says how to close
        seen.words.append(f"fails {int(event.code)}")
        writer.write(ws.send(event))
        return True
    if event.code == 1006:
        seen.words.append("1006")
    else:
        seen.words.append(f"closed {int(event.code)} {event.reason or ''}".strip())
        if ws.state is ConnectionState.REMOTE_CLOSING:
            writer.write(ws.send(event.response()))
    return True


async def by_hand(url: str, until: bytes) -> tuple[bytes, str]:
    """The bytes that come after the head of the 101, and how they end: 'FIN' or 'RST'.

    It says 'go', and when `until` has come, it closes its side of the connection.
    """
    found, how, leaving = b"", "FIN", False
    async with _opened(url) as (host, reader, writer):
        fields = [("Host", host), *UPGRADE[1:], ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY)]
        head = ["GET /ws HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
        writer.write("\r\n".join(head).encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(Frame(Opcode.TEXT, Conversation().says[0].encode()).serialize(mask=True))
        try:
            while data := await reader.read(1 << 16):
                found += data
                if until in found and not leaving:
                    leaving = True
                    writer.write_eof()
        except ConnectionResetError:
            how = "RST"
    return found, how


async def by_half_closing(url: str, talk: Conversation, seen: Seen) -> None:
    """A client that closes its side of the connection as soon as it has the first tick."""
    seen.words.append((await by_hand(url, b'"number": 1'))[1])


CLIENTS: dict[str, Client] = {"websockets": by_websockets, "aiohttp": by_aiohttp, "wsproto": by_wsproto}
