"""Who is let in, and how the others are told: real requests, some of them written by hand."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping

import pytest

from simulator.core.errors import StagesimError
from simulator.core.script import compile_script
from simulator.live.control.guard import MAX_BODY, is_loopback
from simulator.live.control.server import ControlServer
from simulator.live.control.toxiproxy import ToxiproxyServer
from simulator.live.server import Listen, ReplayServer
from tests.conversations import agent_run
from tests.live.control.controlled import Controlled, controlled


async def raw(port: int, request: bytes) -> tuple[int, dict[str, str], dict[str, object]]:
    """Send some bytes; status, header fields and body of what is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(fields["content-length"]))
    writer.close()
    return int(head[0].split()[1]), fields, json.loads(body)


def port_of(it: Controlled) -> int:
    return int(it.control.origin.rpartition(":")[2])


def get(fields: Mapping[str, str], path: str = "/v1/version") -> bytes:
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer wrong", "Basic {token}", "Bearer {token}x", "é"]
)
def test_without_the_token_nothing_is_done(authorization: str | None) -> None:
    async def talk() -> None:
        async with controlled() as it:
            fields = {"Host": f"127.0.0.1:{port_of(it)}"}
            if authorization is not None:
                fields["Authorization"] = authorization.format(token=it.control.token)
            status, head, body = await raw(port_of(it), get(fields))
            assert (status, head["www-authenticate"]) == (401, "bearer")
            assert body["place"] == "Authorization"

    asyncio.run(talk())


def test_every_path_wants_the_token() -> None:
    async def talk() -> None:
        async with controlled() as it:
            it.client.headers.pop("Authorization")
            for method, path in (("GET", "/"), ("GET", "/v1/openapi.json"), ("POST", "/v1/reset"), ("PUT", "/x")):
                await it.ask(method, path, status=401)

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST:{port}", 403),
        ("[::1]:{port}", 200),
        ("127.0.0.1", 403),
        ("127.0.0.1:1", 403),
        ("evil.example:{port}", 403),
        ("evil@127.0.0.1:{port}", 403),
        ("127.0.0.1.evil.example:{port}", 403),
        ("10.0.0.1:{port}", 403),
        ("", 403),
    ],
)
def test_the_host_is_our_own_loopback_address(host: str, status: int) -> None:
    async def talk() -> None:
        async with controlled() as it:
            authorization = f"Bearer {it.control.token}"
            fields = {"Host": host.format(port=port_of(it)), "Authorization": authorization}
            found, _, body = await raw(port_of(it), get(fields))
            assert found == status, body

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:{port}", 200),
        ("http://localhost:{port}", 200),
        ("https://127.0.0.1:{port}", 403),
        ("http://127.0.0.1:1", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_pages_of_others_are_refused_even_with_the_token(origin: str, status: int) -> None:
    async def talk() -> None:
        async with controlled() as it:
            response = await it.client.get("/v1/version", headers={"Origin": origin.format(port=port_of(it))})
            assert response.status_code == status
            preflight = await it.client.options("/v1/rules", headers={"Origin": "https://evil.example"})
            assert preflight.status_code == 403
            assert "access-control-allow-origin" not in preflight.headers

    asyncio.run(talk())


def test_two_hosts_are_one_too_many() -> None:
    async def talk() -> None:
        async with controlled() as it:
            host = f"Host: 127.0.0.1:{port_of(it)}\r\n"
            request = f"GET /v1/version HTTP/1.1\r\n{host}{host}Authorization: Bearer {it.control.token}\r\n\r\n"
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(it))
            writer.write(request.encode())
            assert (await reader.readline()).split()[1] in (b"400", b"403")
            writer.close()

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("content", "kind", "status", "problem"),
    [
        (b"{}", "text/plain", 415, "expected application/json, got text/plain"),
        (b"fault=close", "application/x-www-form-urlencoded", 415, "expected application/json"),
        (b'{"fault": "stall"}', "application/json; charset=utf-8", 201, None),
        (b"{", "application/json", 400, "not JSON"),
        (b"\xff\xfe", "application/json", 400, "not JSON"),
        (b'{"a": NaN}', "application/json", 400, "not JSON"),
        (b"[" * 200_000, "application/json", 400, "not JSON"),
        (b'"' + b"x" * MAX_BODY + b'"', "application/json", 413, "too large"),
        (b"null", "application/json", 422, "expected a JSON object"),
        (b"", "application/json", 422, "expected a JSON object"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_is_json_of_a_bounded_size(content: bytes, kind: str, status: int, problem: str | None) -> None:
    async def talk() -> None:
        async with controlled() as it:
            response = await it.client.post("/v1/rules", content=content, headers={"Content-Type": kind})
            assert response.status_code == status, response.text
            if problem is not None:
                assert problem in response.json()["problem"]

    asyncio.run(talk())


def test_what_is_not_there_is_json_too() -> None:
    async def talk() -> None:
        async with controlled() as it:
            assert (await it.ask("GET", "/v2/rules", status=404))["error"] == "/v2/rules: not found"
            response = await it.client.put("/v1/rules", json={})
            assert (response.status_code, response.headers["Allow"]) == (405, "GET,POST")
            found = await it.ask("GET", "/v1/journal?limit=0", status=422)
            assert found["place"] == "limit"
            found = await it.ask("GET", "/v1/journal?from=0", status=422)
            assert (found["place"], found["problem"]) == ("from", "not known here")

    asyncio.run(talk())


def test_a_mistake_of_ours_says_nothing_of_the_inside(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from simulator.live.control.operations import Operations

    def broken(self: Operations) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(Operations, "rules", broken)

    async def talk() -> None:
        async with controlled() as it:
            response = await it.client.get("/v1/rules")
            assert response.status_code == 500
            assert "inside" not in response.text

    with caplog.at_level(logging.ERROR):
        asyncio.run(talk())
    assert "the inside" in caplog.text


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "example.com", "::"])  # noqa: S104
def test_nobody_else_can_connect(host: str) -> None:
    async def talk() -> None:
        server = ReplayServer(script=compile_script(agent_run()))
        await server.start()
        try:
            with pytest.raises(StagesimError, match="expected a loopback address"):
                await ControlServer(server, listen=Listen(host=host)).start()
            with pytest.raises(StagesimError, match="expected a loopback address"):
                await ToxiproxyServer(server, Listen(host=host)).start()
        finally:
            await server.stop()

    asyncio.run(talk())


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]")))
    assert not any(map(is_loopback, ("", "127.0.0.1.example", "localhost.example", "::", "8.8.8.8")))


def test_a_port_in_use_is_one_line() -> None:
    async def talk() -> None:
        async with controlled() as it:
            listen = Listen(port=port_of(it))
            with pytest.raises(
                StagesimError, match=r"cannot listen: .* \(--control 127.0.0.1:0 takes a free port\)"
            ):
                await ControlServer(it.server, listen=listen).start()

    asyncio.run(talk())
