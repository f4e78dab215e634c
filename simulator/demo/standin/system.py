"""The stand-in's components, and the startup that wires them to each other."""

import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from simulator.demo.standin.agents import AgentRegistry, AgentSupervisor, MissingDependencyError
from simulator.demo.standin.delivery import Connections, Orchestrator, WebSocketBridge
from simulator.demo.standin.ids import IdMint
from simulator.demo.standin.llm import LLMManager
from simulator.demo.standin.pace import Pace
from simulator.demo.standin.routing import AgentHandler, MessageRouter
from simulator.demo.standin.storage import Database, SessionFactory
from simulator.demo.standin.tools import ToolDispatcher

logger = logging.getLogger(__name__)

COMPONENTS = (
    "database",
    "db_session_factory",
    "llm_manager",
    "tool_dispatcher",
    "agent_registry",
    "agent_supervisor",
    "orchestrator",
    "websocket_bridge",
)
"""What can be taken away, in the order of construction."""

MODES = (("llm_manager", "slow"), ("llm_manager", "stuck"), ("agent_supervisor", "starting"))
"""What can be degraded, and how."""


class System:
    """The backend's application state.

    The components are declared as present, as the code that uses them believes; startup may have left any None.
    """

    database: Database
    db_session_factory: SessionFactory
    llm_manager: LLMManager
    tool_dispatcher: ToolDispatcher
    agent_registry: AgentRegistry
    agent_supervisor: AgentSupervisor
    orchestrator: Orchestrator
    websocket_bridge: WebSocketBridge
    agent_handler: AgentHandler

    def __init__(self, pace: Pace, ids: IdMint) -> None:
        self.pace = pace
        self.ids = ids
        self.connections = Connections()
        self.router = MessageRouter()
        self.startup_error: str | None = None
        self.announced: list[str] = []
        self.resources = ExitStack()
        for name in (*COMPONENTS, "agent_handler"):
            setattr(self, name, None)

    def initialized_database(self) -> Database:
        """The database; raises `RuntimeError` when startup has left none."""
        if self.database is None:
            raise RuntimeError("DatabaseManager not initialized")
        return self.database

    def take_away(self, name: str) -> None:
        """Make a component None while the system runs, here and in every component that refers to it."""
        _check_names({name})
        holders = [self, *(getattr(self, holder) for holder in (*COMPONENTS, "agent_handler"))]
        for holder in holders:
            if hasattr(holder, name):
                setattr(holder, name, None)

    def degrade(self, name: str, mode: str) -> None:
        """Make a component do its work badly while the system runs; raises `ValueError` for an unknown mode."""
        match name, mode:
            case "llm_manager", "slow":
                self.llm_manager.slow = True
            case "llm_manager", "stuck":
                self.llm_manager.stuck = True
            case "agent_supervisor", "starting":
                self.announced.append(name)
                self.router.leave_agents()
            case _:
                raise ValueError(f"mode: expected one of {MODES}, got {(name, mode)}")

    def close(self) -> None:
        """Give back what the components hold."""
        self.resources.close()


def build(missing: Iterable[str] = (), *, scale: float = 1.0, seed: int | None = None) -> System:
    """Start a system without the components named in `missing`; raises `ValueError` for an unknown name.

    A component that cannot do without a missing one fails to start, which is logged, and stays None as well.
    A failure of the database ends the startup, and is kept in `startup_error`.
    """
    absent = frozenset(missing)
    _check_names(absent)
    system = System(Pace(scale), IdMint(seed))
    try:
        _start_database(system, absent)
        _start_platform(system, absent)
        _connect_platform(system)
    except RuntimeError as error:
        logger.error("startup failed: %s", error)
        system.startup_error = str(error)
    return system


def _check_names(names: Iterable[str]) -> None:
    unknown = sorted(set(names) - set(COMPONENTS))
    if unknown:
        raise ValueError(f"missing: expected {', '.join(COMPONENTS)}, got {', '.join(unknown)}")


def _start_database(system: System, absent: frozenset[str]) -> None:
    if "database" not in absent:
        system.database = Database()
        system.resources.callback(system.database.close)
    system.initialized_database().migrate()


_CONSTRUCTORS: dict[str, Callable[[System], object]] = {
    "db_session_factory": lambda system: SessionFactory(system.database),
    "llm_manager": lambda system: LLMManager(system.pace),
    "tool_dispatcher": lambda system: ToolDispatcher(system.pace),
    "agent_registry": lambda system: AgentRegistry(),
    "agent_supervisor": lambda system: AgentSupervisor(
        db_session_factory=system.db_session_factory,
        llm_manager=system.llm_manager,
        tool_dispatcher=system.tool_dispatcher,
        agent_registry=system.agent_registry,
        pace=system.pace,
    ),
    "orchestrator": lambda system: Orchestrator(system.ids),
    "websocket_bridge": lambda system: WebSocketBridge(system.orchestrator, system.connections),
    "agent_handler": lambda system: AgentHandler(system.agent_supervisor, system.ids),
}


def _start_platform(system: System, absent: frozenset[str]) -> None:
    for name, construct in _CONSTRUCTORS.items():
        if name in absent:
            continue
        try:
            setattr(system, name, construct(system))
        except MissingDependencyError as error:
            logger.warning("startup: %s stays None: %s", name, error)


def _connect_platform(system: System) -> None:
    try:
        system.agent_supervisor.websocket_bridge = system.websocket_bridge
        system.router.serve_agents(system.agent_handler)
    except AttributeError as error:
        logger.warning("startup: agents stay unconnected: %s", error)
