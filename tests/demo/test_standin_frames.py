"""What is said on the stand-in's WebSocket."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Close

from simulator.demo.standin import Standin, running
from tests.demo.wire import (
    ASK,
    EVENTS,
    PING,
    SCALE,
    USER,
    WELCOME,
    bearer,
    enter,
    mint,
    on_standin,
    read_until,
    says,
    types,
)


def test_the_welcome() -> None:
    handshake, welcome, ping = enter(bearer(mint()))[0]
    assert set(handshake) == {"type", "timestamp", "validation_id"}
    assert set(welcome) == {"type", "data", "timestamp", "server_id", "correlation_id"} == set(ping)
    assert welcome["data"]["event"] == "connection_established"
    assert welcome["data"]["startup_complete"] is True
    assert welcome["data"]["connection_id"].startswith("ws_e2e-some_")
    assert welcome["data"]["config"]["max_message_size"] == 8192


def test_an_agent_event() -> None:
    started, *_, completed = says([ASK], "agent_completed")
    assert set(started) == {"type", "data", "timestamp", "critical", "user_context"}
    data = started["data"]
    assert (data["agent_name"], data["status"], data["thread_id"]) == ("supervisor_agent", "started", "thread-7")
    assert started["user_context"] == {"user_id": USER.user_id, "request_id": data["request_id"]}
    assert completed["data"]["run_id"] == data["run_id"]
    assert completed["data"]["metadata"]["result"].startswith("About “Where does the money go”")


def test_ids_are_repeatable_with_a_seed_and_fresh_without() -> None:
    def run_id(seed: int | None) -> str:
        return str(says([ASK], "agent_started", seed=seed)[0]["data"]["run_id"])

    assert run_id(7) == run_id(7)
    assert run_id(None) != run_id(None)


@pytest.mark.parametrize(
    ("message", "agent"),
    [
        ({"type": "execute_agent", "user_request": "x", "agent_type": "data_agent"}, "data_agent"),
        ({**ASK, "type": "EXECUTE_AGENT", "agent": "triage_agent"}, "triage_agent"),
        ({**ASK, "agent": "nobody"}, "supervisor_agent"),
        ({"type": "user_message", "content": "x"}, "supervisor_agent"),
    ],
)
def test_other_ways_to_ask_for_an_agent(message: object, agent: str) -> None:
    frames = says([message], "agent_completed")
    assert types(frames) == EVENTS
    assert frames[0]["data"]["agent_name"] == agent


def test_two_requests_are_two_runs() -> None:
    frames = says([ASK, ASK, PING], "pong")
    assert types(frames) == EVENTS + EVENTS + ["pong"]
    assert len({frame["data"]["run_id"] for frame in frames[:-1]}) == 2


@pytest.mark.parametrize(
    "message",
    [
        {"type": "start_agent", "agent": "triage_agent", "input": "x", "thread_id": "t"},
        {"type": "start_agent", "payload": {"user_request": ""}},
        {"type": "chat", "text": ""},
        {"type": "pong"},
        json.dumps({**ASK, "padding": "x" * 8192}),
        json.dumps({**ASK, "padding": "é" * 4090}, ensure_ascii=False),
    ],
)
def test_silence(message: object) -> None:
    assert types(says([message, PING], "pong")) == ["pong"]


def test_8192_bytes_are_not_too_many() -> None:
    message = json.dumps({"type": "ping", "padding": ""})
    frames = says([message.replace('""', '"' + "x" * (8192 - len(message)) + '"')], "pong")
    assert types(frames) == ["pong"]


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ({"type": "ping"}, "pong"),
        ({"type": "heartbeat"}, "heartbeat_ack"),
    ],
)
def test_signs_of_life(message: object, answer: str) -> None:
    (frame,) = says([message], answer)
    assert set(frame) == {"type", "data", "timestamp", "server_id", "correlation_id"}


@pytest.mark.parametrize(
    ("message", "received_type"),
    [({"type": "agent_execute"}, "agent_execute"), ({"a": 1}, "unknown"), ({"type": 5}, "unknown")],
)
def test_an_unknown_type_is_acknowledged(message: object, received_type: str) -> None:
    (frame,) = says([message], "ack")
    del frame["timestamp"]
    assert frame == {
        "type": "ack",
        "received_type": received_type,
        "user_id": USER.user_id,
        "status": "acknowledged",
    }


@pytest.mark.parametrize("message", ["{", "[1]", "", b"\xff"])
def test_what_is_not_a_json_object_is_a_format_error(message: str | bytes) -> None:
    (frame,) = says([message], "error_message")
    assert frame["error_code"] == "FORMAT_ERROR"
    assert set(frame) == {
        "type",
        "error_code",
        "error_message",
        "details",
        "timestamp",
        "recovery_suggestions",
    }


def test_the_heartbeat_gives_up_after_six_pings_and_the_socket_stays_open() -> None:
    async def check(standin: Standin) -> list[str]:
        async with connect(standin.ws_url, additional_headers=bearer(mint())) as socket:
            seen: list[str] = []
            with pytest.raises(TimeoutError):
                while True:
                    async with asyncio.timeout(1):
                        seen.append(json.loads(await socket.recv())["type"])
            await socket.send(json.dumps(PING))
            return seen + types(await read_until(socket, "pong"))

    assert on_standin(check, scale=0.002, heartbeat_interval=20.0) == [*WELCOME, *["ping"] * 5, "pong"]


def test_the_heartbeat_goes_on_with_pongs() -> None:
    async def check(standin: Standin) -> None:
        async with connect(standin.ws_url, additional_headers=bearer(mint())) as socket:
            for _ in range(9):
                await read_until(socket, "ping")
                await socket.send(json.dumps({"type": "pong"}))

    on_standin(check, scale=0.002, heartbeat_interval=20.0)


async def ask(standin: Standin, thread_id: str) -> list[dict[str, Any]]:
    """The events of one run on a connection of its own."""
    async with connect(standin.ws_url, additional_headers=bearer(mint())) as socket:
        await socket.send(json.dumps({**ASK, "thread_id": thread_id}))
        frames = await read_until(socket, "agent_completed")
    assert types(frames) == WELCOME + EVENTS
    return frames[3:]


def test_a_client_that_leaves_in_the_middle_hurts_nobody() -> None:
    async def check(standin: Standin) -> None:
        async with connect(standin.ws_url, additional_headers=bearer(mint())) as socket:
            await socket.send(json.dumps(ASK))
            await read_until(socket, "agent_started")
        await ask(standin, "thread-8")

    on_standin(check)


def test_clients_at_once_see_their_own_runs() -> None:
    async def check(standin: Standin) -> list[list[dict[str, Any]]]:
        return await asyncio.gather(*(ask(standin, f"thread-{number}") for number in range(8)))

    runs = on_standin(check)
    for number, run in enumerate(runs):
        assert {event["data"]["thread_id"] for event in run} == {f"thread-{number}"}
    assert len({run[0]["data"]["run_id"] for run in runs}) == 8


def test_the_end_says_goodbye() -> None:
    async def check() -> Close | None:
        async with running(scale=SCALE) as standin:
            socket = await connect(standin.ws_url, additional_headers=bearer(mint()))
            await read_until(socket, "ping")
        await socket.wait_closed()
        return socket.protocol.close_rcvd

    assert asyncio.run(check()) == Close(1012, "Service restart")
