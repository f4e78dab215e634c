"""The control API, as a program meets it: a real client, a real replay, real sockets."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from simulator.core.events import Request, Response
from simulator.core.rule import Rule
from simulator.core.settings import Settings
from simulator.faults.close import CloseFault
from simulator.files.rulemodels import rule_of
from simulator.live.clock import ManualClock
from tests.conversations import DOWN, THREAD, UPGRADE, recording, text
from tests.live.control.controlled import GREETING, RUN, STARTED, controlled, received, start_agent

CLOSE = {"fault": "close", "code": 1011, "reason": "Internal error", "select": STARTED}


def test_it_says_what_is_running() -> None:
    async def talk() -> None:
        async with controlled(settings=Settings(seed=7)) as it:
            found = await it.ask("GET", "/v1/version")
            assert found["services"] == it.server.urls
            assert (found["api"], found["seed"], found["clock"]) == (1, 7, "real")

    asyncio.run(talk())


def test_a_rule_that_is_armed_breaks_what_is_under_way_and_proves_it() -> None:
    async def talk() -> None:
        async with controlled() as it, it.socket() as connection:
            assert await received(connection, 2) == GREETING
            assert await it.ask("POST", "/v1/rules", CLOSE, 201) == {"armed": ["close"]}
            await connection.send(start_agent())
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "Internal error")
            proof = await it.rule("close")
            assert (proof["armed"], proof["matched"], proof["fired"]) == (True, 1, 1)
            assert (proof["on"], proof["instead"]) == ("start_agent of GET /ws", "close 1011")

    asyncio.run(talk())


def test_a_rule_is_shown_as_files_write_it_and_can_be_sent_again() -> None:
    async def talk() -> None:
        rule = {**CLOSE, "name": "mine", "when": {"after": "250ms", "times": 1}, "probability": 0.5}
        async with controlled() as it:
            await it.ask("POST", "/v1/rules", rule, 201)
            shown = (await it.rule("mine"))["rule"]
            assert rule_of(shown, "")[0] == rule_of(rule, "")[0]
            await it.ask("DELETE", "/v1/rules/mine")
            assert await it.ask("POST", "/v1/rules", shown, 201) == {"armed": ["mine"]}

    asyncio.run(talk())


def test_disarming_sends_what_was_held_in_order() -> None:
    async def talk() -> None:
        async with controlled() as it, it.socket() as connection:
            assert await received(connection, 2) == GREETING
            await it.ask("POST", "/v1/rules", {"fault": "stall", "name": "held", "select": STARTED}, 201)
            await connection.send(start_agent())
            while (await it.rule("held"))["instead"] != "agent_started, held, agent_thinking, held, …":
                pass
            assert await it.ask("DELETE", "/v1/rules/held") == {"disarmed": ["held"]}
            assert await received(connection, 3) == RUN
            assert (await it.rule("held"))["armed"] is False

    asyncio.run(talk())


def test_faults_are_armed_by_name_and_disarmed_by_it() -> None:
    async def talk() -> None:
        async with controlled() as it:
            body = {"fault": "none-orchestrator", "set": {"after": "6.96s"}}
            assert await it.ask("POST", "/v1/rules", body, 201) == {"armed": ["none-orchestrator"]}
            rule = (await it.rule("none-orchestrator"))["rule"]
            assert rule["when"] == {"after": "6960ms"}  # type: ignore[index]
            made = await it.ask("POST", "/v1/rules", {"fault": "missing-dependencies", "set": {}}, 201)
            names = made["armed"]
            assert isinstance(names, list)
            assert len(names) > 1
            assert await it.ask("DELETE", "/v1/rules/missing-dependencies") == {"disarmed": names}
            inline = await it.ask("POST", "/v1/rules", {"fault": "none:orchestrator", "set": {}}, 201)
            (name,) = inline["armed"]  # type: ignore[misc]
            assert await it.ask("DELETE", f"/v1/rules/{httpx.URL(name)}") == {"disarmed": [name]}

    asyncio.run(talk())


def test_what_is_scheduled_waits_and_can_be_taken_away_before_its_time() -> None:
    async def talk() -> None:
        async with controlled() as it, it.socket():
            sequence = [{"healthy": "1h"}, {"for": "5s", "all-of": ["stall", "refuse"]}]
            armed = {"armed": ["later[1]/stall", "later[1]/refuse"]}
            assert await it.ask("POST", "/v1/rules", {"title": "later", "sequence": sequence}, 201) == armed
            rule = await it.rule("later[1]/stall")
            assert (rule["armed"], rule["waits"]) == (False, True)
            assert rule["rule"]["when"]["during"] == ["3600s", "3605s"]  # type: ignore[index]
            await it.ask("POST", "/v1/rules", {"title": "later", "sequence": sequence}, 409)
            assert await it.ask("DELETE", "/v1/rules/later") == {"disarmed": ["later[1]/stall", "later[1]/refuse"]}
            assert (await it.rule("later[1]/stall"))["waits"] is False

    asyncio.run(talk())


def test_a_whole_fault_file_is_armed_at_once_or_not_at_all() -> None:
    async def talk() -> None:
        file = {
            "title": "Two things",
            "params": {"status": 503},
            "rules": [{"fault": "status", "name": "one", "status": "${status}"}, {**CLOSE, "name": "two"}],
        }
        async with controlled() as it:
            clash = {**file, "rules": [{**CLOSE, "name": "three"}, {**CLOSE, "name": "two"}]}
            assert await it.ask("POST", "/v1/rules", {**file, "set": {"status": 500}}, 201) == {
                "armed": ["one", "two"]
            }
            assert (await it.rule("one"))["rule"] == {"name": "one", "fault": "status", "status": 500}
            refused = await it.ask("POST", "/v1/rules", clash, 409)
            assert refused["problem"] == "a rule named 'two' is armed already"
            rules = (await it.ask("GET", "/v1/rules"))["rules"]
            assert [rule["name"] for rule in rules] == ["one", "two"]  # type: ignore[union-attr]

    asyncio.run(talk())


def test_rules_without_a_name_get_one_each() -> None:
    async def talk() -> None:
        async with controlled(Rule(name="close", fault=CloseFault())) as it:
            assert await it.ask("POST", "/v1/rules", CLOSE, 201) == {"armed": ["close-2"]}
            await it.ask("DELETE", "/v1/rules/close-2")
            assert await it.ask("POST", "/v1/rules", CLOSE, 201) == {"armed": ["close-3"]}

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("body", "place", "problem"),
    [
        ({"fault": "closs"}, "fault", "no fault is named 'closs'"),
        ({"fault": "close", "when": {"after": "two"}}, "when.after", "expected a duration"),
        ({"fault": "none-orchestrator"}, "fault", "no fault is named 'none-orchestrator'"),
        ({"fault": "nonesuch", "set": {}}, "fault", "no fault file is named 'nonesuch'"),
        ({"fault": "/etc/passwd", "set": {}}, "fault", "no fault file is named '/etc/passwd'"),
        ({"fault": "stall", "set": {"x": 1}}, "", "no parameter is named 'x'"),
        ({"fault": "stall", "set": [1]}, "set", "expected parameters by name"),
        ({"fault": "stall", "set": {}, "nth": 1}, "nth", "not known beside"),
        ({"title": "x", "rules": [{"fault": "close", "codes": 1}]}, "rules[0].codes", "not known here"),
        ({"title": "x", "rules": []}, "", "says nothing that goes wrong"),
        ({"rules": [CLOSE]}, "title", "missing"),
        ({"title": "x", "none": "nobody"}, "none", "no component is named 'nobody'"),
        ({}, "fault", "missing"),
        ([CLOSE], "body", "expected a JSON object"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_mistake_in_a_rule_is_told_with_its_place(body: object, place: str, problem: str) -> None:
    async def talk() -> None:
        async with controlled() as it:
            found = await it.ask("POST", "/v1/rules", body, 422)
            assert problem in str(found["problem"])
            assert str(found["place"]).endswith(place)
            assert "\n" not in str(found["error"])
            assert (await it.ask("GET", "/v1/rules"))["rules"] == []

    asyncio.run(talk())


def test_what_is_not_armed_cannot_be_disarmed() -> None:
    async def talk() -> None:
        async with controlled() as it:
            await it.ask("POST", "/v1/rules", {"fault": "stall"}, 201)
            found = await it.ask("DELETE", "/v1/rules/stallion", status=404)
            assert found["error"] == "no rule named 'stallion' is armed (there are stall)"

    asyncio.run(talk())


def test_a_rule_that_is_armed_again_proves_itself_alone() -> None:
    async def talk() -> None:
        drop = {"fault": "drop", "name": "again", "select": {"direction": "downstream", "event": "message"}}
        async with controlled() as it:
            await it.ask("POST", "/v1/rules", drop, 201)
            async with it.socket() as connection:
                await connection.send(start_agent())
                while (await it.rule("again"))["fired"] != 5:
                    pass
            await it.ask("DELETE", "/v1/rules/again")
            await it.ask("POST", "/v1/rules", drop, 201)
            first, second = (await it.ask("GET", "/v1/rules"))["rules"]  # type: ignore[misc]
            assert (first["armed"], first["fired"], first["on"]) == (False, 5, "system_message of GET /ws")
            assert (second["armed"], second["fired"], second["on"]) == (True, 0, "")

    asyncio.run(talk())


def test_time_passes_when_it_is_told_to() -> None:
    async def talk() -> None:
        async with controlled(settings=Settings(), clock=ManualClock()) as it:
            await it.ask("POST", "/v1/rules", {"fault": "stall", "select": STARTED, "when": {"for": "2m"}}, 201)
            assert await it.ask("POST", "/v1/clock/advance", {"by": 0}) == {"now": 0.0, "next": None}
            opening = asyncio.create_task(it.socket().__aenter__())
            while not (await it.ask("GET", "/v1/sessions"))["flows"]:
                pass
            assert (await it.ask("POST", "/v1/clock/advance", {"by": "1s"}))["now"] == 1.0
            connection = await opening
            assert await received(connection, 2) == GREETING
            await connection.send(start_agent(THREAD))
            while not (await it.rule("stall"))["fired"]:
                pass
            assert (await it.ask("POST", "/v1/clock/advance", {"by": "119s"}))["next"] == 121.0
            assert await it.ask("POST", "/v1/clock/advance", {"by": "1s"}) == {"now": 121.0, "next": None}
            assert await received(connection, 3) == RUN
            connection.transport.abort()

    asyncio.run(talk())


def test_time_that_passes_by_itself_is_not_advanced() -> None:
    async def talk() -> None:
        async with controlled() as it:
            found = await it.ask("POST", "/v1/clock/advance", {"by": "2m"}, 409)
            assert found["hint"] == "start it with --manual-clock"
            for by in ("soon", "999999999h", -1, None):
                found = await it.ask("POST", "/v1/clock/advance", {"by": by}, 422)
                assert found["place"] == "by"

    asyncio.run(talk())


def test_sessions_are_those_who_are_there() -> None:
    async def talk() -> None:
        async with controlled() as it:
            assert await it.ask("GET", "/v1/sessions") == {"clients": [], "flows": []}
            async with it.socket() as one, it.socket() as other:
                await received(one, 2)
                await received(other, 2)
                found = await it.ask("GET", "/v1/sessions")
                assert found["clients"] == [
                    {"name": "client 1", "flows": ["1"]},
                    {"name": "client 2", "flows": ["2"]},
                ]
                (flow, _) = found["flows"]  # type: ignore[misc]
                assert flow.pop("since") >= 0
                assert flow == {
                    "id": "1",
                    "client": "client 1",
                    "service": "backend",
                    "route": "GET /ws",
                    "websocket": True,
                    "plays": "2",
                    "state": "open",
                }
            while (await it.ask("GET", "/v1/sessions"))["flows"]:
                pass

    asyncio.run(talk())


def test_no_token_is_shown() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
    target = f"/ws?token={token}"
    played = recording(
        Request(flow="1", at=0, service="backend", method="GET", target=target, headers=UPGRADE),
        Response(flow="1", at=1, status=101),
        text("1", 1, DOWN, type="welcome", note="none"),
    )

    async def talk() -> None:
        async with controlled(played=played) as it:
            await it.ask("POST", "/v1/rules", {"fault": "latency", "delay": "1ms"}, 201)
            async with it.socket(target) as connection:
                await received(connection, 1)
                for path in ("/v1/sessions", "/v1/rules", "/v1/journal"):
                    response = await it.client.get(path)
                    assert "/ws" in response.text
                    assert token not in response.text
                    assert "c2lnbmF0dXJl" not in response.text

    asyncio.run(talk())


def test_a_reset_frees_what_is_held_and_lets_everybody_start_anew() -> None:
    async def talk() -> None:
        async with controlled(Rule(name="from the start", fault=CloseFault(code=1012))) as it:
            await it.ask("DELETE", "/v1/rules/from the start")
            await it.ask("POST", "/v1/rules", {"fault": "stall", "select": STARTED}, 201)
            async with it.socket() as connection:
                assert await received(connection, 2) == GREETING
                await connection.send(start_agent())
                while (await it.rule("stall"))["instead"] != "agent_started, held, agent_thinking, held, …":
                    pass
                done = await it.ask("POST", "/v1/reset")
                assert done == {"disarmed": ["stall"], "enabled": [], "forgotten": 1}
                assert await received(connection, 3) == RUN
            assert await it.ask("POST", "/v1/reset") == {"disarmed": [], "enabled": [], "forgotten": 0}
            async with it.socket() as connection:
                assert await received(connection, 2) == GREETING
                clients = (await it.ask("GET", "/v1/sessions"))["clients"]
                assert clients == [{"name": "client 2", "flows": ["2"]}]

    asyncio.run(talk())


def test_a_reset_brings_services_up() -> None:
    async def talk() -> None:
        async with controlled() as it:
            it.server.take_down("backend")
            with pytest.raises(OSError, match=r"111|refused|failed"):
                await it.socket().__aenter__()
            assert (await it.ask("POST", "/v1/reset"))["enabled"] == ["backend"]
            async with it.socket() as connection:
                assert await received(connection, 2) == GREETING

    asyncio.run(talk())


def test_takes_begin_anew_after_a_reset() -> None:
    asked = (Request(flow=str(n), at=n * 2, service="backend", method="GET", target="/job") for n in range(3))
    answered = (Response(flow=str(n), at=n * 2 + 1, status=200, body=f"take {n}".encode()) for n in range(3))

    async def talk() -> None:
        async with controlled(played=recording(*asked, *answered)) as it, httpx.AsyncClient() as client:
            job = f"{it.server.url}/job"
            assert [(await client.get(job)).text for _ in range(2)] == ["take 0", "take 1"]
            assert (await it.ask("POST", "/v1/reset"))["forgotten"] == 2
            assert [(await client.get(job)).text for _ in range(2)] == ["take 0", "take 1"]

    asyncio.run(talk())
