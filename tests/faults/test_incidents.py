"""Every incident file, played over real sockets to a client of the users' kind, shows what the client saw then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import get_args

import pytest
from websockets.asyncio.client import connect

from simulator.core.proof import RuleProof, proofs
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.demo.tour import BACKEND_PATHS, Tour, tour
from simulator.files.faultfiles import LoadedFault, Saw, load_fault
from simulator.files.locate import fault_names, find_recording
from simulator.files.reader import load
from simulator.files.symptoms import SYMPTOMS, Symptom
from simulator.live.server import ReplayServer

INCIDENTS = [name for name in fault_names() if name.startswith("incidents/")]
FRAME_TIMEOUT = 3.0


async def play(fault: LoadedFault) -> tuple[Tour, list[RuleProof]]:
    assert fault.file.recording is not None
    script = compile_script(load(find_recording(fault.file.recording)).recording)
    server = ReplayServer(script=script, rules=fault.rules, settings=Settings(seed=fault.file.seed))
    await server.start()
    saw = fault.file.saw or Saw()
    known = {*BACKEND_PATHS, "/ws", "/api/threads", "/auth/e2e/test-auth", "/api/discovery/services"}
    urls = [server.urls[name] for name in ("backend", "auth", "frontend")]
    try:
        async with AsyncExitStack() as open_already:
            for _ in range(saw.connections):
                await open_already.enter_async_context(connect(f"ws{urls[0].removeprefix('http')}/ws"))
            also = [path for path in saw.statuses if path not in known]
            seen = await tour(*urls, frame_timeout=FRAME_TIMEOUT, also=also)
        return seen, proofs(server.session)
    finally:
        await server.stop()


@pytest.fixture(scope="module")
def played() -> dict[str, tuple[Tour, list[RuleProof]]]:
    """All incidents at once: most of their time is waiting."""

    async def all_of_them() -> dict[str, tuple[Tour, list[RuleProof]]]:
        runs = await asyncio.gather(*(play(load_fault(name)) for name in INCIDENTS))
        return dict(zip(INCIDENTS, runs, strict=True))

    return asyncio.run(all_of_them())


def test_there_are_the_first_four() -> None:
    assert len(INCIDENTS) >= 4


@pytest.mark.parametrize("name", INCIDENTS)
def test_an_incident_shows_what_was_seen(name: str, played: dict[str, tuple[Tour, list[RuleProof]]]) -> None:
    seen, proven = played[name]
    saw = load_fault(name).file.saw
    assert saw is not None, "an incident says what was seen"
    backend = {place: answer for place, answer in seen.answers.items() if place.startswith("backend ")}
    statuses = {place.removeprefix("backend "): status for place, (status, _) in backend.items()}
    statuses |= dict(seen.outcome.statuses)
    assert {path: statuses.get(path) for path in saw.statuses} == saw.statuses
    if saw.messages is not None:
        assert list(seen.outcome.types) == saw.messages
    assert (seen.outcome.close_code, seen.outcome.close_reason) == (saw.close, saw.reason)
    assert (seen.outcome.verdict == "timeout") == saw.silence
    assert all(proof.exercised for proof in proven), "every rule of an incident fires"


@pytest.mark.parametrize("name", INCIDENTS)
def test_an_incident_names_its_source(name: str) -> None:
    file = load_fault(name).file
    assert file.date and file.source and file.cause and file.reported


WELCOME = {"handshake_validation", "system_message", "ping"}
SHOWS: Mapping[Symptom, Callable[[Saw], bool]] = {
    "upgrade-refused": lambda saw: saw.statuses.get("/ws", 101) >= 400,
    "connect-hangs": lambda saw: saw.silence and not saw.messages and "/ws" not in saw.statuses,
    "unexplained-close": lambda saw: saw.close in (1008, 1011) and "error_message" not in (saw.messages or ()),
    "explained-close": lambda saw: saw.close in (1008, 1011) and (saw.messages or [""])[-1] == "error_message",
    "silence": lambda saw: saw.silence and set(saw.messages or ()) <= WELCOME,
    "stall-midway": lambda saw: saw.silence and not set(saw.messages or ()) <= WELCOME,
    "wrong-dialect": lambda saw: saw.silence and "system_message" in (saw.messages or ()),
    "connection-limit": lambda saw: saw.connections > 0 and saw.close is not None,
    "readiness-hangs": lambda saw: saw.statuses["/health"] == 200 and saw.statuses["/health/ready"] == 0,
    "unhealthy": lambda saw: saw.statuses["/health"] == 503,
    "http-error": lambda saw: any(status >= 400 for path, status in saw.statuses.items() if path != "/ws"),
}
"""What an incident with a symptom saw; the other symptoms are no incident's."""


@pytest.mark.parametrize("name", INCIDENTS)
def test_an_incident_has_the_symptoms_that_it_says(name: str) -> None:
    file = load_fault(name).file
    assert file.saw is not None
    assert file.symptoms
    assert all(SHOWS[symptom](file.saw) for symptom in file.symptoms)


def test_every_symptom_has_a_file() -> None:
    shown = {symptom for name in fault_names() for symptom in load_fault(name).file.symptoms}
    assert shown == set(SYMPTOMS) == set(get_args(Symptom))
