"""The stand-in without one component or another, and its command."""

import json
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.frames import Close

from simulator.demo import standin as package
from simulator.demo.standin import COMPONENTS, Standin, build
from tests.demo.wire import (
    ASK,
    EVENTS,
    PING,
    SCALE,
    WELCOME,
    bearer,
    mint,
    on_standin,
    read_until,
    says,
    types,
)

Wire = tuple[int, int, int, str]
"""Statuses of /health, /health/database and /api/threads, and what follows start_agent."""

CRASH = Close(1011, "Internal error")
HEALTHY: Wire = (200, 200, 200, "the five events")
MISSING: dict[str, Wire] = {
    "database": (503, 503, 500, "silence"),
    "db_session_factory": (200, 200, 500, "silence"),
    "llm_manager": (200, 200, 200, "silence"),
    "tool_dispatcher": (200, 200, 200, "silence"),
    "agent_registry": (200, 200, 200, "silence"),
    "agent_supervisor": (200, 200, 200, "silence"),
    "orchestrator": (200, 200, 200, "1011 Internal error"),
    "websocket_bridge": (200, 200, 200, "silence, though the run is done and stored"),
}
TAKEN: dict[str, Wire] = {
    "database": (200, 503, 500, "1011 Internal error"),
    "db_session_factory": (200, 200, 500, "1011 Internal error"),
    "llm_manager": (200, 200, 200, "1011 Internal error"),
    "tool_dispatcher": (200, 200, 200, "three events, 1011 Internal error"),
    "agent_registry": (200, 200, 200, "1011 Internal error"),
    "agent_supervisor": (200, 200, 200, "1011 Internal error"),
    "orchestrator": (200, 200, 200, "1011 Internal error"),
    "websocket_bridge": (200, 200, 200, "silence, though the run is done and stored"),
}


async def observe(standin: Standin) -> Wire:
    """What the wire shows: three statuses, and the answer to a request for an agent.

    The ping that follows the request makes silence something that can be seen: messages are handled one by one.
    """
    token = bearer(mint())
    async with httpx.AsyncClient(base_url=standin.backend_url, headers=token) as http:
        paths = ("/health", "/health/database", "/api/threads")
        health, database, threads = [(await http.get(path)).status_code for path in paths]
    async with connect(standin.ws_url, additional_headers=token) as socket:
        await socket.send(json.dumps(ASK))
        await socket.send(json.dumps(PING))
        frames = await read_until(socket, "pong")
    assert types(frames[:3]) == WELCOME
    return health, database, threads, describe(standin, frames[3:])


def describe(standin: Standin, frames: list[dict[str, Any]]) -> str:
    events, end = types(frames[:-1]), frames[-1]
    if end["type"] == "close":
        assert end["close"] == CRASH
        assert events == EVENTS[: len(events)]
        return {0: "1011 Internal error", 3: "three events, 1011 Internal error"}[len(events)]
    if events:
        assert events == EVENTS
        return "the five events"
    factory = standin.system.db_session_factory
    if factory is None:
        return "silence"
    with factory.session() as session:
        return "silence, though the run is done and stored" if session.answers_in("thread-7") else "silence"


def test_the_healthy_system_runs_the_agent() -> None:
    assert on_standin(observe) == HEALTHY


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_missing_since_startup(name: str) -> None:
    assert on_standin(observe, missing={name}) == MISSING[name]


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_taken_away_while_the_system_runs(name: str) -> None:
    async def check(standin: Standin) -> Wire:
        standin.system.take_away(name)
        return await observe(standin)

    assert on_standin(check) == TAKEN[name]


def test_the_package_says_what_was_observed() -> None:
    described = [
        tuple(cell.strip() for cell in line.split(maxsplit=4))
        for line in (package.__doc__ or "").splitlines()
        if line.split(" ")[0] in COMPONENTS
    ]
    expected = [(name, *map(str, table[name])) for table in (MISSING, TAKEN) for name in COMPONENTS]
    assert described == expected


def test_pings_go_on_in_the_silence() -> None:
    async def check(standin: Standin) -> list[str]:
        async with connect(standin.ws_url, additional_headers=bearer(mint())) as socket:
            await socket.send(json.dumps(ASK))
            heard = [await read_until(socket, "ping") for _ in range(5)]
        return [kind for frames in heard for kind in types(frames)]

    assert on_standin(check, missing={"agent_supervisor"}, heartbeat_interval=1.0) == [*WELCOME, *["ping"] * 4]


def test_all_that_the_supervisor_lacks_at_once_is_silence_too() -> None:
    frames = says([ASK, PING], "pong", missing={"db_session_factory", "llm_manager", "tool_dispatcher"})
    assert types(frames) == ["pong"]


def test_the_fifth_unhandled_request_in_a_row_ends_the_connection() -> None:
    frames = says([ASK] * 4 + [PING] + [ASK] * 5, "never", missing={"agent_supervisor"})
    assert types(frames) == ["pong", "close"]
    assert frames[-1]["close"] == Close(1000, "")


def test_a_broken_database_fails_under_its_own_name() -> None:
    async def check(standin: Standin) -> httpx.Response:
        standin.system.database.close()
        async with httpx.AsyncClient() as http:
            return await http.get(standin.backend_url + "/health/database")

    response = on_standin(check)
    assert response.status_code == 503
    assert response.json()["error"] == "Cannot operate on a closed database."


def test_unknown_components_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected database, .*, got flux"):
        build({"flux"})
    system = build()
    with pytest.raises(ValueError, match="got flux"):
        system.take_away("flux")
    system.close()


def test_the_callers_own_system_is_served_and_left_open() -> None:
    system = build({"orchestrator"}, scale=SCALE)
    assert on_standin(observe, components=system) == MISSING["orchestrator"]
    system.database.ping()
    system.close()
    with pytest.raises(ValueError, match="given together"):
        on_standin(observe, components=system, missing={"database"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    options = ["--scale", str(SCALE), "--missing", "database", "--auth-public-url", "https://auth.example.com"]
    command = [sys.executable, "-m", "simulator.demo.standin", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(3)]
        assert [line[0] for line in lines] == ["backend", "auth", "frontend"]
        assert [httpx.get(line[-1] + "/health").status_code for line in lines] == [503, 200, 200]
        services = httpx.get(lines[0][-1] + "/api/discovery/services").json()["services"]
        assert services["auth"]["url"] == "https://auth.example.com"
        process.send_signal(number)
        rest, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert rest == ""
    assert errors.splitlines() == ["ERROR startup failed: DatabaseManager not initialized"]


def test_the_command_refuses_in_one_line() -> None:
    command = [sys.executable, "-m", "simulator.demo.standin", "--scale", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "Error: scale: expected more than 0, got 0.0\n"
