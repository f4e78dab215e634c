"""Control from the command line: real processes, real addresses, nothing that is not asked for."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from simulator.cli import main
from tests.cli.commands import ENVIRONMENT, STAGESIM, here, stagesim


@contextmanager
def replaying(*words: str) -> Iterator[dict[str, str]]:
    """A replay, and the addresses of its lines 'control on http://…'."""
    options = ["--listen", "127.0.0.1:0", *words]
    process = subprocess.Popen(
        [*STAGESIM, "replay", "golden-path", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    try:
        assert process.stdout is not None
        found: dict[str, str] = {}
        last = "toxiproxy" if "--toxiproxy" in words else "control"
        while last not in found:
            name, _, url = process.stdout.readline().strip().partition(" on ")
            found[name] = url
        yield found
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def control() -> Iterator[str]:
    with replaying("--control", "127.0.0.1:0", "--manual-clock") as found:
        yield found["control"]


def test_arm_list_disarm(control: str, tmp_path: Path) -> None:
    assert re.fullmatch(r"http://:[\w-]{32}@127\.0\.0\.1:\d+", control)
    armed = stagesim("faults", "arm", "none-orchestrator", "--set", "after=6.96s", STAGESIM_CONTROL=control)
    assert (armed.returncode, armed.stdout) == (0, "armed none-orchestrator\n")
    (tmp_path / "mine.yaml").write_text("title: Mine\nrules: [{fault: drop}, {fault: stall}]\n")
    armed = stagesim("faults", "arm", "mine.yaml", "--control", control, cwd=tmp_path)
    assert armed.stdout == "armed mine[0]\narmed mine[1]\n"
    disarmed = stagesim("faults", "disarm", "mine", STAGESIM_CONTROL=control)
    assert (disarmed.returncode, disarmed.stdout) == (0, "disarmed mine[0]\ndisarmed mine[1]\n")
    shown = stagesim("faults", "list", STAGESIM_CONTROL=control).stdout
    assert re.search(r"none-orchestrator +close +armed +0 +never", shown)
    assert re.search(r"mine\[1\] +stall +disarmed", shown)
    rules = json.loads(stagesim("faults", "list", "--json", STAGESIM_CONTROL=control).stdout)["rules"]
    assert rules[0]["rule"]["when"] == {"after": "6960ms"}
    again = stagesim("faults", "arm", "none-orchestrator", STAGESIM_CONTROL=control)
    assert again.returncode == 2
    assert again.stderr.startswith("stagesim: a rule named 'none-orchestrator' is armed already")


def test_components_beside_a_fault_file_are_those_that_are_meant(control: str, tmp_path: Path) -> None:
    (tmp_path / "components.yaml").write_text(
        "components: {cache: {}}\neffects: [{without: [cache], rules: [{fault: drop}]}]\n"
    )
    (tmp_path / "cold.yaml").write_text("title: Cold\nmissing: cache\n")
    armed = stagesim("faults", "arm", "cold.yaml", cwd=tmp_path, STAGESIM_CONTROL=control)
    assert armed.stdout == "armed cold/cache[0]\n"


def test_a_manual_clock_stands_still_until_it_is_advanced(control: str) -> None:
    _, _, token, host, port = re.split(r"[:/@]+", control.replace("://:", "://x:"))
    with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get("/v1/version").json()["clock"] == "manual"
        before = client.post("/v1/clock/advance", json={"by": "0s"}).json()["now"]
        after = client.post("/v1/clock/advance", json={"by": "2m"}).json()["now"]
        assert after == before + 120


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list"], "--control: which replay?"),
        (["list", "--control", "http://:wrong@127.0.0.1:{port}"], "http://127.0.0.1:{port}: wrong token"),
        (["list", "--control", "http://127.0.0.1:{port}"], "there is no token in the URL"),
        (["list", "--control", "127.0.0.1:{port}"], "expected http://:TOKEN@HOST:PORT"),
        (["list", "--control", "http://:secret@127.0.0.1:x"], "not a URL"),
        (["list", "--control", "http://:secret@127.0.0.1:1"], "http://127.0.0.1:1: no replay answers: Connection"),
        (["arm", "nonesuch", "--control", "{control}"], "nothing in faults/ has this name"),
        (["arm", "stall", "--set", "x=1", "--control", "{control}"], "no parameter is named 'x'"),
        (["arm", "stall", "--set", "x", "--control", "{control}"], "--set: expected NAME=VALUE"),
        (["disarm", "nonesuch", "--control", "{control}"], "no rule named 'nonesuch' is armed"),
        (["disarm", "--control", "{control}"], "Missing argument 'RULE'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_exit_code_2(
    words: list[str], said: str, control: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = control.rpartition(":")[2]
    given = [word.format(control=control, port=port) for word in words]
    monkeypatch.setattr(sys, "argv", ["stagesim", "faults", *given])
    with pytest.raises(SystemExit) as ended:
        main()
    done = capsys.readouterr()
    assert (ended.value.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert said.format(port=port) in line
    assert "secret" not in line


def test_another_server_is_no_replay() -> None:
    async def talk() -> subprocess.CompletedProcess[str]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.to_thread(
                stagesim, "faults", "list", STAGESIM_CONTROL=f"http://:x@127.0.0.1:{port}"
            )

    done = asyncio.run(talk())
    assert done.returncode == 2
    assert "answered 200, but not as a replay's control would" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--manual-clock"], "--manual-clock: time would never pass"),
        (["--control", "8000"], "--control: expected HOST:PORT"),
        (["--control", "0.0.0.0:0"], "--control 0.0.0.0: expected a loopback address"),
        (["--toxiproxy", "10.0.0.1:0"], "--toxiproxy 10.0.0.1: expected a loopback address"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_replay_that_cannot_be_controlled_so_is_not_begun(words: list[str], said: str) -> None:
    done = here("replay", "golden-path", *words)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert said in done.stderr


def test_a_command_finds_the_control_of_its_own_replay() -> None:
    words = ["run", "golden-path", "--control", "127.0.0.1:0", "--", *STAGESIM, "faults", "arm", "stall"]
    done = stagesim(*words)
    assert (done.returncode, done.stdout) == (0, "armed stall\n")
    assert re.search(r"stall +stall +0 +never", done.stderr)


def test_toxiproxy_is_offered_when_it_is_asked_for() -> None:
    with replaying("--toxiproxy", "127.0.0.1:0") as found:
        assert "control" not in found
        proxies = httpx.get(f"{found['toxiproxy']}/proxies", trust_env=False).json()
        assert f"http://{proxies['auth']['listen']}" == found["auth"]


NO_FRAMEWORK = """
import sys
sys.modules["aiohttp"] = None  # whoever imports it fails
from simulator.cli import main
sys.argv = ["stagesim", *{words!r}]
main()
"""


def test_the_web_framework_is_loaded_for_control_only() -> None:
    def run(*words: str) -> int:
        code = NO_FRAMEWORK.format(words=words)
        done = subprocess.run(
            [sys.executable, "-c", code], env=ENVIRONMENT, timeout=60, capture_output=True, check=False
        )
        return done.returncode

    assert run("run", "golden-path", "--", "true") == 0
    assert run("faults") == 0
    assert run("run", "golden-path", "--control", "127.0.0.1:0", "--", "true") == 1
