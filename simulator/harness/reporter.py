"""A pytest plugin that tells a drill what each test did, from inside a suite that knows nothing of it.

A drill copies this file beside the suite's own environment and loads it with `-p`, so it needs pytest and nothing
else. It appends one JSON line per fact to the file in STAGESIM_REPORT. A test that takes longer than
STAGESIM_DEADLINE seconds ends the process, and its stacks are in the file of that name with '.stacks' behind it.
Tests listed in STAGESIM_DONE (one node id a line) are left out, so that a suite can go on after one that ended it.
Tests run one after the other, whatever pytest-xdist was told: otherwise nobody could say whose traffic is whose.
"""

from __future__ import annotations

import faulthandler
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

REPORT = Path(os.environ.get("STAGESIM_REPORT", os.devnull))
DEADLINE = float(os.environ.get("STAGESIM_DEADLINE", "0"))

_PROCESS = os.getpid()
_watched: list[tuple[float, TextIO]] = []
"""When the running test's time is over (monotonic), and where its stacks go then."""


def _is_ours() -> bool:
    """Whether this is no child of a test that forked, and that returned into pytest."""
    return os.getpid() == _PROCESS


def _watch() -> None:
    """End the process when the running test's time is over."""
    for until, stacks in _watched:
        faulthandler.dump_traceback_later(max(until - time.monotonic(), 0.001), exit=True, file=stacks)


if DEADLINE:  # a child without its parent's watchdog would wait for it at its end, for ever
    os.register_at_fork(before=faulthandler.cancel_dump_traceback_later, after_in_parent=_watch)


def _tell(fact: str, **details: object) -> None:
    if not _is_ours():
        return
    with REPORT.open("a", encoding="utf-8") as report:
        report.write(json.dumps({"fact": fact, "at": time.time(), **details}) + "\n")


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Iterator[None]:
    """Before pytest-xdist looks: no workers."""
    for name, serial in (("numprocesses", 0), ("dist", "no"), ("tx", []), ("distload", False)):
        if hasattr(config.option, name):
            setattr(config.option, name, serial)
    _tell("configured")
    return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    path = os.environ.get("STAGESIM_DONE")
    done = set(Path(path).read_text(encoding="utf-8").splitlines()) if path else set()
    left_out = [item for item in items if item.nodeid in done]
    if left_out:
        items[:] = [item for item in items if item.nodeid not in done]
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if not _is_ours():
        return (yield)
    _tell("started", test=item.nodeid)
    with REPORT.with_name(REPORT.name + ".stacks").open("a", encoding="utf-8") as stacks:
        if DEADLINE:
            _watched[:] = [(time.monotonic() + DEADLINE, stacks)]
            _watch()
        try:
            return (yield)
        finally:
            _watched.clear()
            faulthandler.cancel_dump_traceback_later()
            _tell("ended", test=item.nodeid)


def pytest_collection_finish() -> None:
    _tell("collected")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.outcome not in ("passed", "failed", "skipped"):
        return  # a plugin's own, such as the 'rerun' of pytest-rerunfailures: another report follows
    if report.when == "call" or report.outcome != "passed":
        text = str(report.longrepr or "")[-4000:]
        _tell("outcome", test=report.nodeid, outcome=report.outcome, text=text)


def pytest_sessionfinish(exitstatus: int) -> None:
    _tell("finished", code=int(exitstatus))
