"""The control server: the table of routes on a loopback port of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from simulator.core.errors import StagesimError
from simulator.files.problems import first_problem
from simulator.files.redaction import Redactor
from simulator.live.control.errors import RefusedError
from simulator.live.control.feed import Feed
from simulator.live.control.guard import (
    MAX_BODY,
    check_place,
    check_type,
    guarded,
    is_loopback,
    json_of,
    json_response,
    problem_of,
    token_check,
)
from simulator.live.control.models import Nothing
from simulator.live.control.operations import Operations
from simulator.live.control.routes import JSON_LINES, ROUTES, Route, Target
from simulator.live.server import Listen, ReplayServer, bound

MAX_READERS: Final = 16
"""Readers of the stream at a time."""
PATIENCE: Final = 1.0
"""Seconds that a reader has to take the end of the stream when the server stops."""

M = TypeVar("M", bound=BaseModel)


def new_token() -> str:
    return secrets.token_urlsafe(24)


@dataclass(slots=True, kw_only=True)
class Door:
    """An application on a loopback address. `option` is what its address was given with, for errors.

    With `hurried`, what is being done for a client ends when the client leaves.
    """

    app: web.Application
    listen: Listen
    option: str
    hurried: bool = False
    port: int = field(init=False, default=0)
    _runner: web.AppRunner = field(init=False)

    async def open(self) -> None:
        """Listen. Raises StagesimError where that is not possible, or would let others in."""
        if not is_loopback(self.listen.host):
            hint = "such as 127.0.0.1:0; nobody else is to control a replay"
            raise StagesimError(
                "expected a loopback address", place=f"{self.option} {self.listen.host}", hint=hint
            )
        try:
            sock = bound(self.listen.host, self.listen.port)
        except StagesimError as error:
            hint = f"{self.option} {self.listen.host}:0 takes a free port"
            raise StagesimError(error.problem, place=error.place, hint=hint) from None
        self.port = sock.getsockname()[1]
        self._runner = web.AppRunner(
            self.app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=self.hurried,
            shutdown_timeout=PATIENCE,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, sock).start()

    @property
    def address(self) -> str:
        host = f"[{self.listen.host}]" if ":" in self.listen.host else self.listen.host
        return f"{host}:{self.port}"

    async def close(self) -> None:
        await self._runner.cleanup()


class ControlServer:
    """Control of a running replay server, on its loop, for whoever has the token."""

    def __init__(
        self,
        server: ReplayServer,
        token: str | None = None,
        listen: Listen | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self.token = token or new_token()
        self._target = Target(Operations(server), Feed(server.session, redactor))
        self._readers = 0
        server.pump.watch(self._target.feed.tell)
        self.app = web.Application(
            client_max_size=MAX_BODY,
            middlewares=[guarded((check_place, token_check(self.token), check_type), problem_of)],
        )
        for route in ROUTES:
            self.app.router.add_route(route.method, _pattern(route), partial(self._answer, route))
        self._door = Door(app=self.app, listen=listen or Listen(), option="--control", hurried=True)

    async def start(self) -> None:
        """Listen. Raises StagesimError where that is not possible."""
        await self._door.open()

    async def stop(self) -> None:
        """Give readers the rest of the journal, and close."""
        self._target.feed.end()
        await self._door.close()

    @property
    def origin(self) -> str:
        return f"http://{self._door.address}"

    @property
    def url(self) -> str:
        """The origin with the token in it, as the command line takes it."""
        return f"http://:{self.token}@{self._door.address}"

    async def _answer(self, route: Route[Any, Any], request: web.Request) -> web.StreamResponse:
        parameters = _valid(route.parameters, {**request.query, **request.match_info})
        body = _valid(route.body, await _sent(route, request))
        answer = await route.act(self._target, parameters, body)
        if isinstance(answer, BaseModel):
            return json_response(answer, route.status)
        if isinstance(answer, bytes):
            headers = {"Cache-Control": "no-store"}
            return web.Response(body=answer, content_type="application/json", headers=headers)
        return await self._stream(request, answer)

    async def _stream(self, request: web.Request, lines: AsyncGenerator[bytes]) -> web.StreamResponse:
        if self._readers >= MAX_READERS:
            raise RefusedError(503, f"{MAX_READERS} read the stream already")
        self._readers += 1
        response = web.StreamResponse(headers={"Content-Type": JSON_LINES, "Cache-Control": "no-store"})
        try:
            await response.prepare(request)
            async with aclosing(lines):
                async for chunk in lines:
                    await response.write(chunk)  # waits for a slow reader
            await response.write_eof()
        except ConnectionError:
            pass  # the reader has gone
        finally:
            self._readers -= 1
        return response


def _pattern(route: Route[Any, Any]) -> str:
    """The path for aiohttp: names of rules may have slashes."""
    return route.path.replace("{name}", "{name:.+}")


async def _sent(route: Route[Any, Any], request: web.Request) -> object:
    sent = await json_of(request)
    if sent is None and route.body is Nothing:
        return {}
    if not isinstance(sent, dict):
        raise RefusedError(422, "expected a JSON object", place="body")
    return sent


def _valid(model: type[M], data: object) -> M:
    """Raises StagesimError for the first thing that is wrong."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise first_problem(error, StagesimError) from None
