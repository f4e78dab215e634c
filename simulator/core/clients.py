"""Who is who: which live flows belong to one client, and which take of a recorded flow it gets next.

A connection says nothing about who is behind it; a login and a WebSocket come over different ones. A request
belongs to a known client if it carries something that only this client has: a value that was minted for it, or
the same credential. Otherwise it is somebody new.
"""

from __future__ import annotations

import base64
import binascii
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from simulator.core.bindings import Bindings, Scope
from simulator.core.correlation import Plan
from simulator.core.events import Request
from simulator.core.ids import is_credential_name, is_distinctive, is_jwt, is_word
from simulator.core.jsontext import leaves
from simulator.core.places import json_of, query_items, segments
from simulator.core.script import FlowScript

_SPLIT: Final = re.compile(r"[\s,;=]+")
_SHORTEST_CREDENTIAL: Final = 12
_NO_TOKENS: Final = frozenset({"cookie", "x-stagesim-client"})
_CREDENTIAL_FIELDS: Final = frozenset(
    "authorization proxy-authorization cookie x-api-key sec-websocket-protocol x-stagesim-client".split()
)


@dataclass(slots=True)
class Progress:
    """How often each flow was played, and of several recordings, the one that is followed."""

    played: dict[str, int] = field(default_factory=dict)
    part: int = 0


@dataclass(slots=True)
class Client:
    """Somebody: a name, what the recorded values are called for it, and how far it has come."""

    name: str
    scope: Scope = field(default_factory=Scope)
    progress: Progress = field(default_factory=Progress)
    known: bool = False


class Clients:
    """All clients of a run."""

    def __init__(self, plan: Plan, seed: int, *, fresh: bool) -> None:
        self._plan, self._seed, self._fresh = plan, seed, fresh
        self._owners: dict[str, Client] = {}
        self._everyone = Progress()
        self._count = self._met = 0

    def of(self, request: Request) -> Client:
        """The client that a request belongs to, a new one if nothing tells."""
        carried = list(_carried(request))
        for value in carried:
            if value in self._owners:
                return self._owners[value]
        self._count += 1
        self._met += 1
        # strangers share their progress: a poll of /health by nobody in particular still makes progress
        client = Client(name=f"client {self._count}", progress=self._everyone)
        for value in _secrets(request):
            self._own(client, value)
        return client

    def forget(self) -> int:
        """Begin anew, with other names: whoever asks next is nobody that was here. Says how many it forgot."""
        forgotten, self._met = self._met, 0
        self._owners, self._everyone = {}, Progress()
        return forgotten

    def bindings(self, client: Client, flow: str) -> Bindings:
        """The bindings of one of its flows."""
        rng = random.Random(f"{self._seed}/{flow}/ids")
        return Bindings(
            plan=self._plan,
            client=client.scope,
            rng=rng,
            fresh=self._fresh,
            minted=lambda value: self._own(client, value),
        )

    def _own(self, client: Client, value: str) -> None:
        if len(value) < _SHORTEST_CREDENTIAL:
            return
        if not client.known:
            begun = client.progress
            client.known, client.progress = True, Progress(dict(begun.played), begun.part)
        self._owners.setdefault(value, client)


def same(one: Client, other: Client) -> bool:
    """Whether two are one; strangers are nobody in particular, all of them together."""
    return one is other or not (one.known or other.known)


def _carried(request: Request) -> Iterator[str]:
    """Everything in a request that may tell whose it is."""
    yield from _secrets(request)
    yield from _credentials(request)
    yield from segments(request)
    yield from (value for _, value in query_items(request.query))
    document = json_of(request)
    if isinstance(document, dict | list):
        yield from (value for _, value in leaves(document) if isinstance(value, str))


def _secrets(request: Request) -> Iterator[str]:
    """Credentials that only one client has; the names of cookies, schemes and subprotocols many have."""
    for name, value in request.headers:
        match name.lower():
            case "authorization" | "proxy-authorization":
                yield value.partition(" ")[2].strip() or value
            case "cookie":
                values = (item.partition("=")[2].strip() for item in value.split(";"))
                yield from (item for item in values if not is_word(item))
            case "sec-websocket-protocol":
                for part in _SPLIT.split(value):
                    yield from _wrapped(part)
                    yield from [part] if is_jwt(part) or is_distinctive(part) else []
            case "x-api-key":
                yield value
            case "x-stagesim-client":
                yield f"{name.lower()}: {value}"
    yield from (value for name, value in query_items(request.query) if is_credential_name(name))


def _credentials(request: Request) -> Iterator[str]:
    """Tokens in the places where clients put them, also the base64url form of 'jwt.<token>' subprotocols."""
    for name, value in request.headers:
        if name.lower() in _CREDENTIAL_FIELDS:
            for part in _SPLIT.split(value):
                yield part
                yield from _wrapped(part)
    yield from (value for name, value in query_items(request.query) if is_credential_name(name))


def tokens(request: Request) -> Iterator[str]:
    """Credentials by which a request says what it may do; of its cookies, those that are tokens for certain."""
    headers = tuple((name, value) for name, value in request.headers if name.lower() not in _NO_TOKENS)
    yield from filter(None, _secrets(replace(request, headers=headers)))
    cookies = [value for name, value in request.headers if name.lower() == "cookie"]
    yield from (part for cookie in cookies for part in _SPLIT.split(cookie) if is_jwt(part))


def _wrapped(part: str) -> Iterator[str]:
    scheme, dot, rest = part.partition(".")
    if dot and scheme in ("jwt", "bearer", "jwt-auth"):
        yield rest
        try:
            yield base64.urlsafe_b64decode(rest + "=" * (-len(rest) % 4)).decode()
        except (binascii.Error, ValueError):
            return


def next_take(client: Client, takes: list[FlowScript], busy: set[str]) -> FlowScript:
    """The take of a flow that this client gets: the first not yet played to it, else the last one again.

    `busy` are recorded flows that this client is in the middle of. A take that the recording began only after
    such a flow had ended is no second connection but a reconnection, so it is another client that asks, and it
    starts from the beginning.
    """
    key = takes[0].flow
    position = min(client.progress.played.get(key, 0), len(takes) - 1)
    open_takes = [take for take in takes if take.flow in busy]
    if (
        position > 0
        and takes[position].upgrade
        and any(take.ends <= takes[position].begins for take in open_takes)
    ):
        return takes[0]
    client.progress.played[key] = position + 1
    return takes[position]
