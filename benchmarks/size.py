"""Size: recordings of a million messages, checked, shown and replayed; `python -m benchmarks.size`."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from random import Random
from typing import Final

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
