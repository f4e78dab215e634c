"""agent_registry and agent_supervisor: which agents there are, and how a request is run by one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from simulator.demo.standin.llm import LLMManager
from simulator.demo.standin.pace import Pace
from simulator.demo.standin.storage import SessionFactory
from simulator.demo.standin.tools import ToolDispatcher

HANDOVER_SECONDS = 0.1
DEFAULT_AGENT = "supervisor_agent"


class MissingDependencyError(Exception):
    """A component could not be built: `owner` lacks `names`."""

    def __init__(self, owner: str, names: list[str]) -> None:
        super().__init__(f"{owner} needs {', '.join(names)}")
        self.owner = owner
        self.names = names


def require(owner: str, **dependencies: object) -> None:
    """Raise `MissingDependencyError` that names every dependency which is None."""
    names = [name for name, value in dependencies.items() if value is None]
    if names:
        raise MissingDependencyError(owner, names)


@dataclass(frozen=True, eq=False)
class AgentRequest:
    """What a user wants of an agent; compared by identity, since the same text may be asked twice at once."""

    text: str
    agent_name: str | None
    thread_id: str
    user_id: str
    connection_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentEvent:
    """Something that happened in a run; `content` is what only this type of event carries."""

    type: str
    request: AgentRequest
    status: str
    content: Mapping[str, object]
    metadata: Mapping[str, object]


class EventListener(Protocol):
    """Who is told about the events of runs."""

    async def deliver(self, event: AgentEvent) -> None:
        """Pass one event on."""


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent: what it is told to do, and the tool it does it with."""

    instruction: str
    tool: str


class AgentRegistry:
    """The agents that exist, by name."""

    def __init__(self) -> None:
        self._agents = {
            DEFAULT_AGENT: AgentSpec("Looking at the request as a whole", "usage_analyzer"),
            "triage_agent": AgentSpec("Sorting the request", "usage_analyzer"),
            "data_agent": AgentSpec("Looking up data", "data_query"),
            "optimization_agent": AgentSpec("Looking for savings", "cost_optimizer"),
        }

    def resolve(self, name: str | None) -> tuple[str, AgentSpec]:
        """The agent of that name, else the default one, as staging did with names it did not know."""
        known = name if name is not None and name in self._agents else DEFAULT_AGENT
        return known, self._agents[known]


class AgentSupervisor:
    """Runs a request through one agent; a run is legal without a listener, its events then reach nobody."""

    websocket_bridge: EventListener | None = None

    def __init__(
        self,
        *,
        db_session_factory: SessionFactory,
        llm_manager: LLMManager,
        tool_dispatcher: ToolDispatcher,
        agent_registry: AgentRegistry,
        pace: Pace,
    ) -> None:
        require(
            "AgentSupervisor",
            db_session_factory=db_session_factory,
            llm_manager=llm_manager,
            tool_dispatcher=tool_dispatcher,
            agent_registry=agent_registry,
        )
        self.db_session_factory = db_session_factory
        self.llm_manager = llm_manager
        self.tool_dispatcher = tool_dispatcher
        self.agent_registry = agent_registry
        self._pace = pace

    async def run(self, request: AgentRequest) -> None:
        """Answer the request, telling the listener; what a dependency raises passes through."""
        name, spec = self.agent_registry.resolve(request.agent_name)
        with self.db_session_factory.session() as session:
            session.ensure_thread(request.thread_id, request.user_id)
        intent = await self.llm_manager.plan(request.text)
        await self._emit(request, "agent_started", "started", agent_name=name)
        thought = await self.llm_manager.think(intent, spec.instruction)
        await self._emit(request, "agent_thinking", "thinking", agent_name=name, thought=thought, type="reasoning")
        await self._pace.sleep(HANDOVER_SECONDS)
        findings = await self._use_tool(request, spec.tool)
        answer = await self.llm_manager.answer(intent, findings)
        with self.db_session_factory.session() as session:
            session.add_run(request.thread_id, name, answer)
        await self._emit(request, "agent_completed", "completed", {"result": answer}, agent_name=name)

    async def _use_tool(self, request: AgentRequest, tool: str) -> dict[str, object]:
        await self._emit(request, "tool_executing", "executing", {"input": request.text}, tool=tool)
        findings = await self.tool_dispatcher.dispatch(tool, request.text)
        await self._emit(request, "tool_completed", "completed", {"result": findings}, tool=tool)
        return findings

    async def _emit(
        self,
        request: AgentRequest,
        event_type: str,
        status: str,
        metadata: Mapping[str, object] | None = None,
        **content: object,
    ) -> None:
        if self.websocket_bridge is None:
            return
        await self.websocket_bridge.deliver(
            AgentEvent(type=event_type, request=request, status=status, content=content, metadata=metadata or {})
        )
