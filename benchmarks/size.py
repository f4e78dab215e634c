"""Size: recordings of a million messages, checked, shown and replayed; `python -m benchmarks.size`.

Every command runs in a process of its own, whose peak memory and time are what the operating system says.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import IO, Final

import click
from websockets.asyncio.client import connect

from simulator.core.events import Direction, Message
from simulator.files.reader import open_recording

CREATED: Final = "2025-09-09T06:40:00.000000+00:00"
_STARTED: Final = 1_757_400_000
_WORDS: Final = "the of costs cut by tenth this quarter vendor renewal and storage tier savings report".split()
_TURN: Final = 100
"""How many messages a client's question and the server's answers are together."""


def write(path: Path, messages: int, per_flow: int) -> None:
    """A recording of so many messages, so many on each WebSocket: questions, each answered in many pieces.

    Each question has an id of the client's, each answer one of the server's and a time; 200 bytes a line.
    """
    rng = Random(7)
    with path.open("w", encoding="utf-8") as out:
        header = {"stagesim": 1, "title": "size", "created": CREATED, "services": {"api": ["https://api.example"]}}
        out.write(json.dumps(header) + "\n")
        flow, at = 0, 0.0
        for number in range(messages):
            if number % per_flow == 0:
                flow += 1
                out.write(_opening(str(flow), at))
            if number % per_flow % _TURN == 0:
                question = _id(rng)
                said = {"type": "question", "request_id": question, "number": number, "text": _text(rng)}
            else:
                piece = {"request_id": question, "message_id": _id(rng), "time": _STARTED + at, "text": _text(rng)}
                said = {"type": "piece", **piece}
            sender = "client" if said["type"] == "question" else "server"
            at = round(at + 0.001, 6)
            line = {"at": at, "flow": str(flow), "kind": "message", "from": sender, "json": said}
            out.write(json.dumps(line) + "\n")


def _opening(flow: str, at: float) -> str:
    upgrade = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
    place = {"at": at, "flow": flow}
    request = {"kind": "request", "service": "api", "method": "GET", "target": "/chat", "headers": upgrade}
    response = {"kind": "response", "status": 101, "reason": "Switching Protocols", "headers": upgrade}
    return "".join(json.dumps(place | line) + "\n" for line in (request, response))


def _id(rng: Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _text(rng: Random) -> str:
    return " ".join(rng.choices(_WORDS, k=6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a command took: seconds on the clock and of the processor, and the most memory, in MB."""

    seconds: float
    cpu: float
    memory: float

    def __str__(self) -> str:
        return f"{self.cpu:.1f} s, {self.memory:.0f} MB"


def cost(process: subprocess.Popen[str], began: float) -> Cost:
    """Wait for the end of a process and say what it took. Raises RuntimeError if it failed."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{process.args} ended with {process.returncode}")
    seconds = time.monotonic() - began
    return Cost(seconds=seconds, cpu=used.ru_utime + used.ru_stime, memory=used.ru_maxrss / 1024)


def started(words: tuple[str, ...], env: Mapping[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulator", *words]
    return subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)  # noqa: S603


def printed(process: subprocess.Popen[str]) -> IO[str]:
    if process.stdout is None:
        raise TypeError("a process without a pipe")
    return process.stdout


def command(env: Mapping[str, str], *words: str) -> Cost:
    """What a command takes whose output is thrown away."""
    began, process = time.monotonic(), started(words, env)
    with printed(process) as lines:
        for _ in lines:
            pass
    return cost(process, began)


def replay(env: Mapping[str, str], path: Path, messages: int) -> tuple[float, Cost]:
    """Seconds until a replay listens, and what it took to play the first messages to a client."""
    began = time.monotonic()
    process = started(("replay", str(path), "--speed", "max", "--seed", "1"), env)
    with printed(process) as lines:
        url = next(line for line in lines if line.startswith("listening on ")).split()[-1]
        opened = time.monotonic() - began
        asyncio.run(converse(url.replace("http://", "ws://") + "/chat", path, messages))
        process.terminate()
    return opened, cost(process, began)


async def converse(url: str, path: Path, messages: int) -> None:
    """Say what the recorded client said and wait for as many answers as it got. Raises if one is another."""
    with open_recording(path, print) as opened:
        async with connect(url, compression=None, max_queue=None) as socket:
            recorded = (entry for entry in opened.entries if isinstance(entry, Message))
            for entry in islice(recorded, messages):
                if entry.direction is Direction.UPSTREAM:
                    await socket.send(entry.data)
                else:
                    came, said = json.loads(await asyncio.wait_for(socket.recv(), 120)), json.loads(entry.data)
                    if (came["text"], came["request_id"]) != (said["text"], said["request_id"]):
                        raise RuntimeError(f"expected {said}, got {came}")


def measure(folder: Path, messages: int, per_flow: int) -> list[tuple[str, str]]:
    """Every figure of one recording; `folder` is for it and its index."""
    path = folder / f"{messages}-{per_flow}.jsonl"
    write(path, messages, per_flow)
    env = {"XDG_CACHE_HOME": str(folder / "cache")}
    found = [
        (
            "a recording (and one a hundredth as long)",
            f"{messages:,} messages on {_sockets(-(-messages // per_flow))}, {_size(path)}",
        )
    ]
    found.append(
        (
            "`show --grep`: processor time, peak memory",
            str(command(env, "show", str(path), "--grep", '"number": 4200\\b')),
        )
    )
    opened, first = replay(env, path, 1)
    found.append(
        ("open it for the first time: until it is served, peak memory", f"{opened:.1f} s, {first.memory:.0f} MB")
    )
    opened, again = replay(env, path, 1)
    found.append(("open it again: until it is served, peak memory", f"{opened:.1f} s, {again.memory:.0f} MB"))
    _, playing = replay(env, path, messages)
    found.append(("replay all of it to a client: processor time, peak memory", str(playing)))
    found.append(("`check` it then: processor time, peak memory", str(command(env, "check", str(path)))))
    return found


def _sockets(count: int) -> str:
    return "one WebSocket" if count == 1 else f"{count:,} WebSockets"


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.0f} MB"


def figures(messages: int = 1_000_000, per_flow: int = 1_000_000) -> list[tuple[str, str]]:
    """The figures of a large recording, and beside each that of one a hundredth as long."""
    with tempfile.TemporaryDirectory() as folder:
        small = measure(Path(folder), messages // 100, max(1, per_flow // 100))
        large = measure(Path(folder), messages, per_flow)
    return [(what, f"{value} ({less})") for (what, value), (_, less) in zip(large, small, strict=True)]


@click.command()
@click.option("--messages", default=1_000_000, show_default=True)
@click.option("--flows", default=1, show_default=True)
def main(messages: int, flows: int) -> None:
    """Measure a recording of so many messages, and one a hundredth as long."""
    for what, value in figures(messages, -(-messages // flows)):
        click.echo(f"{what:60} {value}")


if __name__ == "__main__":
    main()
