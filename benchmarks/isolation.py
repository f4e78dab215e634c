"""Isolation: many clients at once on one replay, and nobody hears of another; `python -m benchmarks.isolation`.

Every visitor logs in, opens two WebSockets, starts an agent, and posts a message that is pushed on the second
socket. Whatever it sends is its own, and so must be whatever it is sent: afterwards everything that each of them
received is searched for what others sent, and for what the server made for others.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import resource
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import click
from websockets.asyncio.client import connect

from simulator.core.events import Direction, Event, Message, Request, Response
from simulator.core.recording import Header, Recording, Service
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.core.units import MILLISECOND, SECOND
from simulator.core.values.tokens import sign
from simulator.live.server import ReplayServer

CREATED: Final = 1_757_400_000 * SECOND
PATIENCE: Final = 60.0
"""Seconds after which a visitor that hears nothing gives up."""
_UPGRADE: Final = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
_MADE: Final = ("token", "session_id", "id", "connection_id", "run_id")
_WORD: Final = re.compile(r"[\w.@+-]{4,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one visitor says; `words` are all of its values, and nobody else's."""

    email: str
    name: str
    device: int
    thread: str
    title: str
    request: str
    wish: str
    note: str

    @classmethod
    def by(cls, number: int | str) -> Said:
        """Ids that are ids on sight, and others that are not: words, sentences, numbers, short names."""
        return cls(
            email=f"visitor-{number}@example.com",
            name=f"name-of-visitor-{number}",
            device=7_000_000_000 + 7 * int(number),
            thread=str(uuid.uuid5(uuid.NAMESPACE_URL, f"thread/{number}")),
            title=f"Costs of-visitor-{number}",
            request=f"req_{number}",
            wish=f"Cut them for-visitor-{number}, please",
            note=f"note-of-visitor-{number}",
        )

    @property
    def words(self) -> frozenset[str]:
        return frozenset(word for word in _WORD.findall(str(self)) if any(char.isdigit() for char in word))


@dataclass(slots=True)
class Heard:
    """All that one visitor received, as text, and the ids in it that the server made for it."""

    texts: list[str] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    messages: int = 0

    def hear(self, text: str) -> Any:
        self.texts.append(text)
        self.messages += 1
        found = json.loads(text)
        self.made |= {
            str(found[name]) for name in ("token", "session_id", "id", "connection_id", "run_id") if name in found
        }
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it. `leaks` names who heard what of whom."""

    clients: int
    messages: int
    seconds: float
    leaks: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"isolation: {self.clients} clients at once, {self.messages} messages received, "
            f"{len(self.leaks)} leaks, {self.seconds:.1f} s"
        )


def visited() -> Recording:
    """The visit of one visitor, recorded."""
    said = Said.by(999)
    token = sign({"sub": "recorded", "iat": CREATED // SECOND, "exp": CREATED // SECOND + 900})
    session, made, cookie = "session_4821", "5d1b1f0e-2f5c-4a76-8f0e-9b6f0a6f1c11", "Zx8kQ2pLm4Rt7Vw1Yb5N"
    mine = (("Authorization", f"Bearer {token}"), ("Cookie", f"theme=dark-2024; sid={cookie}"))
    user = {"email": said.email, "name": said.name, "session_id": session}
    login = {"email": said.email, "name": said.name, "device": said.device}
    entered = {"token": token, "session_id": session, "device": said.device, "user": user}
    thread = {"id": made, "title": said.title, "thread": said.thread, "session_id": session}
    run = {"thread": said.thread, "run_id": "run_8f14e45f"}
    start = {"type": "start", "thread": said.thread, "request": said.request, "wish": said.wish}
    done = {"type": "completed", **run, "request": said.request, "answer": said.wish}
    posted = {"thread": said.thread, "note": said.note}
    return Recording(
        header=Header(created=CREATED, services=(Service(name="backend", origins=("https://api.staging",)),)),
        events=(
            _request("1", 0, "POST", "/login", login),
            _response("1", 10, entered, (("Set-Cookie", f"sid={cookie}; Path=/; HttpOnly"),)),
            _request("2", 20, "GET", "/me", headers=mine),
            _response("2", 30, user),
            _request("3", 40, "POST", "/threads", {"title": said.title, "thread": said.thread}, mine),
            _response("3", 50, thread),
            _request("4", 60, "GET", f"/ws?token={token}", headers=_UPGRADE),
            _switched("4", 70),
            _frame("4", 80, Direction.DOWNSTREAM, {"type": "hello", **user, "connection_id": "ws_0a1b2c3d"}),
            _request("5", 90, "GET", f"/threads/{made}/events", headers=(*_UPGRADE, *mine)),
            _switched("5", 100),
            _frame("4", 110, Direction.UPSTREAM, start),
            _frame("4", 120, Direction.DOWNSTREAM, {"type": "started", **run}),
            _frame("4", 130, Direction.DOWNSTREAM, done),
            _request("6", 140, "POST", f"/threads/{made}/notes", posted, mine, id="posted"),
            _response("6", 150, {"thread": said.thread, "note": said.note, "id": made}),
            _frame(
                "5", 160, Direction.DOWNSTREAM, {"type": "noted", **posted, "session_id": session}, cause="posted"
            ),
            _request("7", 170, "GET", f"/threads/{made}", headers=mine),
            _response("7", 180, {**thread, "notes": [said.note], "user": user}),
        ),
    )


def _request(
    flow: str,
    at: int,
    method: str,
    target: str,
    body: object = None,
    headers: tuple[tuple[str, str], ...] = (),
    **names: str,
) -> Request:
    data = b"" if body is None else json.dumps(body).encode()
    kind = (("Content-Type", "application/json"),) if data else ()
    return Request(
        flow=flow,
        at=at * MILLISECOND,
        service="backend",
        method=method,
        target=target,
        headers=(*headers, *kind),
        body=data,
        **names,
    )


def _response(flow: str, at: int, body: object, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    fields = (*headers, ("Content-Type", "application/json"))
    return Response(flow=flow, at=at * MILLISECOND, status=200, headers=fields, body=json.dumps(body).encode())


def _switched(flow: str, at: int) -> Response:
    return Response(flow=flow, at=at * MILLISECOND, status=101, headers=_UPGRADE)


def _frame(flow: str, at: int, way: Direction, body: object, **names: str) -> Event:
    return Message(flow=flow, at=at * MILLISECOND, direction=way, data=json.dumps(body), **names)


async def visit(url: str, said: Said, way: int) -> Heard:
    """One visit. `way` says how this visitor shows who it is: by a header, by a cookie, or by both."""
    heard = Heard()
    jar = aiohttp.CookieJar(unsafe=True) if way % 3 else aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(url, cookie_jar=jar) as client:

        async def ask(method: str, path: str, body: object = None) -> Any:
            headers = {"Authorization": f"Bearer {token}"} if token and way % 3 < 2 else {}
            async with client.request(method, path, json=body, headers=headers) as answer:
                heard.texts.append(str(answer.headers))
                return heard.hear(await answer.text())

        token = ""
        login = await ask("POST", "/login", {"email": said.email, "name": said.name, "device": said.device})
        token = login["token"]
        user = {"email": said.email, "name": said.name, "session_id": login["session_id"]}
        _require(login["user"], user)
        _require(await ask("GET", "/me"), user)
        thread = await ask("POST", "/threads", {"title": said.title, "thread": said.thread})
        base = f"/threads/{thread['id']}"
        bearer = {"Authorization": f"Bearer {token}"}
        ws = "ws" + url.removeprefix("http")
        async with (
            connect(f"{ws}/ws?token={token}", compression=None) as socket,
            connect(f"{ws}{base}/events", additional_headers=bearer, compression=None) as events,
        ):
            _require(heard.hear(str(await socket.recv()))["email"], said.email)
            start = {"type": "start", "thread": said.thread, "request": said.request, "wish": said.wish}
            await socket.send(json.dumps(start))
            _require(heard.hear(str(await socket.recv()))["thread"], said.thread)
            _require(heard.hear(str(await socket.recv()))["answer"], said.wish)
            await ask("POST", f"{base}/notes", {"thread": said.thread, "note": said.note})
            _require(heard.hear(str(await events.recv()))["note"], said.note)
        _require((await ask("GET", base))["notes"], [said.note])
    return heard


def _require(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"expected {expected}, heard {found}")


def leaks(visits: Mapping[Said, Heard]) -> Iterator[str]:
    """Who heard what of whom: values that another sent, and ids that were made for another."""
    owners: dict[str, list[Said]] = {}
    for said, heard in visits.items():
        for word in said.words | heard.made:
            owners.setdefault(word, []).append(said)
    for said, heard in visits.items():
        words = set(_WORD.findall("\n".join(heard.texts)))
        for word in sorted(words):
            for other in owners.get(word, ()):
                if other is not said:
                    yield f"{said.name} heard {word} of {other.name}"


async def _crowd(everybody: Iterable[Said]) -> dict[Said, Heard]:
    """Let all of them visit at once, on the server's own loop: another thread would only wait for its turn."""
    people = list(everybody)
    server = ReplayServer(script=compile_script(visited()), settings=Settings(speed=math.inf))
    await server.start()
    try:
        async with asyncio.timeout(PATIENCE):
            visits = (visit(server.url, said, number) for number, said in enumerate(people))
            return dict(zip(people, await asyncio.gather(*visits), strict=True))
    finally:
        await server.stop()


def measure(clients: int = 200) -> Figures:
    """Let so many visit at once. Raises AssertionError where one is answered wrongly."""
    _make_room(8 * clients)
    started = time.monotonic()
    visits = asyncio.run(_crowd(map(Said.by, range(clients))))
    return Figures(
        clients=clients,
        messages=sum(heard.messages for heard in visits.values()),
        seconds=time.monotonic() - started,
        leaks=tuple(leaks(visits)),
    )


def figures() -> Iterator[tuple[str, str]]:
    """The pair that `python -m benchmarks` keeps in the README."""
    found = measure()
    figure = f"{found.messages:,} messages received, {len(found.leaks)} leaks, {found.seconds:.1f} s"
    yield f"{found.clients} clients at once on one replay", figure


def _make_room(files: int) -> None:
    """Both ends of every socket are here, and macOS allows 256 files unless asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files + 100
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


if __name__ == "__main__":
    click.echo(measure())
