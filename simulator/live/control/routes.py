"""The table of the control API: it is what is served, and what the OpenAPI description says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from simulator.live.control.feed import Feed
from simulator.live.control.models import (
    Advance,
    Advanced,
    Arm,
    Armed,
    Disarmed,
    JournalPage,
    Named,
    Nothing,
    Page,
    ResetDone,
    Rules,
    Sessions,
    Since,
    Version,
)
from simulator.live.control.operations import Operations

JSON_LINES: Final = "application/jsonl"
P = TypeVar("P", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)
Answer = BaseModel | bytes | AsyncGenerator[bytes]
"""A model, JSON that is written already, or JSON lines as they come."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the routes act on."""

    operations: Operations
    feed: Feed


@dataclass(frozen=True, slots=True)
class Route(Generic[P, B]):
    """One operation; the name of the function that does it is its id, and the function's docstring its summary.

    `parameters` stand in the path where it names them, else in the query. `answer` is None for what is no model of
    ours. `failures` are the statuses that this operation says no with, beyond those that all may.
    """

    method: str
    path: str
    act: Callable[[Target, P, B], Awaitable[Answer]]
    parameters: type[P]
    body: type[B]
    answer: type[BaseModel] | None
    status: int = 200
    failures: tuple[int, ...] = ()
    media: str = "application/json"


async def version(target: Target, parameters: Nothing, body: Nothing) -> Version:
    """What is running."""
    return target.operations.version()


async def rules(target: Target, parameters: Nothing, body: Nothing) -> Rules:
    """Rules that are armed or were, with the proof of what they did."""
    return Rules(rules=target.operations.rules())


async def arm(target: Target, parameters: Nothing, body: Arm) -> Armed:
    """Arm a rule, what a fault file says, or a fault by name; what is under way meets it."""
    return Armed(armed=target.operations.arm(target.operations.read(body.root)))


async def disarm(target: Target, parameters: Named, body: Nothing) -> Disarmed:
    """Disarm a rule, or all rules of a fault; what they held is sent, in order."""
    return Disarmed(disarmed=target.operations.disarm(parameters.name))


async def advance(target: Target, parameters: Nothing, body: Advance) -> Advanced:
    """Let time pass on a manual clock."""
    return target.operations.advance(body.by)


async def journal(target: Target, parameters: Page, body: Nothing) -> bytes:
    """What happened so far, secrets redacted."""
    lines = await target.feed.page(parameters.since, parameters.limit)
    head = f'{{"next":{parameters.since + len(lines)},"total":{target.feed.total},"entries":['
    return head.encode() + b",".join(line.rstrip() for line in lines) + b"]}"


async def stream(target: Target, parameters: Since, body: Nothing) -> AsyncGenerator[bytes]:
    """What happened and what happens until the replay ends; from the beginning, it is a recording."""
    return target.feed.follow(parameters.since)


async def sessions(target: Target, parameters: Nothing, body: Nothing) -> Sessions:
    """Who is connected."""
    return target.operations.sessions()


async def reset(target: Target, parameters: Nothing, body: Nothing) -> ResetDone:
    """Disarm everything, bring every service up, and take whoever comes next for a new client."""
    return await target.operations.reset()


async def openapi(target: Target, parameters: Nothing, body: Nothing) -> bytes:
    """This description."""
    from simulator.live.control.openapi import document  # it describes this table, so it imports it

    return document()


ROUTES: tuple[Route[Any, Any], ...] = (
    Route("GET", "/v1/version", version, Nothing, Nothing, Version),
    Route("GET", "/v1/rules", rules, Nothing, Nothing, Rules),
    Route("POST", "/v1/rules", arm, Nothing, Arm, Armed, status=201, failures=(409,)),
    Route("DELETE", "/v1/rules/{name}", disarm, Named, Nothing, Disarmed, failures=(404,)),
    Route("POST", "/v1/clock/advance", advance, Nothing, Advance, Advanced, failures=(409,)),
    Route("GET", "/v1/journal", journal, Page, Nothing, JournalPage),
    Route("GET", "/v1/journal/stream", stream, Since, Nothing, None, failures=(503,), media=JSON_LINES),
    Route("GET", "/v1/sessions", sessions, Nothing, Nothing, Sessions),
    Route("POST", "/v1/reset", reset, Nothing, Nothing, ResetDone),
    Route("GET", "/v1/openapi.json", openapi, Nothing, Nothing, None),
)
