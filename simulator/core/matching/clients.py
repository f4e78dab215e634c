"""Who is who: which live flows belong to one client, and which take of a recorded flow it gets next.

A connection says nothing about who is behind it; a login and a WebSocket come over different ones. A request
belongs to a known client if it carries something that only this client has: the same credential, a value that was
minted for it, or an id that it sent before. Otherwise it is somebody new, and so is one who shows another
credential: an id of somebody else's may be sent by anybody.
"""

from __future__ import annotations

import base64
import binascii
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from simulator.core.events import Request
from simulator.core.jsontext import leaves
from simulator.core.script import FlowScript
from simulator.core.values.bindings import Bindings, Scope
from simulator.core.values.correlation import Plan
from simulator.core.values.ids import is_credential_name, is_distinctive, is_jwt, is_opaque
from simulator.core.values.places import json_of, query_items, segments
from simulator.core.values.tokens import claims_of

_SPLIT: Final = re.compile(r"[\s,;=]+")
_SHORTEST_CREDENTIAL: Final = 12
_NO_TOKENS: Final = frozenset({"cookie", "x-stagesim-client"})
_CREDENTIAL_FIELDS: Final = frozenset(
    "authorization proxy-authorization cookie x-api-key sec-websocket-protocol x-stagesim-client".split()
)


Credential = tuple[str, str]
"""Where it is shown, such as 'token' or 'cookie sid', and what."""


@dataclass(slots=True)
class Progress:
    """How often each flow was played, and of several recordings, the one that is followed."""

    played: dict[str, int] = field(default_factory=dict)
    part: int = 0


@dataclass(slots=True)
class Client:
    """Somebody: a name, what the recorded values are called for it, and how far it has come.

    `credentials` are those that it has shown.
    """

    name: str
    scope: Scope = field(default_factory=Scope)
    progress: Progress = field(default_factory=Progress)
    known: bool = False
    credentials: dict[Credential, None] = field(default_factory=dict)


class Clients:
    """All clients of a run."""

    def __init__(self, plan: Plan, seed: int, *, fresh: bool) -> None:
        self._plan, self._seed, self._fresh = plan, seed, fresh
        self._owners: dict[str, Client] = {}
        self._named: dict[str, Client] = {}
        self._made: set[str] = set()
        self._shared: set[str] = set()
        self._everyone = Progress()
        self._count = self._met = 0

    def of(self, request: Request) -> Client:
        """The client that a request belongs to, a new one if nothing tells."""
        shown = [(place, value) for place, value in _secrets(request) if len(value) >= _SHORTEST_CREDENTIAL]
        client = self._by_what_was_made(request) or self._by_secret(shown) or self._by_id(request, shown)
        client = client or self._new()
        client.credentials.update(dict.fromkeys(shown))
        for _, value in shown:
            if value not in self._shared:
                self._own(client, value)
        return client

    def _by_what_was_made(self, request: Request) -> Client | None:
        """Who shows a credential that was made for one client shows nobody else's."""
        values = (*(value for _, value in _secrets(request)), *_credentials(request))
        return next(
            (self._owners[value] for value in values if value in self._made and value in self._owners), None
        )

    def _by_secret(self, shown: Sequence[Credential]) -> Client | None:
        """Who has shown the same before; what two others have, such as a common API key, tells nothing."""
        for place, value in sorted(shown, key=lambda one: one[0] == "key"):
            client = self._owners.get(value)
            if client is not None and _may_show(client, shown, place):
                return client
            if client is not None:
                del self._owners[value]
                self._shared.add(value)
        return None

    def _by_id(self, request: Request, shown: Sequence[Credential]) -> Client | None:
        """Whose ids a request carries. What others may say by chance counts where it is what is asked for."""
        named = [self._owners.get(value) or self._named.get(value) for value in _addressed(request)]
        carried = (self._owners.get(value) for value in _in_body(request))
        return next((client for client in (*named, *carried) if client and _may_be(client, shown)), None)

    def _new(self) -> Client:
        self._count += 1
        self._met += 1
        # strangers share their progress: a poll of /health by nobody in particular still makes progress
        return Client(name=f"client {self._count}", progress=self._everyone)

    def forget(self) -> int:
        """Begin anew, with other names: whoever asks next is nobody that was here. Says how many it forgot."""
        forgotten, self._met = self._met, 0
        self._owners, self._named, self._everyone = {}, {}, Progress()
        self._made, self._shared = set(), set()
        return forgotten

    def bindings(self, client: Client, flow: str) -> Bindings:
        """The bindings of one of its flows."""
        rng = random.Random(f"{self._seed}/{flow}/ids")
        return Bindings(
            plan=self._plan,
            client=client.scope,
            rng=rng,
            fresh=self._fresh,
            minted=lambda value: self._mint(client, value),
            heard=lambda value: self._hear(client, value),
            taken=lambda value: value in self._made,
        )

    def _mint(self, client: Client, value: str) -> None:
        """A value was made for a client; one that had been made before tells nobody any more."""
        if value in self._made and self._owners.get(value) is not client:
            self._owners.pop(value, None)
            return
        self._made.add(value)
        self._own(client, value)

    def _hear(self, client: Client, value: str) -> None:
        """A client has sent a value that travels."""
        if is_distinctive(value) or "@" in value:
            self._own(client, value)
        elif len(value) >= _SHORTEST_CREDENTIAL:
            self._become_known(client)
            self._named.setdefault(value, client)

    def _own(self, client: Client, value: str) -> None:
        if len(value) < _SHORTEST_CREDENTIAL:
            return
        self._become_known(client)
        self._owners.setdefault(value, client)

    def _become_known(self, client: Client) -> None:
        if not client.known:
            begun = client.progress
            client.known, client.progress = True, Progress(dict(begun.played), begun.part)


def same(one: Client, other: Client) -> bool:
    """Whether two are one; strangers are nobody in particular, all of them together."""
    return one is other or not (one.known or other.known)


def _may_show(client: Client, shown: Sequence[Credential], known_by: str) -> bool:
    """Whether a client that is known by what it shows in one place may show the rest, or it is another's.

    It shows nothing new where it showed something else, unless of the same subject. A key may be an application's:
    who is known by nothing else shows nothing new at all once it has shown more.
    """
    places = {place for place, _ in client.credentials}
    new = [one for one in shown if one not in client.credentials]
    free = not new or places == {"key"} if known_by == "key" else all(place not in places for place, _ in new)
    return free or _same_subject(client, new)


def _may_be(client: Client, shown: Sequence[Credential]) -> bool:
    """Whether one who shows these, and carries an id of a client, may be this client."""
    return not shown or not client.credentials or _same_subject(client, shown)


def _same_subject(client: Client, shown: Sequence[Credential]) -> bool:
    return bool(_subjects(shown) & _subjects(client.credentials))


def _subjects(shown: Iterable[Credential]) -> set[str]:
    """Whom tokens are about (RFC 7519 §4.1.2)."""
    return {str(claims["sub"]) for _, value in shown if (claims := claims_of(value)) and "sub" in claims}


def _addressed(request: Request) -> Iterator[str]:
    """What a request is about, by its path and its query."""
    yield from segments(request)
    yield from (value for _, value in query_items(request.query))


def _in_body(request: Request) -> Iterator[str]:
    document = json_of(request)
    if isinstance(document, dict | list):
        yield from (value for _, value in leaves(document) if isinstance(value, str))


def _secrets(request: Request) -> Iterator[Credential]:
    """Credentials that only one client has; the names of cookies, schemes and subprotocols many have."""
    for name, value in request.headers:
        match name.lower():
            case "authorization" | "proxy-authorization":
                yield "token", value.partition(" ")[2].strip() or value
            case "cookie":
                pairs = (item.partition("=") for item in value.split(";"))
                values = ((f"cookie {key.strip()}", item.strip()) for key, _, item in pairs)
                yield from ((key, item) for key, item in values if is_opaque(item) or is_jwt(item))
            case "sec-websocket-protocol":
                for part in _SPLIT.split(value):
                    wrapped = list(_wrapped(part))
                    whole = [part] if is_jwt(part) or is_distinctive(part) else []
                    yield from (("token", text) for text in filter(is_jwt, wrapped))
                    yield from (("token", text) for text in wrapped[:1] or whole if not any(map(is_jwt, wrapped)))
            case "x-api-key":
                yield "key", value
            case "x-stagesim-client":
                yield "client", f"{name.lower()}: {value}"
    yield from (("token", value) for name, value in query_items(request.query) if is_credential_name(name))


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
    yield from (value for _, value in _secrets(replace(request, headers=headers)) if value)
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
