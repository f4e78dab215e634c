"""`stagesim` for tests: as a process of its own, or in this one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from simulator.cli import main

STAGESIM = [sys.executable, "-m", "simulator"]
ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
CLIENT = [sys.executable, "-m", "simulator.demo.client"]


def stagesim(*words: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = ENVIRONMENT | variables
    return subprocess.run(
        [*STAGESIM, *words], capture_output=True, text=True, timeout=60, env=environment, cwd=cwd, check=False
    )


def here(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The same in this process, for commands that start nothing: without an interpreter's half second each."""
    out, errors = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(errors),
        pytest.raises(SystemExit) as ended,
    ):
        patch.setenv("COLUMNS", ENVIRONMENT["COLUMNS"])
        patch.chdir(cwd or Path.cwd())
        main(words)
    code = ended.value.code or 0
    assert isinstance(code, int)
    return subprocess.CompletedProcess(words, code, out.getvalue(), errors.getvalue())


@contextmanager
def serving(*words: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A serving command, from its line 'listening on …' on."""
    with (cwd / "stderr.txt").open("w") as errors:
        process = subprocess.Popen(
            [*STAGESIM, *words], stdout=subprocess.PIPE, stderr=errors, text=True, env=ENVIRONMENT, cwd=cwd
        )
    try:
        assert process.stdout is not None
        yield process, [process.stdout.readline().strip()]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)
