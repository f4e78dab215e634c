"""orchestrator and websocket_bridge: which run an event belongs to, and how it gets to the user's socket."""

import json
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakKeyDictionary

from simulator.demo.standin.agents import AgentEvent, AgentRequest
from simulator.demo.standin.frames import Frame, naive_now
from simulator.demo.standin.ids import IdMint


class Socket(Protocol):
    """The part of a server-side WebSocket that is needed to talk."""

    async def send_str(self, data: str) -> None:
        """Send one text message."""

    async def close(self, *, code: int, message: bytes) -> bool:
        """Send a close frame and wait for the other one; False if it was closed before."""


class Connection:
    """An accepted and authenticated WebSocket; `unanswered` is for how many seconds no pong has come."""

    def __init__(self, socket: Socket, connection_id: str, user_id: str) -> None:
        self._socket = socket
        self.connection_id = connection_id
        self.user_id = user_id
        self.unanswered = 0.0

    async def send(self, frame: Frame) -> None:
        """Send a frame; raises `ConnectionResetError` when the client is gone."""
        await self._socket.send_str(json.dumps(frame))

    async def close(self, code: int, reason: str = "") -> None:
        """End the connection with that code and reason."""
        await self._socket.close(code=code, message=reason.encode())


class Connections(dict[str, Connection]):
    """The open connections by connection_id."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a request, under the ids that the server gave it."""

    run_id: str
    request_id: str


class Orchestrator:
    """Knows the run of every request that is being worked on."""

    def __init__(self, ids: IdMint) -> None:
        self._ids = ids
        # Weak, so that a run which dies half-way takes its entry along.
        self._runs: WeakKeyDictionary[AgentRequest, Run] = WeakKeyDictionary()

    def begin(self, request: AgentRequest) -> Run:
        """The run of this request: a new one, or the one begun before."""
        run = self._runs.get(request)
        if run is None:
            run = Run(self._ids.numbered("run_agent"), self._ids.numbered("req_agent"))
            self._runs[request] = run
        return run


class WebSocketBridge:
    """Turns events of runs into frames, and sends them to the connection that asked.

    It believes in its orchestrator: nobody checks at construction that there is one.
    """

    def __init__(self, orchestrator: Orchestrator, connections: Connections) -> None:
        self.orchestrator = orchestrator
        self._connections = connections

    async def deliver(self, event: AgentEvent) -> None:
        """Send the event to the connection of its request."""
        run = self.orchestrator.begin(event.request)
        await self._connections[event.request.connection_id].send(agent_frame(event, run))


def agent_frame(event: AgentEvent, run: Run) -> Frame:
    """An agent event as staging's emitter wrote it."""
    now = naive_now()
    data = {
        **event.content,
        "metadata": dict(event.metadata),
        "status": event.status,
        "timestamp": now,
        "run_id": run.run_id,
        "thread_id": event.request.thread_id,
        "request_id": run.request_id,
    }
    return {
        "type": event.type,
        "data": data,
        "timestamp": now,
        "critical": True,
        "user_context": {"user_id": event.request.user_id, "request_id": run.request_id},
    }
