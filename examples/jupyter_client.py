"""A client of Jupyter Server: start a kernel, run a few cells on it, read what they show, shut it down.

`python examples/jupyter_client.py [URL]` speaks the plain HTTP and WebSocket API, with httpx and websockets. It
makes a session id and message ids of its own, counts as an answer only what names one of them as its parent, and
has no fallback: what is absent, refused, silent or somebody else's ends in exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

CELLS = ("print('hello from', 6 * 7)", "[n * n for n in range(5)]", "1 / 0")
TOKEN_VARIABLE = "JUPYTER_TOKEN"  # noqa: S105 - the name of the variable that holds it
CLOSE_TIMEOUT = 1.0
"""Seconds for goodbye; a server that has stalled will not answer it."""
NO_CLOSE_FRAME = 1006

Json = dict[str, Any]


@dataclass(slots=True)
class Cell:
    """One execute_request and what came back for it; `messages` names everything in the order of arrival."""

    msg_id: str
    code: str
    outputs: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        """Whether the kernel has replied and is idle again: the two come over different channels, in any order."""
        return "execute_reply" in self.messages and "idle" in self.messages

    def take(self, message: Json) -> None:
        """Note a message that answers this cell."""
        kind, content = message["header"]["msg_type"], message["content"]
        self.messages.append(content["execution_state"] if kind == "status" else kind)
        if kind == "stream":
            self.outputs += [f"{content['name']}: {line}" for line in content["text"].splitlines()]
        elif kind == "execute_result":
            self.outputs.append(f"result: {content['data']['text/plain']}")
        elif kind == "error":
            self.outputs.append(f"error: {content['ename']}: {content['evalue']}")


@dataclass(slots=True)
class Outcome:
    """What one conversation showed.

    `verdict` is "complete"; "timeout"; "closed CODE REASON", 1006 without a close frame; "refused STATUS"; "not
    ours", when an answer names a parent that this client never sent; or "unreachable". `seen` are the ids of the
    messages that came, `others` counts messages with a parent of nobody's or of the server's own, as are sent
    while a kernel starts.
    """

    session: str
    verdict: str = "complete"
    kernel: str | None = None
    cells: list[Cell] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    others: int = 0
    shutdown: str | None = None

    @property
    def ok(self) -> bool:
        return self.verdict == "complete" and self.shutdown == "204"


class _EndedError(Exception):
    """The conversation ended otherwise than complete; the text is the verdict."""


async def converse(
    url: str, token: str, codes: Iterable[str] = CELLS, *, receive_timeout: float = 30.0
) -> Outcome:
    """Hold one conversation. What goes wrong is the verdict, and the kernel is shut down in any case."""
    outcome = Outcome(session=str(uuid.uuid4()))
    credentials = {"Authorization": f"token {token}"} if token else {}
    async with httpx.AsyncClient(base_url=url, headers=credentials, timeout=receive_timeout) as http:
        try:
            started = await http.post("/api/kernels", json={"name": "python3"})
            if started.status_code != httpx.codes.CREATED:
                raise _EndedError(f"refused {started.status_code}")
            outcome.kernel = started.json()["id"]
            await _run_cells(url, credentials, codes, outcome, receive_timeout)
        except _EndedError as end:
            outcome.verdict = str(end)
        except httpx.TimeoutException:
            outcome.verdict = "timeout"
        except (httpx.HTTPError, OSError) as error:
            outcome.verdict = f"unreachable: {error!r}"
        if outcome.kernel is not None:
            outcome.shutdown = await _shut_down(http, outcome.kernel)
    return outcome


async def _shut_down(http: httpx.AsyncClient, kernel: str) -> str:
    try:
        return str((await http.delete(f"/api/kernels/{kernel}")).status_code)
    except httpx.HTTPError as error:
        return repr(error)


async def _run_cells(
    url: str, credentials: Mapping[str, str], codes: Iterable[str], outcome: Outcome, receive_timeout: float
) -> None:
    channels = f"ws{url.removeprefix('http')}/api/kernels/{outcome.kernel}/channels?session_id={outcome.session}"
    try:
        async with connect(
            channels, additional_headers=credentials, open_timeout=receive_timeout, close_timeout=CLOSE_TIMEOUT
        ) as socket:
            for code in codes:
                cell = Cell(msg_id=uuid.uuid4().hex, code=code)
                outcome.cells.append(cell)
                await socket.send(json.dumps(_execute_request(cell, outcome.session)))
                while not cell.answered:
                    _sort_in(await _received(socket, receive_timeout), outcome)
    except ConnectionClosed as closed:
        said = f"{closed.rcvd.code:d} {closed.rcvd.reason}" if closed.rcvd else str(NO_CLOSE_FRAME)
        raise _EndedError(f"closed {said}".strip()) from closed
    except InvalidHandshake as refused:
        status = getattr(getattr(refused, "response", None), "status_code", refused)
        raise _EndedError(f"refused {status}") from refused
    except TimeoutError as late:
        raise _EndedError("timeout") from late


def _execute_request(cell: Cell, session: str) -> Json:
    """The request as the messaging protocol describes it (jupyter-client.readthedocs.io, messaging 5.3)."""
    header = {
        "msg_id": cell.msg_id,
        "msg_type": "execute_request",
        "session": session,
        "username": "example",
        "date": datetime.now(UTC).isoformat(),
        "version": "5.3",
    }
    content = {
        "code": cell.code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }


async def _received(socket: ClientConnection, receive_timeout: float) -> Json:
    async with asyncio.timeout(receive_timeout):
        message: Json = json.loads(await socket.recv())
    return message


def _sort_in(message: Json, outcome: Outcome) -> None:
    """Give a message to the cell that it answers."""
    header, parent = message["header"], message["parent_header"]
    outcome.seen.append(header["msg_id"])
    mine = next((cell for cell in outcome.cells if cell.msg_id == parent.get("msg_id")), None)
    if mine is not None:
        if parent.get("session") != outcome.session:
            raise _EndedError(f"not ours: {header['msg_type']} for session {parent.get('session')}")
        mine.take(message)
    elif header["msg_type"] in ("status", "iopub_welcome"):
        outcome.others += 1
    else:
        raise _EndedError(f"not ours: {header['msg_type']} for {parent.get('msg_id')}")


def _lines(outcome: Outcome) -> Iterable[str]:
    yield f"session {outcome.session}, kernel {outcome.kernel}"
    for number, cell in enumerate(outcome.cells, 1):
        yield f"[{number}] {cell.code}"
        yield from (f"    {output}" for output in cell.outputs)
        yield f"    {cell.msg_id}: {' '.join(cell.messages) or 'nothing'}"
    yield f"shutdown {outcome.shutdown}"
    yield f"{'OK' if outcome.ok else 'FAILED'}: {outcome.verdict}"


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Run a few cells on a Jupyter Server.")
    where = os.environ.get("STAGESIM_JUPYTER_URL") or os.environ.get("STAGESIM_URL")
    parser.add_argument("url", nargs="?", default=where, help="default: $STAGESIM_JUPYTER_URL or $STAGESIM_URL")
    parser.add_argument("--receive-timeout", type=float, default=30.0, metavar="SECONDS", help="for each message")
    parser.add_argument("--json", action="store_true", help="the outcome as JSON, for programs")
    options = parser.parse_args()
    if options.url is None:
        parser.error("no URL given, and neither STAGESIM_JUPYTER_URL nor STAGESIM_URL is set")
    token = os.environ.get(TOKEN_VARIABLE, "")
    outcome = asyncio.run(converse(options.url.rstrip("/"), token, receive_timeout=options.receive_timeout))
    text = json.dumps(asdict(outcome)) if options.json else "\n".join(_lines(outcome))
    sys.stdout.write(text + "\n")
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main())
