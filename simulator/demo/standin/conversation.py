"""One accepted WebSocket from the first frame to the close."""

import asyncio
import logging

from aiohttp import WSCloseCode, WSMsgType, web

from simulator.demo.standin import frames
from simulator.demo.standin.delivery import Connection
from simulator.demo.standin.routing import ClientMessage
from simulator.demo.standin.system import System

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 20.0
PATIENCE_SECONDS = 90.0
"""How long beyond one interval the heartbeat goes on without a pong; the socket then stays open, but silent."""

ANNOUNCEMENT_SECONDS = 0.2
"""A service that is not there is asked for a few times before the client is told."""

BACKOFF_SECONDS = 0.1
MAX_FAILURES = 5


class Conversation:
    """Welcomes a client, keeps the heartbeat going and has its messages handled, one at a time."""

    def __init__(
        self, system: System, socket: web.WebSocketResponse, user_id: str, heartbeat_interval: float
    ) -> None:
        self._system = system
        self._socket = socket
        self._heartbeat_interval = heartbeat_interval
        self._connection = Connection(socket, system.ids.connection(user_id), user_id)
        self._failures = 0

    async def hold(self) -> None:
        """Talk until the client leaves; an exception from the handling of a message closes with 1011.

        No frame precedes that close: staging meant to send one, but its own error handling failed as well.
        """
        self._system.connections[self._connection.connection_id] = self._connection
        try:
            await self._talk()
        except ConnectionResetError:
            logger.info("client gone")
        except Exception as error:
            logger.error("message handling failed: %r", error)
            await self._connection.close(WSCloseCode.INTERNAL_ERROR, "Internal error")
        finally:
            del self._system.connections[self._connection.connection_id]

    async def _talk(self) -> None:
        await self._welcome()
        heartbeat = asyncio.create_task(self._keep_pinging())
        try:
            await self._listen()
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)

    async def _welcome(self) -> None:
        connection = self._connection
        await connection.send(frames.handshake_validation())
        await connection.send(
            frames.welcome(
                connection.connection_id,
                connection.user_id,
                heartbeat_interval=self._heartbeat_interval,
                startup_complete=self._system.startup_error is None,
            )
        )
        # The first ping is sent here and not by the task, so that the order of the first three frames is certain.
        await connection.send(frames.ping())
        for service in self._system.announced:
            await self._system.pace.sleep(ANNOUNCEMENT_SECONDS)
            await connection.send(frames.service_degradation(service))

    async def _keep_pinging(self) -> None:
        connection = self._connection
        while True:
            await self._system.pace.sleep(self._heartbeat_interval)
            connection.unanswered += self._heartbeat_interval
            if connection.unanswered > self._heartbeat_interval + PATIENCE_SECONDS:
                return
            await connection.send(frames.ping())

    async def _listen(self) -> None:
        async for received in self._socket:
            if received.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            if _size(received.data) > frames.MAX_MESSAGE_BYTES:
                logger.warning("message dropped: %d bytes", _size(received.data))
                continue
            if await self._handle(received.data):
                self._failures = 0
                continue
            self._failures += 1
            if self._failures == MAX_FAILURES:
                await self._connection.close(WSCloseCode.OK)
                return
            await self._system.pace.sleep(BACKOFF_SECONDS * 2 ** (self._failures - 1))

    async def _handle(self, raw: str | bytes) -> bool:
        try:
            message = ClientMessage.parse(raw)
        except ValueError:
            await self._connection.send(frames.format_error())
            return True
        return await self._system.router.route(self._connection, message)


def _size(data: str | bytes) -> int:
    return len(data.encode() if isinstance(data, str) else data)
