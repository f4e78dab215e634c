"""`stagesim import` and `export`, end to end: a HAR of Chrome's becomes a replay that a real client talks to."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from simulator.cli import main
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.files.reader import load
from simulator.live.recorder import needed
from simulator.live.server import ReplayServer

ROOT = Path(__file__).parent.parent.parent
SAMPLES = ROOT / "tests" / "files" / "importers" / "samples"
SERVICE = "--service", "site=http://127.0.0.1:8765"


@dataclass
class Done:
    returncode: int
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def stagesim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty folder, within this process."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["stagesim", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), capfd.readouterr().err)

    return run


@pytest.mark.parametrize("name", ["chrome.har", "playwright.har", "mitmproxy-12.flow", "mitmproxy-12-raw.flow"])
def test_a_client_talks_to_what_was_imported(name: str, tmp_path: Path, stagesim: Run) -> None:
    done = stagesim("import", SAMPLES / name, "--out", "x.jsonl", *SERVICE)
    assert done.returncode == 0, done.stderr
    assert "1 WebSockets, 5 messages; " in done.stderr and "Traceback" not in done.stderr
    asyncio.run(talk(tmp_path / "x.jsonl", closes=name.endswith(".flow")))


async def talk(path: Path, *, closes: bool) -> None:
    """The recorded conversation, by another client with another id; then who closes, and with what."""
    server = ReplayServer(script=compile_script(load(path).recording), settings=Settings(speed=50))
    await server.start()
    try:
        async with httpx.AsyncClient() as http:
            asked = {"email": "ada@example.com", "password": "another-7-word"}
            login = (await http.post(f"{server.url}/login", json=asked)).json()
            assert login["user"] == {"email": "ada@example.com"}
            headers = {"authorization": f"Bearer {login['access_token']}"}
            items = (await http.get(f"{server.url}/gzipped", headers=headers)).json()["items"]
            assert len(items) == 9
        url = server.url.replace("http", "ws") + "/ws?room=1"
        async with connect(url, subprotocols=["chat"]) as socket:  # type: ignore[list-item]
            await socket.send(json.dumps({"type": "join", "id": "join-0815bb", "name": "Zoë"}))
            assert json.loads(await socket.recv()) == {"type": "welcome"}
            assert json.loads(await socket.recv()) == {"type": "joined", "id": "join-0815bb", "name": "Zoë"}
            await socket.send(b"\x01\x02\xff")
            assert await socket.recv() == b"\xff\x02\x01"
            if closes:
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
        assert (socket.close_code, socket.close_reason) == ((4001, "enough") if closes else (1000, ""))
    finally:
        await server.stop()


def test_every_loss_is_a_line_and_the_services_have_names(tmp_path: Path, stagesim: Run) -> None:
    har = SAMPLES / "chrome.har"
    done = stagesim("import", har, "--out", "x.jsonl", "--title", "What Chrome saw")
    warnings = [line for line in done.stderr.splitlines() if line.startswith(f"stagesim: warning: {har}: ")]
    assert len(warnings) == 4 and len(done.stderr.splitlines()) == 5
    header = load(tmp_path / "x.jsonl").recording.header
    assert [service.name for service in header.services] == ["127-0-0-1-8765"]
    assert header.title == "What Chrome saw" and header.correlate is not None
    assert stagesim("check", "--quiet", "x.jsonl").returncode == 0


def test_the_format_is_found_from_the_content(tmp_path: Path, stagesim: Run) -> None:
    for name in ("mitmproxy-11.flow", "requests.yaml", "requests.json", "mitmproxy-11.har"):
        (tmp_path / "x.txt").write_bytes((SAMPLES / name).read_bytes())
        done = stagesim("import", "x.txt", "--out", "x.jsonl", "--force")
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["import", "torn.har", "--out", "x.jsonl"], "stagesim: torn.har:1: not JSON: "),
        (["import", "missing.har", "--out", "x.jsonl"], "stagesim: missing.har: log.entries[0].request: missing"),
        (
            ["import", "kept.jsonl", "--out", "x.jsonl"],
            "stagesim: kept.jsonl: is a recording already (`stagesim r",
        ),
        (
            ["import", "torn.har", "--out", "./torn.har", "--force"],
            "stagesim: --out torn.har: is the file that is re",
        ),
        (
            ["import", "good.har", "--out", "kept.jsonl"],
            "stagesim: kept.jsonl: exists already (--force overwrites",
        ),
        (["import", "torn.har", "--out", "kept.jsonl", "--force"], "stagesim: torn.har:1: not JSON: "),
        (["import", "good.har", "--out", "x.jsonl", "--service", "x"], "stagesim: --service: expected NAME=URL"),
        (["export", "golden-path"], "stagesim: there is nothing to write (give --har FILE or --mitm FILE)"),
        (["export", "golden-path", "--har", "kept.jsonl"], "stagesim: kept.jsonl: exists already (--force overwr"),
        (
            ["export", "golden-path", "--har", "none/x.har"],
            "stagesim: none/x.har: cannot be written: No such file",
        ),
    ],
)
def test_a_mistake_is_one_line_and_harms_no_file(
    tmp_path: Path, stagesim: Run, words: list[str], said: str
) -> None:
    kept = b'{"stagesim": 1}\n'
    (tmp_path / "torn.har").write_bytes(b'{"log": {"entries": [')
    (tmp_path / "missing.har").write_bytes(b'{"log": {"entries": [{"startedDateTime": "2026-01-01T00:00:00Z"}]}}')
    (tmp_path / "good.har").write_bytes((SAMPLES / "chrome.har").read_bytes())
    (tmp_path / "kept.jsonl").write_bytes(kept)
    done = stagesim(*words)
    lines = [line for line in done.stderr.splitlines() if "warning" not in line]
    assert (done.returncode, len(lines)) == (2, 1) and lines[0].startswith(said), done.stderr
    assert (tmp_path / "kept.jsonl").read_bytes() == kept
    assert not (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["import", SAMPLES / "mitmproxy-12.flow", "--out", "x.jsonl"],
        ["export", "golden-path", "--mitm", "x.mitm"],
    ],
)
def test_dumps_need_mitmproxy_and_say_so(
    words: list[object], stagesim: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needed, "find_spec", lambda name: None)
    done = stagesim(*words)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "needs mitmproxy (pip install 'stagesim[record]')" in done.stderr


def test_hars_and_cassettes_need_no_mitmproxy(tmp_path: Path) -> None:
    code = "import sys; sys.modules['mitmproxy'] = None; from simulator.cli import main; main()"
    words = "import", SAMPLES / "chrome.har", "--out", tmp_path / "x.jsonl"
    subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=60, cwd=ROOT, capture_output=True)


def test_there_and_back(tmp_path: Path, stagesim: Run) -> None:
    assert stagesim("export", "golden-path", "--har", "g.har", "--mitm", "g.mitm").returncode == 0
    for name in ("g.har", "g.mitm"):
        done = stagesim("import", name, "--out", f"{name}.jsonl")
        assert "12 requests, 1 WebSockets, 9 messages" in done.stderr
