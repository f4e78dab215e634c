"""A client of staging as its users write them: check the health, log in, run one agent, watch its five events.

`python -m simulator.demo.client` prints the frames as they come and a verdict at the end. It has no fallback: what
is absent, refused or silent ends in exit code 1.
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus

import click
import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

BYPASS_KEY = "demo-bypass-key"
EMAIL = "demo-user@example.com"
USER_REQUEST = "Find out where our infrastructure spending went up last month"
EVENTS = ("agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed")
FAILURES = frozenset({"agent_error", "agent_failed"})
E2E_HEADERS = {
    "X-Test-Type": "E2E",
    "X-Test-Environment": "staging",
    "X-E2E-Test": "true",
    "X-Test-Mode": "true",
}
NO_CLOSE_FRAME = 1006
CLOSE_TIMEOUT = 1.0
"""Seconds for goodbye; a server that has stalled will not answer it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that came: its type, when (seconds since the start), and the ids that it carried."""

    type: str
    seconds: float
    thread_id: str | None
    run_id: str | None
    user_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one conversation showed.

    `verdict` is "completed"; "incomplete", when the last event came without the others; "wrong thread", when an
    event lacks the `thread_id` that was sent; "agent_error" or "agent_failed"; "timeout"; "closed CODE";
    "refused STATUS"; "unreachable"; or "broken", when an answer makes no sense. `statuses` go by path,
    `discovered` URLs by service.
    """

    verdict: str
    thread_id: str
    statuses: Mapping[str, int]
    discovered: Mapping[str, str]
    frames: tuple[Frame, ...]
    close_code: int | None
    close_reason: str | None
    error: str | None

    @property
    def ok(self) -> bool:
        """Whether all five events came, each with the thread_id that was sent."""
        return self.verdict == "completed"

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the frames, in order."""
        return tuple(frame.type for frame in self.frames)

    @property
    def thread_ids(self) -> tuple[str, ...]:
        """The distinct thread ids that came, in order."""
        return _distinct(frame.thread_id for frame in self.frames)

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The distinct run ids that came, in order."""
        return _distinct(frame.run_id for frame in self.frames)

    @property
    def user_ids(self) -> tuple[str, ...]:
        """The distinct user ids that came, in order."""
        return _distinct(frame.user_id for frame in self.frames)


def _distinct(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value is not None))


async def converse(
    backend_url: str,
    auth_url: str,
    *,
    frame_timeout: float = 3.0,
    total_timeout: float = 60.0,
    request_timeout: float = 10.0,
    bypass_key: str = BYPASS_KEY,
    email: str = EMAIL,
    user_request: str = USER_REQUEST,
    check_health: bool = True,
    on_frame: Callable[[Frame], None] | None = None,
) -> Outcome:
    """Hold one conversation and report it; what goes wrong on the wire is in the outcome and not raised.

    Times are in seconds: `frame_timeout` for each frame, `total_timeout` for all of them, `request_timeout` for
    each HTTP request and for the upgrade. Without `check_health` it goes on whatever /health says. `on_frame` is
    called with every frame as it comes.
    """
    notes = _Notes(on_frame)
    backend = backend_url.rstrip("/")
    verdict, error = "completed", None
    try:
        async with httpx.AsyncClient(timeout=request_timeout) as http:
            web = _Web(http, notes)
            if check_health:
                await web.fetch("GET", f"{backend}/health")
            account = await web.log_in(f"{auth_url.rstrip('/')}/auth/e2e/test-auth", bypass_key, email)
            await web.discover(f"{backend}/api/discovery/services")
        socket = _Socket(notes, frame_timeout, total_timeout)
        await socket.talk(f"{backend}/ws", account, user_request, request_timeout)
    except _EndedError as end:
        verdict, error = end.verdict, end.error
    return notes.outcome(verdict, error)


class _EndedError(Exception):
    """The conversation ended otherwise than completed, with a reason in one line."""

    def __init__(self, verdict: str, error: object) -> None:
        super().__init__(verdict)
        self.verdict = verdict
        self.error = " ".join(str(error).split())[:300]


@dataclass(frozen=True, slots=True)
class _Account:
    token: str
    user_id: str


class _Notes:
    """What was seen so far."""

    def __init__(self, on_frame: Callable[[Frame], None] | None) -> None:
        self.thread_id = f"pipeline_test_{uuid.uuid4().hex[:12]}"
        self.statuses: dict[str, int] = {}
        self.discovered: dict[str, str] = {}
        self.frames: list[Frame] = []
        self.close: tuple[int, str] | None = None
        self._on_frame = on_frame
        self._began = time.monotonic()

    def frame(self, raw: str | bytes) -> Frame:
        """Note a frame that has just come."""
        message = _json_object(raw)
        frame = Frame(
            type=_text(message, "type") or "(no type)",
            seconds=time.monotonic() - self._began,
            thread_id=_carried(message, "thread_id"),
            run_id=_carried(message, "run_id"),
            user_id=_carried(message, "user_id"),
        )
        self.frames.append(frame)
        if self._on_frame is not None:
            self._on_frame(frame)
        return frame

    def outcome(self, verdict: str, error: str | None) -> Outcome:
        """The report."""
        code, reason = self.close or (None, None)
        return Outcome(
            verdict=verdict,
            thread_id=self.thread_id,
            statuses=self.statuses,
            discovered=self.discovered,
            frames=tuple(self.frames),
            close_code=code,
            close_reason=reason,
            error=error,
        )


def _json_object(raw: str | bytes) -> dict[str, object]:
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _inner(source: Mapping[str, object], name: str) -> dict[str, object]:
    value = source.get(name)
    return value if isinstance(value, dict) else {}


def _text(source: Mapping[str, object], name: str) -> str | None:
    value = source.get(name)
    return value if isinstance(value, str) else None


def _carried(message: Mapping[str, object], name: str) -> str | None:
    # Staging speaks several dialects: an id is at the top or in one of these.
    places = (message, *(_inner(message, part) for part in ("data", "payload", "user_context")))
    return next(filter(None, (_text(place, name) for place in places)), None)


class _Web:
    """The HTTP part; every answer must be 200 with a JSON object."""

    def __init__(self, http: httpx.AsyncClient, notes: _Notes) -> None:
        self._http = http
        self._notes = notes

    async def fetch(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: object = None
    ) -> dict[str, object]:
        """The JSON object at the URL."""
        try:
            response = await self._http.request(method, url, headers=headers, json=body)
        except httpx.TimeoutException as error:
            raise _EndedError("timeout", f"{method} {url}: {type(error).__name__}") from error
        except httpx.ConnectError as error:
            raise _EndedError("unreachable", f"{method} {url}: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _EndedError("broken", f"{method} {url}: {error}") from error
        self._notes.statuses[response.url.path] = response.status_code
        if response.status_code != HTTPStatus.OK:
            raise _EndedError(f"refused {response.status_code}", f"{method} {url}: {response.text}")
        return _json_object(response.content)

    async def log_in(self, url: str, bypass_key: str, email: str) -> _Account:
        """The account that the auth service makes for a test user."""
        body = {"email": email, "name": "Demo User", "permissions": ["read", "write"], "simulate_oauth": True}
        answer = await self.fetch("POST", url, {"X-E2E-Bypass-Key": bypass_key, **E2E_HEADERS}, body)
        token, user_id = _text(answer, "access_token"), _text(_inner(answer, "user"), "id")
        if token is None or user_id is None:
            raise _EndedError("broken", f"POST {url}: no access_token or no user.id in the answer")
        return _Account(token, user_id)

    async def discover(self, url: str) -> None:
        """Note where the services say they are; the conversation stays with the URLs it was given."""
        services = _inner(await self.fetch("GET", url), "services")
        for name in services:
            self._notes.discovered[name] = _text(_inner(services, name), "url") or ""
        if not services:
            raise _EndedError("broken", f"GET {url}: no services in the answer")


class _Socket:
    """The WebSocket part."""

    def __init__(self, notes: _Notes, frame_timeout: float, total_timeout: float) -> None:
        self._notes = notes
        self._frame_timeout = frame_timeout
        self._total_timeout = total_timeout

    async def talk(self, url: str, account: _Account, user_request: str, open_timeout: float) -> None:
        """Connect, ask, and watch until the run has ended; raises `_EndedError` unless it completed."""
        path = httpx.URL(url).path
        headers = {"Authorization": f"Bearer {account.token}", **E2E_HEADERS}
        address = url.replace("http", "ws", 1)
        try:
            async with connect(
                address, additional_headers=headers, open_timeout=open_timeout, close_timeout=CLOSE_TIMEOUT
            ) as connection:
                self._notes.statuses[path] = HTTPStatus.SWITCHING_PROTOCOLS
                # A server that has closed by now may have said why: what it said is still to be read.
                with suppress(ConnectionClosed):
                    await connection.send(json.dumps(self._start_agent(account, user_request)))
                await self._watch(connection)
        except InvalidStatus as error:
            status = error.response.status_code
            self._notes.statuses[path] = status
            raise _EndedError(f"refused {status}", f"{address}: {error}") from error
        except ConnectionClosed as error:
            code, reason = (error.rcvd.code, error.rcvd.reason) if error.rcvd else (NO_CLOSE_FRAME, "")
            self._notes.close = (code, reason)
            raise _EndedError(f"closed {code}", error) from error
        except TimeoutError as error:
            raise _EndedError("timeout", f"{address}: no upgrade within {open_timeout:g} s") from error
        except OSError as error:
            raise _EndedError("unreachable", f"{address}: {error}") from error
        except WebSocketException as error:
            raise _EndedError("broken", f"{address}: {error}") from error

    def _start_agent(self, account: _Account, user_request: str) -> dict[str, object]:
        return {
            "type": "start_agent",
            "payload": {"user_request": user_request, "user_id": account.user_id},
            "thread_id": self._notes.thread_id,
            "timestamp": time.time(),
        }

    async def _watch(self, connection: ClientConnection) -> None:
        try:
            async with asyncio.timeout(self._total_timeout):
                kind = ""
                while kind != EVENTS[-1] and kind not in FAILURES:
                    kind = (await self._next(connection)).type
        except TimeoutError as error:
            raise _EndedError("timeout", f"no end of the run within {self._total_timeout:g} s") from error
        self._judge(kind)

    async def _next(self, connection: ClientConnection) -> Frame:
        try:
            async with asyncio.timeout(self._frame_timeout):
                return self._notes.frame(await connection.recv())
        except TimeoutError as error:
            raise _EndedError("timeout", f"no frame for {self._frame_timeout:g} s") from error

    def _judge(self, last: str) -> None:
        events = [frame for frame in self._notes.frames if frame.type in EVENTS]
        missing = set(EVENTS) - {frame.type for frame in events}
        if last in FAILURES:
            raise _EndedError(last, f"the run ended with {last}")
        if missing:
            raise _EndedError("incomplete", f"no {', '.join(name for name in EVENTS if name in missing)}")
        strangers = [frame.type for frame in events if frame.thread_id != self._notes.thread_id]
        if strangers:
            raise _EndedError("wrong thread", f"{', '.join(strangers)} without thread_id {self._notes.thread_id}")


def as_json(outcome: Outcome) -> str:
    """The outcome as one line of JSON, with the ids that were seen."""
    seen = {"thread_ids": outcome.thread_ids, "run_ids": outcome.run_ids, "user_ids": outcome.user_ids}
    return json.dumps({**asdict(outcome), "seen": seen})


def _show(frame: Frame) -> None:
    ids = {"thread": frame.thread_id, "run": frame.run_id}
    seen = "".join(f"  {name}={value}" for name, value in ids.items() if value)
    click.echo(f"{frame.seconds:8.3f} s  {frame.type}{seen}")


@click.command()
@click.option("--backend-url", envvar=["STAGESIM_BACKEND_URL", "STAGESIM_URL"], required=True, show_envvar=True)
@click.option("--auth-url", envvar=["STAGESIM_AUTH_URL", "STAGESIM_URL"], required=True, show_envvar=True)
@click.option("--frame-timeout", default=3.0, show_default=True, help="Seconds to wait for each frame.")
@click.option("--total-timeout", default=60.0, show_default=True, help="Seconds to wait for the end of the run.")
@click.option("--user-request", default=USER_REQUEST, show_default=True, help="What to ask the agent.")
@click.option("--email", default=EMAIL, show_default=True, help="The test user to be.")
@click.option("--bypass-key", default=BYPASS_KEY, show_default=True, help="Key of the test login.")
@click.option("--json", "for_machines", is_flag=True, help="One JSON object at the end instead of lines.")
def main(
    backend_url: str,
    auth_url: str,
    frame_timeout: float,
    total_timeout: float,
    user_request: str,
    email: str,
    bypass_key: str,
    for_machines: bool,
) -> None:
    """Run one agent on staging; exit code 0 only if all five of its events came, on the thread that was sent."""
    outcome = asyncio.run(
        converse(
            backend_url,
            auth_url,
            frame_timeout=frame_timeout,
            total_timeout=total_timeout,
            user_request=user_request,
            email=email,
            bypass_key=bypass_key,
            on_frame=None if for_machines else _show,
        )
    )
    if for_machines:
        click.echo(as_json(outcome))
    else:
        click.echo(f"verdict: {outcome.verdict}" + (f" ({outcome.error})" if outcome.error else ""))
    sys.exit(0 if outcome.ok else 1)


if __name__ == "__main__":
    main()
