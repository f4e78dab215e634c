"""The command line as people and programs meet it: real processes, real signals, real files."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from simulator.core.events import Message
from simulator.demo.client import converse
from simulator.files.reader import load
from tests.cli.commands import CLIENT, ROOT, here, serving, stagesim


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", "nonesuch"], "nonesuch: no such file, and nothing in recordings/ has this name"),
        (["replay", "golden-path", "--fault", "none-orchestrater"], "did you mean none-orchestrator"),
        (["replay", "golden-path", "--fault", "bad.yaml"], "bad.yaml: rules[0].when.after: expected a duration"),
        (["replay", "bad.jsonl"], 'bad.jsonl: not a recording: line 1 has no "stagesim" format version'),
        (["replay", "bad-line.jsonl"], "bad-line.jsonl:2: "),
        (["replay", "golden-path", "--fault", "stall", "--set", "x=1"], "no parameter is named 'x'"),
        (["replay", "golden-path", "--fault", "stall", "--fault", "stall"], "two rules are named 'stall'"),
        (["replay", "golden-path", "--fault", "missing:nobody"], "no component is named 'nobody'"),
        (["replay", "golden-path", "--speed", "fast"], "--speed: expected a number above 0, or 'max'"),
        (["replay", "golden-path", "--listen", "8000"], "--listen: expected HOST:PORT"),
        (["replay", "golden-path", "--seed", "x"], "'x' is not a valid integer"),
        (
            ["replay", "golden-path", "--auth", "verify", "--auth-key", "none.txt"],
            "--auth-key: cannot read the key",
        ),
        (["replay"], "Missing argument 'RECORDING…'"),
        (["unheard-of"], "No such command 'unheard-of'"),
        (["run", "golden-path", "--set", "after=3", "--", "true"], "--set: there is no fault"),
        (["faults", "--out", "folder"], "--out: nothing to write"),
        (["show", "golden-path", "--from", "3s", "--to", "1s"], "--from: begins at 3.000 s, after its end"),
        (["record", "--out", "x.jsonl"], "there is nothing to record"),
        (["record", "--upstream", "https://a", "--out", "x.jsonl"], "expected NAME=URL"),
        (["record", "--upstream", "a=https://a", "--out", "bad.jsonl"], "bad.jsonl: exists already"),
        (["run", "golden-path", "--", "no-such-command"], "no-such-command: no such command"),
        (["run", "golden-path", "--env", "A={x.http}", "--", "true"], "no such service in 'A={x.http}'"),
        (["check", "bad.yaml"], "bad.yaml: rules[0].when.after"),
        (["show", "bad.jsonl"], "not a recording"),
        (["faults", "nonesuch"], "nothing in faults/ has this name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_exit_code_2(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "bad-line.jsonl").write_text('{"stagesim": 1}\n{"at": 0, "kind": "request"}\n')
    (tmp_path / "bad.yaml").write_text("title: x\nrules: [{fault: close, when: {after: two}}]\n")
    done = here(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("stagesim: ")
    assert said in line


def test_a_busy_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for words in (
            ["replay", "golden-path"],
            ["record", "--upstream", "a=http://127.0.0.1:1", "--out", "x.jsonl"],
        ):
            done = stagesim(*words, "--listen", address, cwd=tmp_path)
            assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
            assert address in done.stderr
    assert not (tmp_path / "x.jsonl").exists()


def test_replay_serves_until_it_is_interrupted_and_proves_its_faults(tmp_path: Path) -> None:
    words = ["replay", "golden-path", "--fault", "none-orchestrator", "--set", "after=100ms", "--speed", "20"]
    with serving(*words, "--seed", "7", "--journal", "run.jsonl", cwd=tmp_path) as (process, lines):
        assert re.fullmatch(r"listening on http://127\.0\.0\.1:\d+", lines[0])
        assert process.stdout is not None
        auth = process.stdout.readline().split()[-1]
        outcome = asyncio.run(converse(lines[0].split()[-1], auth))
        assert outcome.verdict == "closed 1011"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    said = (tmp_path / "stderr.txt").read_text()
    assert "\nseed 7\n" in said or said.startswith("seed 7\n")
    assert "faults, seed 7" in said
    assert re.search(r"none-orchestrator +close +1 +1 ", said)
    journal = load(tmp_path / "run.jsonl")
    assert journal.recording.header.seed == 7
    assert [note.detail["rule"] for note in journal.notes if note.what == "fired"] == ["none-orchestrator"]
    assert stagesim("show", "run.jsonl", cwd=tmp_path).returncode == 0


def test_run_gives_back_the_exit_code_and_sets_the_environment(tmp_path: Path) -> None:
    shown = "import os, sys; print(os.environ['STAGESIM_AUTH_WS_URL'], os.environ['MINE']); sys.exit(3)"
    done = stagesim("run", "golden-path", "--env", "MINE={auth.http}/x", "--", sys.executable, "-c", shown)
    assert done.returncode == 3
    ws, mine = done.stdout.split()
    assert mine == ws.replace("ws://", "http://") + "/x"


def test_what_was_not_recorded_is_shown_beside_the_nearest() -> None:
    code = "import os, urllib.request as u; u.urlopen(os.environ['STAGESIM_URL'] + '/health?deep=yes')"
    done = stagesim("run", "golden-path", "--", sys.executable, "-c", code)
    assert "not in the recording: 1" in done.stderr
    (row,) = [line.split() for line in done.stderr.splitlines() if "query.deep" in line and "/health " in line]
    assert row[-3:] == ["query.deep", "nothing", "'yes'"]


def test_a_client_passes_on_the_replay_and_fails_under_a_fault() -> None:
    fine = stagesim("run", "golden-path", "--speed", "10", "--", *CLIENT)
    assert (fine.returncode, fine.stdout.splitlines()[-1]) == (0, "verdict: completed")
    broken = stagesim(
        "run", "golden-path", "--fault", "missing-dependencies", "--", *CLIENT, "--frame-timeout", "1"
    )
    assert broken.returncode == 1
    assert "verdict: timeout" in broken.stdout
    assert "drop" in broken.stderr


def test_show_and_check_and_faults_speak_to_people_and_programs(tmp_path: Path) -> None:
    shown = here("show", "golden-path").stdout
    assert re.search(r"→ ", shown)
    assert "agent_completed" in shown
    lines = [json.loads(line) for line in here("show", "golden-path", "--json").stdout.splitlines()]
    assert lines[0]["stagesim"] == 1
    checked = here("check", "golden-path", "none-orchestrator", str(ROOT / "faults" / "components.yaml"))
    assert checked.returncode == 0
    assert "backend /ws > $.thread_id  →  backend /ws < $.data.thread_id" in checked.stdout
    assert "none-orchestrator: fine" in checked.stdout
    assert "missing-dependencies" in here("faults").stdout
    assert "fault: close" in here("faults", "none-orchestrator").stdout


def test_what_is_learned_is_written_into_line_1_and_no_other(tmp_path: Path) -> None:
    lines = (ROOT / "recordings" / "golden-path.jsonl").read_text().splitlines(keepends=True)
    header = json.loads(lines[0])
    del header["correlate"]
    note = '{"at": 0.3, "flow": "1", "kind": "note", "what": "fired", "detail": {"rule": "stall"}}\n'
    lines[:2] = [json.dumps(header) + "\n", lines[1], note]
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("".join(lines))
    done = here("check", "--learn", "--write", "--quiet", "a.jsonl", "b.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "a.jsonl: header written\n"), done.stderr
    written = (tmp_path / "a.jsonl").read_text().splitlines(keepends=True)
    assert "correlate" in json.loads(written[0])
    assert written[1:] == lines[1:]


def test_what_is_learned_is_not_written_where_it_would_destroy_a_file(tmp_path: Path) -> None:
    whole = ROOT / "recordings" / "golden-path.jsonl"
    packed = tmp_path / "a.jsonl.zst"
    packed.write_bytes(zstandard.compress(whole.read_bytes()))
    link = tmp_path / "link.jsonl"
    link.symlink_to(whole)
    before = [packed.read_bytes(), whole.read_bytes()]
    said = {"a.jsonl.zst": "is compressed", "golden-path": "is a shipped", "link.jsonl": "is a shipped"}
    for name, problem in said.items():
        done = here("check", "--learn", "--write", name, "golden-path", cwd=tmp_path)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
        assert problem in done.stderr
    assert [packed.read_bytes(), whole.read_bytes()] == before


def test_check_finds_a_secret_that_was_pasted_in(tmp_path: Path) -> None:
    recording = (ROOT / "recordings" / "golden-path.jsonl").read_text()
    assert here("check", "--quiet", str(ROOT / "recordings" / "golden-path.jsonl")).returncode == 0
    pasted = recording.replace('"X-Test-Type", "E2E"', '"X-Api-Key", "hunter2-hunter2-1234"', 1)
    pasted_file = tmp_path / "pasted.jsonl"
    pasted_file.write_text(pasted)
    done = here("check", "--quiet", str(pasted_file))
    assert done.returncode == 1
    assert "looks like" in done.stderr
    assert "hunter2" not in done.stderr


def test_help_is_enough_to_get_going() -> None:
    assert "stagesim record --upstream" in here("--help").stdout
    for command in ("record", "replay", "run", "faults", "show", "check", "demo"):
        assert here(command, "--help").returncode == 0


CHATTER = """
import asyncio, sys
from websockets.asyncio.server import serve

async def talk(socket):
    number = 0
    while True:
        await socket.send('{"type": "tick", "number": %d}' % number)
        number += 1
        await asyncio.sleep(0)

async def main():
    async with serve(talk, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""


def test_a_killed_recorder_leaves_a_recording_that_loads_to_the_last_whole_line(tmp_path: Path) -> None:
    """The client has seen so many messages; none of them, but at most those in the recorder's hands, is lost."""
    upstream = subprocess.Popen([sys.executable, "-c", CHATTER], stdout=subprocess.PIPE, text=True)
    try:
        assert upstream.stdout is not None
        url = f"http://127.0.0.1:{upstream.stdout.readline().strip()}"
        with serving("record", "--upstream", f"a={url}", "--out", "killed.jsonl", cwd=tmp_path) as (
            process,
            lines,
        ):
            seen = asyncio.run(listen(lines[0].split()[2].replace("http", "ws"), 500))
            process.kill()
            process.wait()
    finally:
        upstream.kill()
        upstream.communicate()
    loaded = load(tmp_path / "killed.jsonl")
    messages = [event for event in loaded.recording.events if isinstance(event, Message)]
    assert len(messages) >= seen
    numbers = [json.loads(message.data)["number"] for message in messages]
    assert numbers == list(range(len(numbers)))


async def listen(url: str, count: int) -> int:
    from websockets.asyncio.client import connect

    async with connect(url, close_timeout=0.1) as connection:
        for _ in range(count):
            await connection.recv()
    return count


def test_an_unreachable_upstream_is_said_and_ends_in_exit_code_1(tmp_path: Path) -> None:
    probe = "import os, urllib.request as r\ntry: r.urlopen(os.environ['STAGESIM_A_URL'])\nexcept OSError: pass"
    words = ["record", "--upstream", "a=http://127.0.0.1:1", "--out", "x.jsonl", "--", sys.executable, "-c", probe]
    done = stagesim(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert "127.0.0.1:1 refused the connection" in done.stderr
    assert "the recording is not complete" in done.stderr


def test_a_forward_recorder_records_clients_with_hard_coded_urls(tmp_path: Path) -> None:
    with serving("replay", "golden-path", cwd=tmp_path) as (_, lines):
        url = lines[0].split()[-1]
        probe = f"import httpx; print(httpx.get('{url}/health').status_code)"
        done = stagesim("record", "--forward", "--out", "x.jsonl", "--", sys.executable, "-c", probe, cwd=tmp_path)
        assert (done.returncode, done.stdout.strip()) == (0, "200")
    recording = load(tmp_path / "x.jsonl").recording
    assert [event.kind for event in recording.events] == ["request", "response"]
    assert recording.header.services[0].origins == (url,)


def test_components_are_drawn_and_faults_derived(tmp_path: Path) -> None:
    drawn = here("faults", "--graph").stdout
    assert drawn.index("database") < drawn.index("db_session_factory") < drawn.index("agent_supervisor")
    assert "Startup fails, and health says why" in drawn
    assert "degraded slow: " in drawn
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "components.yaml").write_text(
        "components: {pump: {recovers after: 90s, degraded: {noisy: {rules: [{fault: drop}]}}}}\neffects: []\n"
    )
    drawn = here("faults", "--graph", cwd=tmp_path).stdout
    assert "pump recovers after 90s" in drawn
    assert "degraded noisy" in drawn
    listed = here("faults", "--derive", "golden-path").stdout.splitlines()
    assert len(listed) > 50
    assert json.loads(listed[0].partition(": ")[2])["fault"]
    written = here("faults", "--derive", "golden-path", "--out", "derived", cwd=tmp_path)
    assert f"{len(listed)} fault files" in written.stderr
    paths = sorted(str(path) for path in (tmp_path / "derived").iterdir())
    assert here("check", "--quiet", *paths).returncode == 0
