"""From a client's message to what handles it."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from simulator.demo.standin import frames
from simulator.demo.standin.agents import AgentRequest, AgentSupervisor, require
from simulator.demo.standin.delivery import Connection
from simulator.demo.standin.ids import IdMint

logger = logging.getLogger(__name__)

AGENT_TYPES = frozenset({"start_agent", "execute_agent", "EXECUTE_AGENT"})
CHAT_TYPES = frozenset({"user_message", "message", "user_input", "chat_message", "chat"})
RUN_TYPES = AGENT_TYPES | CHAT_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMessage:
    """A message from a client; `payload` is the whole object when it had no payload of its own."""

    type: str
    payload: Mapping[str, object]
    thread_id: str | None
    agent_name: str | None

    @classmethod
    def parse(cls, raw: str | bytes) -> "ClientMessage":
        """Read a message; raises `ValueError` for what is not a JSON object."""
        message = json.loads(raw)
        if not isinstance(message, dict):
            raise ValueError(f"expected a JSON object, got {type(message).__name__}")
        payload = message.get("payload")
        payload = payload if isinstance(payload, dict) else message
        return cls(
            type=_text(message, "type") or "unknown",
            payload=payload,
            thread_id=_text(message, "thread_id") or _text(payload, "thread_id"),
            agent_name=_text(payload, "agent_type") or _text(message, "agent_type") or _text(message, "agent"),
        )

    def request_text(self) -> str | None:
        """What the user wants done, None if the message does not say."""
        names = ("user_request",) if self.type in AGENT_TYPES else ("content", "message", "text")
        return next(filter(None, (_text(self.payload, name) for name in names)), None)


def _text(source: Mapping[str, object], name: str) -> str | None:
    value = source.get(name)
    return value if isinstance(value, str) else None


Handler = Callable[[Connection, ClientMessage], Awaitable[bool]]


class AgentHandler:
    """Hands requests for an agent to the supervisor; cannot be built without one."""

    def __init__(self, agent_supervisor: AgentSupervisor, ids: IdMint) -> None:
        require("AgentHandler", agent_supervisor=agent_supervisor)
        self.agent_supervisor = agent_supervisor
        self._ids = ids

    async def handle(self, connection: Connection, message: ClientMessage) -> bool:
        """Run the agent to its end; False without a word if the message does not say what to do."""
        text = message.request_text()
        if text is None:
            return False
        await self.agent_supervisor.run(
            AgentRequest(
                text=text,
                agent_name=message.agent_name,
                thread_id=message.thread_id or self._ids.numbered("thread_agent"),
                user_id=connection.user_id,
                connection_id=connection.connection_id,
            )
        )
        return True


async def answer_ping(connection: Connection, message: ClientMessage) -> bool:
    """Answer a JSON ping or heartbeat."""
    beat = message.type == "heartbeat"
    await connection.send(frames.heartbeat_ack() if beat else frames.pong(connection.user_id))
    return True


async def note_pong(connection: Connection, message: ClientMessage) -> bool:
    """Take a pong as a sign of life; it has no answer."""
    connection.unanswered = 0.0
    return True


class MessageRouter:
    """Finds the handler of a message by its type."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {
            "ping": answer_ping,
            "heartbeat": answer_ping,
            "pong": note_pong,
        }

    def serve_agents(self, handler: AgentHandler) -> None:
        """Give all requests for an agent to this handler."""
        self._handlers |= dict.fromkeys(RUN_TYPES, handler.handle)

    def leave_agents(self) -> None:
        """From now on nobody handles requests for an agent."""
        for kind in RUN_TYPES:
            self._handlers.pop(kind, None)

    async def route(self, connection: Connection, message: ClientMessage) -> bool:
        """Handle the message; False, and silence, if its type is known but nobody handles it."""
        handler = self._handlers.get(message.type)
        if handler is not None:
            return await handler(connection, message)
        if message.type in RUN_TYPES:
            logger.warning("no handler for %s", message.type)
            return False
        await connection.send(frames.ack(message.type, connection.user_id))
        return True
