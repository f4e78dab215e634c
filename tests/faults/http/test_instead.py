"""Answers in the server's place: a rate limit, and a canned success."""

from __future__ import annotations

import asyncio

import pytest

from simulator.core.errors import FaultError
from simulator.core.rule import Rule, Selector, Trigger
from simulator.core.units import MILLISECOND, SECOND
from simulator.faults.ratelimit import RateLimitFault
from simulator.live.clock import ManualClock
from tests.conversations import UPGRADE
from tests.faults.http.web import AGENT, aio_client, fired, http_client, replaying, run, until

MOCK = {"status": "success", "agent": "mock", "response": "Mock response", "execution_time": 0.05, "error": None}


def test_whoever_asks_too_often_is_told_to_wait() -> None:
    async def talk() -> None:
        clock = ManualClock()
        async with replaying("rate-limit", limit="3", window="30s", clock=clock) as server:
            async with http_client(server) as client:
                assert [(await client.get("/health")).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
                server.pump.advance(12 * SECOND - 1)
                seen = await client.get("/items")
                assert (seen.status_code, seen.reason_phrase) == (429, "Too Many Requests")
                assert seen.headers["Retry-After"] == "19", "what is left of the window, rounded up"
                assert seen.json() == {"detail": "Rate limit exceeded"}
            server.pump.advance(18 * SECOND)
            async with aio_client(server) as session:
                async with session.get("/health") as answer:
                    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
                server.pump.advance(1)
                async with session.get("/health") as answer:
                    assert answer.status == 200
            assert fired(server) == [4], "what is let through did not fire"
            assert len(server.session.journal.notes("opened")) == 4, "what is refused never reaches the server"

    run(talk)


def test_each_client_has_a_limit_of_its_own() -> None:
    async def talk() -> None:
        async with replaying("rate-limit", limit="1", per="client") as server, http_client(server) as client:
            for token in ("token-of-client-a", "token-of-client-b"):
                headers = {"Authorization": f"Bearer {token}"}
                seen = [(await client.get("/health", headers=headers)).status_code for _ in range(2)]
                assert seen == [200, 429]

    run(talk)


def test_a_limit_says_what_it_is_told_to_say_also_to_websockets() -> None:
    async def talk() -> None:
        fault = RateLimitFault(limit=0, status=503, body="busy", headers={"retry-after": "120"})
        rule = Rule(name="busy", fault=fault, when=Trigger(per="run"))
        async with replaying(rule) as server, http_client(server) as client:
            for headers in ({}, dict(UPGRADE[1:])):
                seen = await client.get("/health", headers=headers)
                assert (seen.status_code, seen.text) == (503, "busy")
                assert seen.headers.get_list("Retry-After") == ["120"]

    run(talk)


@pytest.mark.parametrize("fields", [{"limit": -1}, {"window": 0}])
def test_a_limit_that_cannot_be_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(FaultError):
        RateLimitFault(**fields)


def test_a_canned_success_comes_before_the_real_one_could() -> None:
    async def talk() -> None:
        async with replaying("mock", clock=ManualClock(), speed=1) as server, http_client(server) as client:
            asking = asyncio.create_task(client.post("/api/agents/execute", json={"type": "triage"}))
            health = asyncio.create_task(client.get("/health"))
            await until(lambda: fired(server) == [1] and server.session.journal.notes("opened"))
            server.pump.advance(50 * MILLISECOND)
            assert (await asking).json() == MOCK
            assert not health.done()
            server.pump.advance(SECOND)
            assert (await health).json() == {"status": "healthy"}
            assert len(server.session.journal.notes("opened")) == 1

    run(talk)


def test_aiohttp_sees_the_canned_success_and_the_real_one_elsewhere() -> None:
    async def talk() -> None:
        async with (
            replaying("mock", delay="0s") as server,
            aio_client(server) as session,
            session.post("/api/agents/execute") as answer,
        ):
            assert (answer.status, answer.content_type, await answer.json()) == (200, "application/json", MOCK)
        async with (
            replaying("mock", path="/elsewhere") as server,
            aio_client(server) as session,
            session.post("/api/agents/execute") as answer,
        ):
            assert await answer.json() == AGENT
            assert fired(server) == [0]

    run(talk)


def test_what_a_rule_does_not_mean_is_not_counted() -> None:
    async def talk() -> None:
        rule = Rule(name="items", fault=RateLimitFault(limit=1), select=Selector(path="/items"))
        async with replaying(rule) as server, http_client(server) as client:
            paths = ("/health", "/items", "/health", "/items", "/health")
            assert [(await client.get(path)).status_code for path in paths] == [200, 200, 200, 429, 200]

    run(talk)
