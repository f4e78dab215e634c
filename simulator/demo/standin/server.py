"""Serves the stand-in's three services on three ports."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from simulator.demo.standin.auth import create_auth
from simulator.demo.standin.backend import create_backend
from simulator.demo.standin.conversation import HEARTBEAT_SECONDS
from simulator.demo.standin.frontend import create_frontend
from simulator.demo.standin.system import System, build
from simulator.demo.standin.tokens import Tokens

SERVICES = ("backend", "auth", "frontend")
SHUTDOWN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Standin:
    """A running stand-in: where its services listen, and the system behind them."""

    backend_url: str
    auth_url: str
    frontend_url: str
    system: System

    @property
    def ws_url(self) -> str:
        """The backend's WebSocket endpoint."""
        return self.backend_url.replace("http", "ws", 1) + "/ws"


@asynccontextmanager
async def running(
    components: System | None = None,
    missing: Iterable[str] = (),
    scale: float = 1.0,
    host: str = "127.0.0.1",
    *,
    ports: Mapping[str, int] | None = None,
    public_urls: Mapping[str, str] | None = None,
    heartbeat_interval: float = HEARTBEAT_SECONDS,
    seed: int | None = None,
) -> AsyncIterator[Standin]:
    """Run the stand-in until the block ends.

    `components` is a system from `build`, with its own scale, seed and missing components; without it one is
    built from `missing`, `scale` and `seed`. `ports` and `public_urls` go by service name; a port not given is a
    free one, a public URL replaces the listening one in service discovery. `heartbeat_interval` is in seconds,
    before scaling. Raises `ValueError` for unknown names, `OSError` when a port is taken.
    """
    for names in (ports, public_urls):
        _check_services(names or {})
    absent = frozenset(missing)
    if components is not None and absent:
        raise ValueError("missing: given together with components, which were built before")
    async with AsyncExitStack() as stack:
        system = components
        if system is None:
            system = build(absent, scale=scale, seed=seed)
            stack.callback(system.close)
        yield await _serve(stack, system, host, ports or {}, public_urls or {}, heartbeat_interval)


def _check_services(names: Iterable[str]) -> None:
    unknown = sorted(set(names) - set(SERVICES))
    if unknown:
        raise ValueError(f"service: expected {', '.join(SERVICES)}, got {', '.join(unknown)}")


async def _serve(
    stack: AsyncExitStack,
    system: System,
    host: str,
    ports: Mapping[str, int],
    public_urls: Mapping[str, str],
    heartbeat_interval: float,
) -> Standin:
    tokens = Tokens(system.ids)
    # The backend tells where all services are, and is made before that is known.
    directory: dict[str, str] = {}
    apps = {
        "backend": create_backend(system, tokens, directory, heartbeat_interval),
        "auth": create_auth(tokens, system.pace, system.ids),
        "frontend": create_frontend(system.pace, system.ids),
    }
    urls = {name: await _listen(stack, app, host, ports.get(name, 0)) for name, app in apps.items()}
    directory |= urls | dict(public_urls)
    return Standin(urls["backend"], urls["auth"], urls["frontend"], system)


async def _listen(stack: AsyncExitStack, app: web.Application, host: str, port: int) -> str:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port).start()
    return f"http://{host}:{runner.addresses[0][1]}"
