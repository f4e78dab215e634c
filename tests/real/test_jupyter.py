"""Real input: Jupyter Server with a real kernel, recorded, then replayed while it is not running.

Nothing here was written for the simulator but the client, and that speaks the plain Jupyter API. Jupyter Server
and ipykernel are in the dev extra; where they are missing, these tests fail.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.roundtrip import settled_trips
from simulator.core.events import Message, Request, Response
from simulator.files.reader import load

ROOT = Path(__file__).parent.parent.parent
CLIENT = [sys.executable, str(ROOT / "examples" / "jupyter_client.py")]
STAGESIM = [sys.executable, "-m", "simulator"]
TOKEN = secrets.token_hex(24)
OUTPUTS = [
    ["stdout: hello from 42"],
    ["result: [0, 1, 4, 9, 16]"],
    ["error: ZeroDivisionError: division by zero"],
]
LONG = 90.0
"""Seconds until something hangs, however loaded the machine is."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A stagesim command with the client behind it: its exit code, the client's report, what stagesim said."""

    code: int
    outcome: Json
    said: str

    @property
    def outputs(self) -> list[list[str]]:
        return [cell["outputs"] for cell in self.outcome["cells"]]

    @property
    def messages(self) -> list[list[str]]:
        """What came for each cell, in the order of arrival."""
        return [cell["messages"] for cell in self.outcome["cells"]]

    @property
    def own_ids(self) -> set[str]:
        """The ids that this client made."""
        return {self.outcome["session"], *(cell["msg_id"] for cell in self.outcome["cells"])}

    @property
    def servers_ids(self) -> set[str]:
        """The ids that the server made for this client."""
        return {self.outcome["kernel"], *self.outcome["seen"]}


@dataclass(frozen=True)
class Recorded:
    path: Path
    run: Run
    origin: str

    @property
    def text(self) -> str:
        return self.path.read_text()


def environment(token: str = TOKEN) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160", "JUPYTER_TOKEN": token}


def stagesim(*words: str, client: tuple[str, ...] = (), token: str = TOKEN) -> Run:
    """Run a command of stagesim with the client."""
    done = subprocess.run(
        [*STAGESIM, *words, "--", *CLIENT, "--json", *client],
        capture_output=True,
        text=True,
        timeout=LONG,
        env=environment(token),
        check=False,
    )
    assert done.stdout, done.stderr
    return Run(done.returncode, json.loads(done.stdout), done.stderr)


@contextmanager
def jupyter(home: Path) -> Iterator[str]:
    """A Jupyter Server of its own on a free port of loopback, for as long as the context lasts."""
    folders = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("RUNTIME", "CONFIG", "DATA")}
    mine = {**environment(), **folders, "IPYTHONDIR": str(home / "ipython"), "HOME": str(home)}
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    with (home / "jupyter.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", *options, f"--ServerApp.root_dir={home}"],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=home,
            env=mine,
            start_new_session=True,
        )
    try:
        yield _listening(process, home)
    finally:
        _end(process)


def _listening(process: subprocess.Popen[bytes], home: Path) -> str:
    """Where it listens, as soon as it does; it says so in a file."""
    until = time.monotonic() + LONG
    while time.monotonic() < until and process.poll() is None:
        for file in (home / "runtime").glob("jpserver-*.json"):
            try:
                port = int(json.loads(file.read_text())["port"])
                socket.create_connection(("127.0.0.1", port)).close()
            except (OSError, ValueError):
                continue
            return f"http://127.0.0.1:{port}"
        time.sleep(0.05)
    raise AssertionError(f"no Jupyter Server (it is in the dev extra):\n{(home / 'jupyter.log').read_text()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it with its kernels; SIGTERM is what it shuts them down on."""
    process.terminate()
    try:
        process.wait(timeout=LONG / 3)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The recording of one conversation. Jupyter is gone when this returns."""
    home = tmp_path_factory.mktemp("jupyter")
    path = home / "jupyter.jsonl"
    with jupyter(home) as origin:
        run = stagesim("record", "--upstream", f"jupyter={origin}", "--out", str(path))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(origin.rpartition(":")[2])))
    return Recorded(path, run, origin)


def test_the_recording_holds_the_conversation(recorded: Recorded) -> None:
    assert recorded.run.code == 0, recorded.run
    assert recorded.run.outputs == OUTPUTS
    events = load(recorded.path).recording.events
    assert [event.method for event in events if isinstance(event, Request)] == ["POST", "GET", "DELETE"]
    assert [event.status for event in events if isinstance(event, Response)] == [201, 101, 204]
    for own in recorded.run.own_ids | recorded.run.servers_ids:
        assert own in recorded.text


def test_the_token_is_nowhere_in_it(recorded: Recorded) -> None:
    assert TOKEN not in recorded.text
    assert not [TOKEN[n : n + 12] for n in range(len(TOKEN) - 11) if TOKEN[n : n + 12] in recorded.text]


def test_what_travels_is_found_and_not_configured(recorded: Recorded) -> None:
    found = {
        (item.kind, item.source): item.targets for item in load(recorded.path).recording.header.correlate or ()
    }
    kernels, channels = "jupyter /api/kernels", "jupyter /api/kernels/{}/channels"
    assert f"{channels} > path[2]" in found["minted", f"{kernels} < $.id"]
    assert f"{channels} < $.parent_header.session" in found["echoed", f"{channels} > query.session_id"]
    assert f"{channels} < $.parent_header.msg_id" in found["echoed", f"{channels} > $.header.msg_id"]
    assert f"{channels} < $.msg_id" in found["minted", f"{channels} < $.header.msg_id"]
    data = ("content.text", "text/plain", "traceback", "evalue", "code")
    assert not [source for kind, source in found if kind == "minted" and source.endswith(data)]


def test_without_jupyter_the_same_client_gets_the_same_with_ids_of_its_own(
    recorded: Recorded, tmp_path: Path
) -> None:
    runs = []
    for number in ("1", "2"):
        journal = tmp_path / f"journal-{number}.jsonl"
        run = stagesim("run", str(recorded.path), "--journal", str(journal), token="another-token-of-mine")
        runs.append(run)
        assert run.code == 0, run
        assert run.outputs == OUTPUTS
        assert run.messages == recorded.run.messages
        assert not [own for own in run.own_ids | run.servers_ids if own in recorded.text]
        assert not [own for own in recorded.run.own_ids | recorded.run.servers_ids if own in journal.read_text()]
        _every_id_is_this_runs(journal, run)
    first, second = runs
    assert not (first.own_ids | first.servers_ids) & (second.own_ids | second.servers_ids)


def test_what_is_recorded_of_its_replay_is_what_was_recorded_of_it(recorded: Recorded) -> None:
    ((trip,), _) = settled_trips([load(recorded.path).recording], speed=4)
    assert (trip.drift.differences, trip.problems) == ((), ())
    assert len(trip.again.events) == len(trip.original.events) > 20


def _every_id_is_this_runs(journal: Path, run: Run) -> None:
    """What the server said names the client's ids as parents, one session of its own, and one kernel."""
    events = load(journal).recording.events
    created = next(event for event in events if isinstance(event, Response))
    assert json.loads(created.body)["id"] == run.outcome["kernel"]
    assert dict(created.headers)["Location"] == f"/api/kernels/{run.outcome['kernel']}"
    said: list[Json] = [
        json.loads(event.data)
        for event in events
        if isinstance(event, Message) and event.direction == "downstream" and isinstance(event.data, str)
    ]
    sessions = {message["header"]["session"] for message in said}
    assert len(sessions) == 1
    assert all(message["header"]["msg_id"].startswith(min(sessions)) for message in said)
    for message in said:
        parent = message["parent_header"]
        assert parent["session"] == run.outcome["session"]
        assert parent["msg_id"] in run.own_ids or parent["msg_id"].startswith(run.outcome["session"])


def test_two_clients_at_once_do_not_see_each_other(recorded: Recorded, tmp_path: Path) -> None:
    with (tmp_path / "errors.txt").open("w") as errors:
        server = subprocess.Popen(
            [*STAGESIM, "replay", str(recorded.path)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(),
        )
    assert server.stdout is not None
    clients: list[subprocess.Popen[str]] = []
    try:
        url = server.stdout.readline().strip().removeprefix("listening on ")
        for _ in range(2):
            words = [*CLIENT, "--json", url]
            clients.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()))
        said = [client.communicate(timeout=LONG)[0] for client in clients]
    finally:
        for process in (*clients, server):
            process.terminate()
            process.communicate(timeout=LONG)
    runs = [Run(client.returncode, json.loads(text), "") for client, text in zip(clients, said, strict=True)]
    assert [run.code for run in runs] == [0, 0], runs
    assert [run.outputs for run in runs] == [OUTPUTS, OUTPUTS]
    assert not runs[0].servers_ids & runs[1].servers_ids


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [("close", "closed 1011 Internal error"), ("stall", "timeout"), ("reset", "closed 1006")],
)
def test_a_fault_shows_what_it_does(recorded: Recorded, tmp_path: Path, fault: str, verdict: str) -> None:
    journal = tmp_path / "journal.jsonl"
    patience = ("--receive-timeout", "2") if fault == "stall" else ()
    words = ("--speed", "max", "--fault", fault, "--journal", str(journal))
    run = stagesim("run", str(recorded.path), *words, client=patience)
    assert (run.code, run.outcome["verdict"]) == (1, verdict)
    assert run.outputs != OUTPUTS
    fired = [note for note in load(journal).notes if note.what == "fired"]
    assert [note.detail["fault"] for note in fired] == [fault]
    assert "/channels" in str(fired[0].detail["to"])
    assert fault in run.said


def test_after_a_stall_it_goes_on_where_it_was(recorded: Recorded, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    words = ("--speed", "max", "--fault", "stall", "--set", "for=1s", "--journal", str(journal))
    run = stagesim("run", str(recorded.path), *words)
    assert run.code == 0, run
    assert run.outputs == OUTPUTS
    assert run.messages == recorded.run.messages
    assert [note.detail["fault"] for note in load(journal).notes if note.what == "fired"] == ["stall"]
