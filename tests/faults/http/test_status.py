"""status: any answer in the place of the recorded one."""

from __future__ import annotations

import asyncio

import pytest

from simulator.core.rule import Rule, Selector
from simulator.core.units import MILLISECOND
from simulator.faults.latency import LatencyFault
from simulator.faults.status import StatusFault
from simulator.files.rulemodels import rule_of
from simulator.live.clock import ManualClock
from tests.faults.http.web import BODY, aio_client, fired, http_client, raw, replaying, run, until


@pytest.mark.parametrize(
    ("status", "phrase"), [(200, "OK"), (418, "I'm a Teapot"), (503, "Service Unavailable"), (599, ""), (999, "")]
)
def test_any_status_is_seen_with_its_body(status: int, phrase: str) -> None:
    async def talk() -> None:
        fault = StatusFault(status=status, body="no\n", headers={"X-Why": "because"})
        async with replaying(fault) as server:
            async with http_client(server) as client:
                seen = await client.get("/items")
            assert (seen.status_code, seen.text, seen.headers["X-Why"]) == (status, "no\n", "because")
            assert seen.reason_phrase.lower() == phrase.lower()
            assert "X-Recorded" not in seen.headers
            async with aio_client(server) as session, session.get("/items") as answer:
                assert (answer.status, await answer.text()) == (status, "no\n")
                assert (answer.reason or "").lower() == phrase.lower()
            assert fired(server) == [2]

    run(talk)


def test_the_file_says_which() -> None:
    async def talk() -> None:
        async with replaying("status", status="502", body="Bad Gateway") as server, http_client(server) as client:
            seen = await client.get("/health")
            assert (seen.status_code, seen.text) == (502, "Bad Gateway")

    run(talk)


def test_headers_replace_what_follows_from_the_body_and_what_was_recorded() -> None:
    async def talk() -> None:
        fault = StatusFault(
            json={"error": "x"},
            headers={"content-type": "application/problem+json", "Retry-After": "7", "X-Recorded": "no"},
            reason="Gone Fishing",
            keep_headers=True,
        )
        async with replaying(fault) as server:
            async with http_client(server) as client:
                seen = await client.get("/items")
            assert seen.headers.get_list("Content-Type") == ["application/problem+json"]
            assert seen.headers.get_list("X-Recorded") == ["no"]
            assert seen.headers["Retry-After"] == "7"
            assert seen.reason_phrase == "Gone Fishing"
            assert seen.json() == {"error": "x"}

    run(talk)


def test_recorded_headers_stay_where_that_is_asked_for() -> None:
    async def talk() -> None:
        async with replaying(StatusFault(keep_headers=True, body="busy")) as server, http_client(server) as client:
            seen = await client.get("/items")
            assert seen.headers["X-Recorded"] == "yes"
            assert seen.headers.get_list("Content-Length") == ["4"]

    run(talk)


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_content_has_none(status: int) -> None:
    """RFC 9112 §6.3: the response ends with its head, so a body would be the next response."""

    async def talk() -> None:
        async with replaying(StatusFault(status=status, body="never sent")) as server:
            got, end = await raw(server)
            assert got.startswith(f"HTTP/1.1 {status} ".encode())
            assert got.endswith(b"\r\n\r\n")
            assert end == "fin"
            async with http_client(server) as client:
                assert [(await client.get("/items")).status_code for _ in range(2)] == [status] * 2

    run(talk)


def test_an_answer_to_head_has_no_body() -> None:
    async def talk() -> None:
        async with replaying(StatusFault(body="four")) as server, http_client(server) as client:
            seen = await client.head("/items")
            assert (seen.status_code, seen.content, seen.headers["Content-Length"]) == (503, b"", "4")
            assert (await client.get("/items")).text == "four"

    run(talk)


def test_latency_holds_a_response_and_no_other() -> None:
    async def talk() -> None:
        clock = ManualClock()
        fault = LatencyFault(delay=500 * MILLISECOND)
        rule = Rule(name="slow", fault=fault, select=Selector(path="/items"))
        async with (
            replaying(rule, clock=clock) as server,
            http_client(server) as client,
            aio_client(server) as other,
        ):
            slow = asyncio.create_task(client.get("/items"))
            await until(lambda: fired(server) == [1])
            assert (await client.get("/health")).status_code == 200
            server.pump.advance(499 * MILLISECOND)
            async with other.get("/health") as answer:
                assert answer.status == 200
            assert not slow.done()
            server.pump.advance(1 * MILLISECOND)
            assert (await slow).content == BODY

    run(talk)


WRONG = [
    ({"status": 101}, "status"),
    ({"status": 1000}, "status"),
    ({"headers": {"two words": "x"}}, "headers.two words"),
    ({"headers": {"X-A": "x\r\nX-B: y"}}, "headers.X-A"),
    ({"headers": {"X-A": "€"}}, "headers.X-A"),
    ({"headers": {"Content-Length": "3"}}, "headers.Content-Length"),
    ({"headers": {"transfer-encoding": "chunked"}}, "headers.transfer-encoding"),
    ({"json": {}, "body": "x"}, "body"),
]
CASES = [(fault, *wrong) for fault in ("status", "refuse", "mock", "rate-limit", "token") for wrong in WRONG]


@pytest.mark.parametrize(("fault", "fields", "place"), [*CASES, ("status", {"reason": "two\r\nlines"}, "reason")])
def test_what_no_response_can_say_is_refused_with_its_place(
    fault: str, fields: dict[str, object], place: str
) -> None:
    rule, problems = rule_of({"fault": fault, **fields}, "x")
    assert rule is None
    assert [problem.place for problem in problems] == [place]
