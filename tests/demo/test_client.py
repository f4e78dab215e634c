"""The client, against the stand-in with and without its components, and against servers that are worse."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from simulator.demo import client
from simulator.demo.client import EVENTS, Frame, Outcome, converse
from simulator.demo.standin import BYPASS_KEY, COMPONENTS, Standin, running

SCALE = 0.02
NEVER = 100_000.0
PATIENT = 10.0
IMPATIENT = 0.5
WELCOME = ("handshake_validation", "system_message", "ping")
UP_TO_UPGRADE = {"/health": 200, "/auth/e2e/test-auth": 200, "/api/discovery/services": 200, "/ws": 101}


def talk(missing: str | None = None, taken: str | None = None, **options: Any) -> tuple[Outcome, Standin]:
    """What the client makes of a stand-in without a component."""

    async def main() -> tuple[Outcome, Standin]:
        absent = {missing} if missing else set()
        async with running(missing=absent, scale=SCALE, heartbeat_interval=NEVER) as standin:
            if taken:
                standin.system.take_away(taken)
            return await converse(standin.backend_url, standin.auth_url, **options), standin

    return asyncio.run(main())


# The stand-in.


def test_a_healthy_staging_completes() -> None:
    frames: list[Frame] = []
    outcome, standin = talk(frame_timeout=PATIENT, on_frame=frames.append)
    assert outcome.ok
    assert outcome.verdict == "completed"
    assert outcome.statuses == UP_TO_UPGRADE
    assert outcome.types == (*WELCOME, *EVENTS)
    assert outcome.frames == tuple(frames)
    assert outcome.thread_ids == (outcome.thread_id,)
    assert len(outcome.run_ids) == 1
    assert outcome.user_ids == ("e2e-demo-user",)
    assert outcome.discovered == {
        "backend": standin.backend_url,
        "auth": standin.auth_url,
        "frontend": standin.frontend_url,
    }
    assert (outcome.close_code, outcome.close_reason, outcome.error) == (None, None, None)
    times = [frame.seconds for frame in frames]
    assert times == sorted(times)


def test_every_conversation_has_its_own_thread() -> None:
    assert talk(frame_timeout=PATIENT)[0].thread_id != talk(frame_timeout=PATIENT)[0].thread_id


@pytest.mark.parametrize("name", sorted(set(COMPONENTS) - {"database", "orchestrator"}))
def test_silence_is_a_timeout(name: str) -> None:
    outcome, _ = talk(missing=name, frame_timeout=IMPATIENT)
    assert outcome.verdict == "timeout"
    assert outcome.error == "no frame for 0.5 s"
    assert outcome.types == WELCOME
    assert outcome.statuses == UP_TO_UPGRADE
    assert outcome.close_code is None
    assert not outcome.ok


def test_without_a_database_it_goes_no_further_than_the_health() -> None:
    outcome, standin = talk(missing="database")
    assert outcome.verdict == "refused 503"
    assert outcome.statuses == {"/health": 503}
    assert outcome.types == ()
    body = {
        "status": "unhealthy",
        "message": "Startup failed: DatabaseManager not initialized",
        "startup_failed": True,
    }
    assert outcome.error == f"GET {standin.backend_url}/health: {json.dumps(body)}"


def test_without_an_orchestrator_it_sees_the_crash() -> None:
    outcome, _ = talk(missing="orchestrator", frame_timeout=PATIENT)
    assert outcome.verdict == "closed 1011"
    assert (outcome.close_code, outcome.close_reason) == (1011, "Internal error")
    assert outcome.types == WELCOME
    assert outcome.statuses == UP_TO_UPGRADE
    text = "received 1011 (internal error) Internal error; then sent 1011 (internal error) Internal error"
    assert outcome.error == text


@pytest.mark.parametrize("name", sorted(set(COMPONENTS) - {"tool_dispatcher", "websocket_bridge"}))
def test_a_component_lost_while_up_is_a_crash(name: str) -> None:
    outcome, _ = talk(taken=name, frame_timeout=PATIENT)
    assert (outcome.verdict, outcome.close_reason) == ("closed 1011", "Internal error")
    assert outcome.types == WELCOME


def test_tools_lost_while_up_are_a_crash_in_the_middle() -> None:
    outcome, _ = talk(taken="tool_dispatcher", frame_timeout=PATIENT)
    assert (outcome.verdict, outcome.close_reason) == ("closed 1011", "Internal error")
    assert outcome.types == (*WELCOME, *EVENTS[:3])


def test_a_wrong_key_is_refused() -> None:
    outcome, standin = talk(bypass_key="wrong")
    assert outcome.verdict == "refused 401"
    assert outcome.statuses == {"/health": 200, "/auth/e2e/test-auth": 401}
    assert outcome.error == f'POST {standin.auth_url}/auth/e2e/test-auth: {{"detail": "Invalid E2E bypass key"}}'


def test_the_client_knows_the_key_of_the_stand_in() -> None:
    assert client.BYPASS_KEY == BYPASS_KEY


# Servers that are worse.

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def says(*messages: object, close: int | None = 1000, listens: bool = True) -> Answer:
    """A WebSocket that hears one message, says these and closes, or with None goes away without a close frame."""

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if listens:
            await socket.receive()
        for message in messages:
            await socket.send_str(message if isinstance(message, str) else json.dumps(message))
        if close is None:
            assert request.transport is not None
            request.transport.abort()
        else:
            await socket.close(code=close)
        return socket

    return handler


def answers(status: int, body: object = None) -> Answer:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return handler


async def first_and_last(request: web.Request) -> web.StreamResponse:
    """Two of the events, on the right thread."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    thread_id = (await socket.receive_json())["thread_id"]
    for kind in EVENTS[:1] + EVENTS[-1:]:
        await socket.send_json({"type": kind, "thread_id": thread_id})
    await socket.receive()
    return socket


LOGIN = {"access_token": "t", "user": {"id": "u"}}
SERVICES = {"services": {"backend": {"url": "http://x"}, "odd": 3}}
ELSEWHERE = [{"type": kind, "data": {"thread_id": "recorded"}} for kind in EVENTS]


@asynccontextmanager
async def server(**routes: Answer) -> AsyncIterator[str]:
    """The URL of a staging that is only pretended, with these answers instead of good ones."""
    handlers = {
        "health": answers(200, {}),
        "login": answers(200, LOGIN),
        "discovery": answers(200, SERVICES),
        "ws": says(),
        **routes,
    }
    app = web.Application()
    app.router.add_get("/health", handlers["health"])
    app.router.add_post("/auth/e2e/test-auth", handlers["login"])
    app.router.add_get("/api/discovery/services", handlers["discovery"])
    app.router.add_get("/ws", handlers["ws"])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def meet(routes: dict[str, Answer], request_timeout: float = PATIENT, total_timeout: float = PATIENT) -> Outcome:
    async def main() -> Outcome:
        async with server(**routes) as url:
            return await converse(
                url + "/",
                url,
                frame_timeout=PATIENT,
                request_timeout=request_timeout,
                total_timeout=total_timeout,
            )

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("routes", "verdict", "error"),
    [
        ({"login": answers(200, [])}, "broken", "no access_token or no user.id in the answer"),
        ({"discovery": answers(200, {})}, "broken", "no services in the answer"),
        ({"discovery": answers(501, "no")}, "refused 501", '"no"'),
        ({"ws": answers(503)}, "refused 503", "server rejected WebSocket connection: HTTP 503"),
        ({"ws": answers(403)}, "refused 403", "server rejected WebSocket connection: HTTP 403"),
        ({"ws": says(close=1000)}, "closed 1000", "received 1000 (OK); then sent 1000 (OK)"),
        ({"ws": says("x", 5, {"type": 5}, close=None)}, "closed 1006", "no close frame received or sent"),
        ({"ws": says({"type": "agent_failed"})}, "agent_failed", "the run ended with agent_failed"),
        ({"ws": says({"type": "agent_error"})}, "agent_error", "the run ended with agent_error"),
        ({"ws": first_and_last}, "incomplete", "no agent_thinking, tool_executing, tool_completed"),
    ],
)
def test_what_is_wrong_is_said(routes: dict[str, Answer], verdict: str, error: str) -> None:
    outcome = meet(routes)
    assert outcome.verdict == verdict
    assert outcome.error is not None
    assert outcome.error.endswith(error)
    assert "\n" not in outcome.error
    assert not outcome.ok


def test_events_of_another_thread_are_not_its_own() -> None:
    outcome = meet({"ws": says(*ELSEWHERE)})
    assert outcome.verdict == "wrong thread"
    assert outcome.types == EVENTS
    assert outcome.thread_ids == ("recorded",)
    assert outcome.error == f"{', '.join(EVENTS)} without thread_id {outcome.thread_id}"


def test_what_makes_no_sense_is_still_a_frame() -> None:
    assert meet({"ws": says("x", 5, {"type": 5}, {"type": "ok"})}).types == ("(no type)",) * 3 + ("ok",)


def test_what_was_said_before_an_early_close_is_read() -> None:
    outcome = meet({"ws": says({"type": "error_message"}, close=1008, listens=False)})
    assert outcome.verdict == "closed 1008"
    assert outcome.types == ("error_message",)


def test_discovery_is_noted_as_it_comes() -> None:
    assert meet({}).discovered == {"backend": "http://x", "odd": ""}


def test_a_refused_upgrade_has_its_status() -> None:
    assert meet({"ws": answers(500)}).statuses["/ws"] == 500


async def forever(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def chatter(request: web.Request) -> web.StreamResponse:
    """Never silent, and never done."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    while True:
        await socket.send_json({"type": "ping"})
        await asyncio.sleep(0.02)


def test_a_request_without_an_answer_times_out() -> None:
    outcome = meet({"health": forever}, request_timeout=0.3)
    assert outcome.verdict == "timeout"
    assert (outcome.error or "").endswith("/health: ReadTimeout")


def test_an_upgrade_without_an_answer_times_out() -> None:
    outcome = meet({"ws": forever}, request_timeout=0.3)
    assert outcome.verdict == "timeout"
    assert (outcome.error or "").endswith("/ws: no upgrade within 0.3 s")


def test_pings_alone_do_not_keep_it_waiting_for_ever() -> None:
    outcome = meet({"ws": chatter}, total_timeout=0.3)
    assert (outcome.verdict, outcome.error) == ("timeout", "no end of the run within 0.3 s")
    assert set(outcome.types) == {"ping"}


def test_nobody_there_is_unreachable(unused_url: str) -> None:
    outcome = asyncio.run(converse(unused_url, unused_url))
    assert outcome.verdict == "unreachable"
    assert outcome.statuses == {}


@pytest.mark.parametrize("url", ["no-url", "http://", "ftp://127.0.0.1"])
def test_what_is_no_url_is_broken(url: str) -> None:
    assert asyncio.run(converse(url, url)).verdict == "broken"


# The command.


@pytest.fixture
def unused_url() -> Iterator[str]:
    """A URL where nobody listens while it is in use: bound, so that no other process gets it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def standin() -> Iterator[Standin]:
    """A stand-in on a thread of its own, as the command has its own event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = running(scale=SCALE, heartbeat_interval=NEVER)
    yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result()
    asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def command(*arguments: str, **environment: str) -> Result:
    clean = dict.fromkeys(["STAGESIM_URL", "STAGESIM_BACKEND_URL", "STAGESIM_AUTH_URL"])
    return CliRunner().invoke(client.main, arguments, env={**clean, **environment})


def test_the_command_prints_frames_and_a_verdict(standin: Standin) -> None:
    result = command("--backend-url", standin.backend_url, "--auth-url", standin.auth_url)
    assert result.exit_code == 0
    *frames, verdict = result.stdout.splitlines()
    assert [line.split()[2] for line in frames] == [*WELCOME, *EVENTS]
    assert verdict == "verdict: completed"


def test_the_command_takes_urls_from_the_environment_and_prints_json(standin: Standin) -> None:
    result = command(
        "--json",
        STAGESIM_URL="http://127.0.0.1:9",
        STAGESIM_BACKEND_URL=standin.backend_url,
        STAGESIM_AUTH_URL=standin.auth_url,
    )
    assert result.exit_code == 0
    body = json.loads(result.stdout)
    assert body["verdict"] == "completed"
    assert [frame["type"] for frame in body["frames"]] == [*WELCOME, *EVENTS]
    assert body["seen"]["thread_ids"] == [body["thread_id"]]


def test_the_command_fails_in_one_line(unused_url: str) -> None:
    result = command(STAGESIM_URL=unused_url)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"verdict: unreachable (GET {unused_url}/health: ")
    assert len(result.stdout.splitlines()) == 1


def test_the_command_needs_urls() -> None:
    result = command()
    assert result.exit_code == 2
    assert "Missing option '--backend-url'" in result.output
