"""A part of toxiproxy's HTTP API on a loopback port of its own, for the client libraries that there are for it.

There is no token, as in toxiproxy: whoever can connect to the loopback address may use it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, RootModel, ValidationError

from simulator import __version__
from simulator.core.errors import StagesimError
from simulator.files.problems import first_problem
from simulator.live.control.errors import RefusedError
from simulator.live.control.guard import MAX_BODY, check_place, guarded, json_of, json_response
from simulator.live.control.operations import Operations
from simulator.live.control.proxies import Proxies, ProxyGiven, ProxyShown, ToxicGiven, ToxicShown
from simulator.live.control.server import Door
from simulator.live.server import Listen, ReplayServer

VERSION: Final = f"2.12.0+stagesim.{__version__}"
"""The toxiproxy whose API this is a part of."""
PORT: Final = 8474
"""Where toxiproxy's clients look for it unless they are told."""

M = TypeVar("M", bound=BaseModel)


class ApiError(BaseModel):
    error: str
    status: int


class Populated(BaseModel):
    proxies: list[ProxyShown]


class AllProxies(RootModel[dict[str, ProxyShown]]):
    pass


class AllToxics(RootModel[list[ToxicShown]]):
    pass


class ManyProxies(RootModel[list[ProxyGiven]]):
    pass


class VersionShown(BaseModel):
    version: str


Answer = tuple[int, BaseModel | None]
Act = Callable[[Proxies, web.Request], Awaitable[Answer]]


async def index(proxies: Proxies, request: web.Request) -> Answer:
    return 200, AllProxies(proxies.index())


async def create(proxies: Proxies, request: web.Request) -> Answer:
    return 201, proxies.create(await _given(ProxyGiven, request))


async def populate(proxies: Proxies, request: web.Request) -> Answer:
    given = await _given(ManyProxies, request)
    return 201, Populated(proxies=await proxies.populate(given.root))


async def show(proxies: Proxies, request: web.Request) -> Answer:
    return 200, proxies.show(request.match_info["proxy"])


async def update(proxies: Proxies, request: web.Request) -> Answer:
    return 200, await proxies.update(request.match_info["proxy"], await _given(ProxyGiven, request))


async def delete(proxies: Proxies, request: web.Request) -> Answer:
    proxies.delete(request.match_info["proxy"])
    return 204, None


async def toxics(proxies: Proxies, request: web.Request) -> Answer:
    return 200, AllToxics(proxies.toxics(request.match_info["proxy"]))


async def add_toxic(proxies: Proxies, request: web.Request) -> Answer:
    return 200, proxies.add_toxic(request.match_info["proxy"], await _given(ToxicGiven, request))


async def toxic(proxies: Proxies, request: web.Request) -> Answer:
    return 200, proxies.toxic(request.match_info["proxy"], request.match_info["toxic"])


async def update_toxic(proxies: Proxies, request: web.Request) -> Answer:
    given = await _given(ToxicGiven, request)
    return 200, proxies.update_toxic(request.match_info["proxy"], request.match_info["toxic"], given)


async def remove_toxic(proxies: Proxies, request: web.Request) -> Answer:
    proxies.remove_toxic(request.match_info["proxy"], request.match_info["toxic"])
    return 204, None


async def reset(proxies: Proxies, request: web.Request) -> Answer:
    await proxies.reset()
    return 204, None


async def version(proxies: Proxies, request: web.Request) -> Answer:
    return 200, VersionShown(version=VERSION)


ROUTES: Final[tuple[tuple[str, str, Act], ...]] = (
    ("GET", "/version", version),
    ("POST", "/reset", reset),
    ("POST", "/populate", populate),
    ("GET", "/proxies", index),
    ("POST", "/proxies", create),
    ("GET", "/proxies/{proxy}", show),
    ("POST", "/proxies/{proxy}", update),
    ("PATCH", "/proxies/{proxy}", update),
    ("DELETE", "/proxies/{proxy}", delete),
    ("GET", "/proxies/{proxy}/toxics", toxics),
    ("POST", "/proxies/{proxy}/toxics", add_toxic),
    ("GET", "/proxies/{proxy}/toxics/{toxic}", toxic),
    ("POST", "/proxies/{proxy}/toxics/{toxic}", update_toxic),
    ("PATCH", "/proxies/{proxy}/toxics/{toxic}", update_toxic),
    ("DELETE", "/proxies/{proxy}/toxics/{toxic}", remove_toxic),
)


class ToxiproxyServer:
    """The API over one running replay server, on its loop."""

    def __init__(self, server: ReplayServer, listen: Listen | None = None) -> None:
        proxies = Proxies(Operations(server))
        app = web.Application(
            client_max_size=MAX_BODY, middlewares=[guarded((check_place, _check_agent), _error_of)]
        )
        for method, path, act in ROUTES:
            app.router.add_route(method, path, partial(_answer, act, proxies))
        self._door = Door(app=app, listen=listen or Listen(port=PORT), option="--toxiproxy")

    async def start(self) -> None:
        """Listen. Raises StagesimError where that is not possible."""
        await self._door.open()

    async def stop(self) -> None:
        await self._door.close()

    @property
    def url(self) -> str:
        return f"http://{self._door.address}"


async def _answer(act: Act, proxies: Proxies, request: web.Request) -> web.StreamResponse:
    status, body = await act(proxies, request)
    return web.Response(status=status) if body is None else json_response(body, status)


async def _given(model: type[M], request: web.Request) -> M:
    """What a client sent, whatever type it says that is: toxiproxy does not ask either."""
    try:
        return model.model_validate(await json_of(request))
    except ValidationError as error:
        raise RefusedError(400, f"bad request body: {first_problem(error, StagesimError)}") from None


def _check_agent(request: web.Request) -> None:
    """Refuse browsers, as toxiproxy does: they may be sent here by any page."""
    if request.headers.get("User-Agent", "").startswith("Mozilla/"):
        raise RefusedError(403, "user agent not allowed")


def _error_of(status: int, error: StagesimError) -> ApiError:
    return ApiError(error=str(error), status=status)
