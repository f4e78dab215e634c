"""`stagesim run` in a terminal, and when the command fails: real processes, a real pseudo-terminal."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from simulator.cli.child import TWICE
from simulator.files.reader import load
from tests.cli.commands import CLIENT, ENVIRONMENT, ROOT, STAGESIM, stagesim

IN_THE_TERMINAL = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGHUP, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)
COUNTS = """
import signal, time
came = []
signal.signal(signal.SIGINT, lambda *_: came.append(1))
print("ready", flush=True)
while not came:
    time.sleep(0.05)
time.sleep(0.3)
print(f"interrupted {len(came)} times", flush=True)
raise SystemExit(7)
"""
HEEDS_NOTHING = """
import signal, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: None)
print("ready", flush=True)
time.sleep(100)
"""


@contextmanager
def in_a_terminal(program: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`stagesim run` of a Python program, in the foreground of a terminal of its own; and that terminal's keys."""
    keys, terminal = os.openpty()
    words = [*STAGESIM, "run", "golden-path", "--", sys.executable, "-c", program]
    process = subprocess.Popen(
        [sys.executable, "-c", IN_THE_TERMINAL, *words],
        stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True, env=ENVIRONMENT,
    )  # fmt: skip
    os.close(terminal)
    try:
        yield process, keys
    finally:
        process.kill()
        process.wait()
        os.close(keys)


def read_until(keys: int, wanted: str) -> str:
    """What came on the terminal up to a word."""
    said = ""
    while wanted not in said:
        said += os.read(keys, 10_000).decode(errors="replace")
    return said


def test_ctrl_c_reaches_the_command_once() -> None:
    with in_a_terminal(COUNTS) as (process, keys):
        read_until(keys, "ready")
        os.write(keys, b"\x03")
        assert "interrupted 1 times" in read_until(keys, " times")
        assert process.wait(timeout=30) == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_us_alone_reaches_the_command(number: signal.Signals) -> None:
    with in_a_terminal(COUNTS.replace("SIGINT", number.name)) as (process, keys):
        read_until(keys, "ready")
        process.send_signal(number)
        assert "interrupted 1 times" in read_until(keys, " times")


def test_a_command_that_heeds_no_signal_is_killed_by_the_second() -> None:
    with in_a_terminal(HEEDS_NOTHING) as (process, keys):
        read_until(keys, "ready")
        patience = TWICE + 0.1  # a second one that comes too soon counts as the first
        while process.poll() is None:
            os.write(keys, b"\x03")
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
            patience = 20  # a third one, if we were slow to see the first, is not to meet us as we leave
        assert process.returncode == 128 + signal.SIGKILL


def test_a_failed_command_leaves_what_the_server_saw_without_secrets(tmp_path: Path) -> None:
    done = stagesim("run", "golden-path", "--fault", "none-orchestrator", "--set", "after=0s", "--", *CLIENT)
    assert done.returncode == 1
    seen = done.stderr.partition("what the server saw\n")[2]
    assert re.search(r"→ start_agent .*\n.*fired: none-orchestrator\n.*← close 1011", seen), done.stderr
    journal = Path(done.stderr.splitlines()[-1].removeprefix("journal in "))
    assert [note.what for note in load(journal).notes if note.what == "fired"] == ["fired"]
    journal.unlink()


def test_a_run_that_never_began_leaves_no_journal_behind(tmp_path: Path) -> None:
    (tmp_path / "no-program").write_bytes(b"\x7fELF")
    (tmp_path / "no-program").chmod(0o755)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = f"127.0.0.1:{taken.getsockname()[1]}"
        for words in (["--", str(tmp_path / "no-program")], ["--listen", busy, "--", "true"]):
            done = subprocess.run(
                [*STAGESIM, "run", "golden-path", "--seed", "1", *words], capture_output=True, text=True,
                env={**ENVIRONMENT, "TMPDIR": str(tmp_path)}, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 2
            assert "journal in" not in done.stderr
            assert [path.name for path in tmp_path.iterdir()] == ["no-program"]


def test_a_journal_never_replaces_the_recording_that_is_played(tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_bytes((ROOT / "recordings" / "golden-path.jsonl").read_bytes())
    before = own.read_bytes()
    done = stagesim("run", "own.jsonl", "--journal", "./own.jsonl", "--", "true", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "own.jsonl: is one of the recordings that are played" in done.stderr
    assert own.read_bytes() == before


def test_a_command_that_passes_is_not_followed_by_a_log(tmp_path: Path) -> None:
    done = stagesim("run", "golden-path", "--journal", str(tmp_path / "run.jsonl"), "--", "true")
    assert done.returncode == 0
    assert "what the server saw" not in done.stderr
    assert done.stderr.splitlines()[-1] == f"journal in {tmp_path / 'run.jsonl'}"
