"""Commands that are run against us: their environment, their signals, their exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from typing import Final

import click

from simulator.core.errors import StagesimError

_COMMAND: Final = "stagesim.command"
TWICE = 0.5
"""Seconds within which a signal is the same as the one before: timeout(1) sends its own to us twice."""


class BeforeACommand(click.Command):
    """A command line `RECORDING… -- COMMAND …`; without the dashes, the first word is the recording."""

    ignore_unknown_options = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        before, after = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, None)
        ctx.meta[_COMMAND] = after
        return super().parse_args(ctx, before)


def divided(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The recordings and the command of such a line, in the call of a `BeforeACommand`."""
    after = click.get_current_context().meta[_COMMAND]
    return (words[:1], words[1:]) if after is None else (words, tuple(after))


def check_command(command: Sequence[str]) -> None:
    """Raise StagesimError where there is no such command, before anything is started for it."""
    if not command:
        raise StagesimError("expected a command", place="--", hint="stagesim run RECORDING -- COMMAND")
    if shutil.which(command[0]) is None:
        raise StagesimError("no such command", place=command[0])


async def run_child(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the command with our terminal; signals that end us end it, and its code is ours (128+N for signal N).

    A second signal, as from somebody who presses Ctrl-C again, kills a command that heeds none.
    """
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **variables})
    ending = _Ending(process)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup(1) has it for SIGHUP
            loop.add_signal_handler(number, ending.asked, number)
    code = await process.wait()
    return 128 - code if code < 0 else code


def end_by_signals() -> None:
    """Have SIGTERM and SIGHUP cancel the current task, as Ctrl-C does: what it has started is ended with it."""
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


class _Ending:
    """What signals that ask us to end do to the command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._first: float | None = None

    def asked(self, number: int) -> None:
        now = asyncio.get_running_loop().time()
        if self._process.returncode is not None:
            return
        if self._first is None:
            self._first = now
            if number != signal.SIGINT or not _in_foreground():
                self._process.send_signal(number)
        elif now - self._first > TWICE:
            self._process.kill()


def _in_foreground() -> bool:
    """Whether we are in a terminal's foreground: its Ctrl-C is a signal to the command as well as to us."""
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):  # no terminal, or not the one that controls us
            return os.tcgetpgrp(descriptor) == os.getpgrp()
    return False
