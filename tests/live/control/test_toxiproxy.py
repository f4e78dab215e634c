"""The part of toxiproxy's API that there is, driven by a client library that others wrote for toxiproxy."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event as Flag
from typing import Any

import httpx
import pytest
from toxiproxy import Proxy, Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists
from websockets.exceptions import ConnectionClosedError, InvalidMessage
from websockets.sync.client import connect

from simulator.core.events import Request, Response
from simulator.core.proof import proofs
from simulator.core.recording import Service
from simulator.core.rule import Rule
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.faults.drop import DropFault
from simulator.live.control.toxiproxy import ToxiproxyServer
from simulator.live.server import Listen, ReplayServer, ws_url
from tests.conversations import agent_run, recording
from tests.live.control.controlled import start_agent

SERVICES = (
    Service(name="backend", origins=("https://api.staging",)),
    Service(name="auth", origins=("http://auth.staging:8081",)),
)
PLAYED = recording(
    *agent_run().events,
    Request(flow="8", at=0, service="auth", method="GET", target="/health"),
    Response(flow="8", at=1, status=200, body=b"auth"),
    Request(flow="7", at=0, service="auth", method="GET", target="/me"),
    Response(flow="7", at=1, status=200, body=b"me"),
    Request(flow="9", at=2, service="backend", method="GET", target="/health"),
    Response(flow="9", at=3, status=200, body=b"backend"),
    services=SERVICES,
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # the client would ask one that the environment names


@dataclass
class Staging:
    """A replay on a loop of its own, and toxiproxy's client, which blocks."""

    server: ReplayServer
    api: ToxiproxyServer
    toxiproxy: Toxiproxy
    call: Callable[[Callable[[], Any]], Any]

    @property
    def backend(self) -> Proxy:
        return self.toxiproxy.get_proxy("backend")

    def health(self, service: str = "backend") -> str:
        return httpx.get(f"{self.server.urls[service]}/health", trust_env=False).text


@contextmanager
def staging(*rules: Rule) -> Iterator[Staging]:
    started, stop, found = Flag(), asyncio.Event(), {}

    async def serve() -> None:
        settings = Settings(speed=50)
        server = ReplayServer(script=compile_script(PLAYED), rules=rules, settings=settings)
        await server.start()
        api = ToxiproxyServer(server, Listen())
        await api.start()
        found.update(server=server, api=api, loop=asyncio.get_running_loop())
        started.set()
        await stop.wait()
        await api.stop()
        await server.stop()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, serve())
        while not started.wait(0.1):
            assert not running.done(), running.exception()
        loop: asyncio.AbstractEventLoop = found["loop"]

        def call(function: Callable[[], Any]) -> Any:
            async def run() -> Any:
                return function()

            return asyncio.run_coroutine_threadsafe(run(), loop).result()

        client = Toxiproxy()
        client.update_api_consumer("127.0.0.1", int(found["api"].url.rpartition(":")[2]))
        try:
            yield Staging(found["server"], found["api"], client, call)
        finally:
            loop.call_soon_threadsafe(stop.set)
            running.result()


def test_the_recorded_services_are_the_proxies() -> None:
    with staging() as it:
        assert it.toxiproxy.running()
        assert json.loads(it.toxiproxy.version())["version"].startswith("2.")
        proxies = it.toxiproxy.proxies()
        assert list(proxies) == ["backend", "auth"]
        assert f"http://{proxies['backend'].listen}" == it.server.urls["backend"]
        assert proxies["backend"].upstream == "api.staging:443"
        assert proxies["auth"].upstream == "auth.staging:8081"
        assert proxies["auth"].enabled


def test_other_proxies_are_refused_in_its_words() -> None:
    with staging() as it:
        with pytest.raises(ProxyExists):
            it.toxiproxy.create(name="backend", upstream="api.staging:443")
        with pytest.raises(InvalidToxic, match="no proxies but the recorded services: there are backend, auth"):
            it.toxiproxy.create(name="redis", upstream="127.0.0.1:6379")
        with pytest.raises(InvalidToxic, match="a recorded service cannot be deleted"):
            it.toxiproxy.destroy(it.backend)
        known = {"name": "auth", "upstream": "auth.staging:8081", "listen": it.toxiproxy.get_proxy("auth").listen}
        assert it.toxiproxy.populate([known]) == []


def test_a_proxy_that_is_down_refuses_connections_and_comes_back() -> None:
    with staging() as it:
        assert it.health("auth") == "auth"
        with connect(ws_url(it.server.url) + "/ws") as socket_there:
            socket_there.recv()
            with it.backend.down():
                assert not it.backend.enabled
                with pytest.raises(ConnectionClosedError) as closed:
                    for _ in range(9):
                        socket_there.recv()
                assert closed.value.rcvd is None
                assert it.call(lambda: it.server.session.journal.events[-1]).kind == "reset"
                with pytest.raises(httpx.ConnectError):
                    it.health("backend")
                assert it.health("auth") == "auth"
        assert it.backend.enabled
        assert it.health("backend") == "backend"


def test_a_service_that_is_down_is_down_on_the_port_for_all_as_well() -> None:
    with staging() as it:
        auth = it.toxiproxy.get_proxy("auth")
        assert httpx.get(f"{it.server.url}/me", trust_env=False).text == "me"
        auth.disable()
        auth.disable()
        with pytest.raises(httpx.ConnectError):
            it.health("auth")
        with pytest.raises(httpx.ReadError):
            httpx.get(f"{it.server.url}/me", trust_env=False)
        assert it.health("backend") == "backend"
        assert it.toxiproxy.reset()
        assert httpx.get(f"{it.server.url}/me", trust_env=False).text == "me"
        assert it.health("auth") == "auth"


def test_latency_delays_and_is_proved() -> None:
    with staging() as it:
        it.backend.add_toxic(type="latency", attributes={"latency": 20, "jitter": 5})
        assert it.health() == "backend"
        (proof,) = it.call(lambda: proofs(it.server.session))
        assert (proof.rule, proof.fault, proof.fired) == ("toxiproxy/backend/latency_downstream", "latency", 1)
        sent = it.call(lambda: it.server.session.journal.notes("affected"))
        assert sent
        it.health("auth")
        assert it.call(lambda: proofs(it.server.session))[0].fired == 1


def test_a_toxic_is_listed_and_removed() -> None:
    with staging() as it:
        it.backend.add_toxic(
            name="slow", type="bandwidth", stream="upstream", toxicity=0.5, attributes={"rate": 8}
        )
        toxic = it.backend.get_toxic("slow")
        assert (toxic.type, toxic.stream, toxic.toxicity, toxic.attributes) == (
            "bandwidth",
            "upstream",
            0.5,
            {"rate": 8},
        )
        assert it.toxiproxy.get_proxy("auth").toxics() == {}
        assert it.backend.destroy_toxic("slow")
        assert it.backend.toxics() == {}
        with pytest.raises(NotFound, match="toxic not found"):
            it.backend.destroy_toxic("slow")


def test_a_timeout_holds_nothing_back_and_ends_with_its_links() -> None:
    with staging() as it, connect(ws_url(it.server.url) + "/ws") as there:
        assert [json.loads(there.recv())["type"] for _ in range(2)] == ["system_message", "ping"]
        it.backend.add_toxic(type="timeout", attributes={"timeout": 0})
        there.send(start_agent())
        while not it.call(lambda: it.server.session.stages[0].affected == 3):
            pass
        it.backend.destroy_toxic("timeout_downstream")
        with pytest.raises(ConnectionClosedError) as closed:
            there.recv()
        assert closed.value.rcvd is None
        assert it.health() == "backend"


@pytest.mark.parametrize(
    ("kind", "attributes", "failure"),
    [
        ("timeout", {"timeout": 20}, httpx.RemoteProtocolError),
        ("reset_peer", {"timeout": 0}, httpx.ReadError),
        ("reset_peer", {"timeout": 20}, httpx.ReadError),
        ("limit_data", {"bytes": 3}, httpx.RemoteProtocolError),
    ],
    ids=str,
)
def test_what_ends_a_link_ends_it(kind: str, attributes: dict[str, int], failure: type[Exception]) -> None:
    with staging() as it:
        it.backend.add_toxic(type=kind, attributes=attributes)
        with pytest.raises(failure):
            it.health()
        it.toxiproxy.reset()
        assert it.health() == "backend"


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_websocket_is_not_opened_through_a_reset(stream: str) -> None:
    with staging() as it:
        it.backend.add_toxic(type="reset_peer", stream=stream, attributes={"timeout": 0})
        with pytest.raises((InvalidMessage, OSError)), connect(ws_url(it.server.url) + "/ws"):
            pass


def test_slices_arrive_whole() -> None:
    with staging() as it:
        it.backend.add_toxic(type="slicer", attributes={"average_size": 2, "size_variation": 1, "delay": 100})
        assert it.health() == "backend"
        with connect(ws_url(it.server.url) + "/ws") as there:
            assert json.loads(there.recv())["type"] == "system_message"


@pytest.mark.parametrize(
    ("toxic", "said"),
    [
        (
            {"type": "slow_close", "attributes": {"delay": 1}},
            "invalid toxic type: slow_close; there are latency",
        ),
        ({"type": "latency", "stream": "sideways"}, "stream was invalid, can be either upstream or downstream"),
        ({"type": "latency", "attributes": {"latency": "soon"}}, "bad request body: latency: expected a whole"),
        ({"type": "latency", "attributes": {"latency": -1}}, "bad request body: latency: expected a whole"),
        ({"type": "slicer", "stream": "upstream"}, "slicer is for downstream"),
        ({"type": "latency", "toxicity": "often"}, "bad request body: toxicity"),
    ],
    ids=str,
)
def test_what_there_is_not_is_refused(toxic: dict[str, Any], said: str) -> None:
    with staging() as it:
        with pytest.raises(InvalidToxic, match=said):
            it.backend.add_toxic(**toxic)
        assert it.backend.toxics() == {}


def test_a_reset_leaves_the_rules_of_others() -> None:
    with staging(Rule(name="mine", fault=DropFault())) as it:
        it.backend.add_toxic(type="latency", attributes={"latency": 1})
        with pytest.raises(ProxyExists):  # what this client calls every conflict
            it.backend.add_toxic(type="latency")
        it.toxiproxy.reset()
        assert [stage.rule.name for stage in it.server.session.stages if stage.armed] == ["mine"]


def test_what_its_client_does_not_do() -> None:
    """Updates and single toxics, as the clients in Go, Ruby and Node ask for them."""
    with staging() as it, httpx.Client(base_url=it.api.url, trust_env=False) as client:
        made = client.post("/proxies/backend/toxics", json={"type": "latency", "attributes": {"latency": 7}})
        assert made.json() == {
            "attributes": {"latency": 7, "jitter": 0},
            "name": "latency_downstream",
            "type": "latency",
            "stream": "downstream",
            "toxicity": 1.0,
        }
        toxic = "/proxies/backend/toxics/latency_downstream"
        for method in ("POST", "PATCH"):
            updated = client.request(method, toxic, json={"attributes": {"jitter": 3}, "toxicity": 0.25})
            assert updated.json() == client.get(toxic).json()
            assert updated.json()["attributes"] == {"latency": 7, "jitter": 3}
            assert updated.json()["toxicity"] == 0.25
        assert client.get("/proxies/backend").json()["toxics"] == [client.get(toxic).json()]
        listen = client.get("/proxies/auth").json()["listen"]
        populated = client.post("/populate", json=[{"name": "auth", "listen": listen, "enabled": False}])
        assert (populated.status_code, populated.json()["proxies"][0]["enabled"]) == (201, False)
        moved = client.post("/proxies/backend", json={"listen": "127.0.0.1:1"})
        assert moved.json()["error"].startswith("listen of a recorded service cannot be changed")
        assert client.delete(toxic).status_code == 204
        assert client.post("/reset").status_code == 204
        for path in ("/proxies/redis", "/proxies/redis/toxics", toxic):
            found = client.get(path)
            assert found.json() == {"error": found.json()["error"], "status": 404}
        assert client.post("/proxies/backend/toxics", content=b"{").json() == {
            "error": "body: not JSON",
            "status": 400,
        }
        form = {"Content-Type": "application/x-www-form-urlencoded"}  # what curl -d says
        body = b'{"type": "latency"}'
        assert client.post("/proxies/backend/toxics", content=body, headers=form).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"User-Agent": "Mozilla/5.0"}],
    ids=str,
)
def test_web_pages_are_refused(fields: dict[str, str]) -> None:
    with staging() as it:
        found = httpx.post(f"{it.api.url}/reset", headers=fields, trust_env=False)
        assert (found.status_code, found.json()["status"]) == (403, 403)


def test_a_port_that_was_taken_meanwhile_is_told() -> None:
    with staging() as it:
        it.backend.disable()
        port = int(it.backend.listen.rpartition(":")[2])
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            taken.listen()
            found = httpx.post(f"{it.api.url}/proxies/backend", json={"enabled": True}, trust_env=False)
            assert found.status_code == 500
            assert "cannot listen" in found.json()["error"]
            assert not it.backend.enabled
