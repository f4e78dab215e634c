"""A tour of staging: every endpoint once, logged in, and then one agent run, whatever the health says.

It is what the golden path was recorded from, and what compares a replay with the real thing.
`python -m simulator.demo.tour` prints what it saw.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click
import httpx

from simulator.demo.client import BYPASS_KEY, E2E_HEADERS, EMAIL, Outcome, as_json, converse

BACKEND_PATHS = ("/health", "/health/database", "/health/ready", "/api/mcp/servers")
AUTH_PATHS = ("/auth/health",)
FRONTEND_PATHS = ("/", "/health")
NO_ANSWER: tuple[int, tuple[str, ...]] = (0, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Tour:
    """What was seen: status and JSON fields of each answer by 'service path', and the agent run."""

    answers: Mapping[str, tuple[int, tuple[str, ...]]]
    outcome: Outcome


async def tour(
    backend: str,
    auth: str,
    frontend: str,
    *,
    frame_timeout: float = 3.0,
    request_timeout: float = 10.0,
    also: Sequence[str] = (),
) -> Tour:
    """Visit everything, and other paths of the backend `also`; times are in seconds.

    A status of 0 is no answer in time. Raises httpx.HTTPError where a service is not there at all.
    """
    answers: dict[str, tuple[int, tuple[str, ...]]] = {}
    async with httpx.AsyncClient(timeout=request_timeout) as http:

        async def visit(service: str, url: str, path: str, headers: Mapping[str, str] | None = None) -> None:
            try:
                answers[f"{service} {path}"] = _seen(await http.get(url + path, headers=headers))
            except httpx.TimeoutException:
                answers[f"{service} {path}"] = NO_ANSWER

        for path in (*BACKEND_PATHS, *also):
            await visit("backend", backend, path)
        for path in AUTH_PATHS:
            await visit("auth", auth, path)
        for path in FRONTEND_PATHS:
            await visit("frontend", frontend, path)
        await visit("backend", backend, "/api/threads", {"Authorization": f"Bearer {await _token(http, auth)}"})
    outcome = await converse(
        backend, auth, frame_timeout=frame_timeout, request_timeout=request_timeout, check_health=False
    )
    return Tour(answers=answers, outcome=outcome)


async def _token(http: httpx.AsyncClient, auth: str) -> str:
    body = {"email": EMAIL, "name": "Demo User", "permissions": ["read", "write"], "simulate_oauth": True}
    headers = {"X-E2E-Bypass-Key": BYPASS_KEY, **E2E_HEADERS}
    response = await http.post(f"{auth}/auth/e2e/test-auth", headers=headers, json=body)
    return str(response.json().get("access_token", "none"))


def _seen(response: httpx.Response) -> tuple[int, tuple[str, ...]]:
    try:
        body = response.json()
    except ValueError:
        return response.status_code, ()
    return response.status_code, tuple(sorted(body)) if isinstance(body, dict) else ()


@click.command()
@click.option("--backend-url", envvar="STAGESIM_BACKEND_URL", required=True, show_envvar=True)
@click.option("--auth-url", envvar="STAGESIM_AUTH_URL", required=True, show_envvar=True)
@click.option("--frontend-url", envvar="STAGESIM_FRONTEND_URL", required=True, show_envvar=True)
def main(backend_url: str, auth_url: str, frontend_url: str) -> None:
    """Visit every endpoint of staging once, then run an agent; print what was seen as JSON lines."""
    seen = asyncio.run(tour(backend_url, auth_url, frontend_url))
    for place, (status, fields) in seen.answers.items():
        click.echo(json.dumps({"at": place, "status": status, "fields": fields}))
    click.echo(as_json(seen.outcome))


if __name__ == "__main__":
    main()
