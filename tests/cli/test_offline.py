"""`run --offline` and `--tls` as commands meet them: unmodified clients, and URLs of a staging that is gone."""

from __future__ import annotations

import functools
import json
import shutil
import signal
import ssl
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
import websockets

from simulator.cli import main
from tests.cli.commands import ENVIRONMENT, ROOT, STAGESIM, serving, stagesim

OFFLINE = ("run", "golden-path", "--speed", "max", "--offline", "--host", "api.staging.example=backend")

CLIENTS = """
import asyncio, json, aiohttp, httpx, requests, websocket
from urllib.request import urlopen
from websockets.asyncio.client import connect
from websockets.sync.client import connect as connect_sync

HTTPS, WSS = "https://api.staging.example", "wss://api.staging.example/ws"

async def by_aiohttp():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.get(HTTPS + "/health") as response:
            yield await response.json()
        async with session.ws_connect(WSS) as socket:
            yield await socket.receive_json()

async def by_websockets():
    async with connect(WSS) as socket:
        yield json.loads(await socket.recv())

async def all_of(items):
    return [item async for item in items]

found = {
    "httpx": [httpx.get(HTTPS + "/health").json(), httpx.get("http://api.staging.example/health").json()],
    "requests": [requests.get(HTTPS + "/health").json()],
    "urllib": [json.load(urlopen(HTTPS + "/health"))],
    "aiohttp": asyncio.run(all_of(by_aiohttp())),
    "websockets": asyncio.run(all_of(by_websockets())),
}
with connect_sync(WSS) as socket:
    found["websockets sync"] = [json.loads(socket.recv())]
socket = websocket.create_connection(WSS)
found["websocket-client"] = [json.loads(socket.recv())]
socket.close()
print(json.dumps({name: [item.get("status") or item["type"] for item in items] for name, items in found.items()}))
"""

NODE = """
const health = 'https://api.staging.example/health'
const said = {}
async function main() {
  said.fetch = (await (await fetch(health)).json()).status
  said.plain = (await (await fetch('http://api.staging.example/health')).json()).status
  said.https = await new Promise((done, failed) => require('https').get(health, response => {
    let text = ''
    response.on('data', data => { text += data }).on('end', () => done(JSON.parse(text).status))
  }).on('error', failed))
  said.stranger = await fetch('https://other.example/').then(() => 'answered', error => error.cause.message)
  console.log(JSON.stringify(said))
}
main()
"""

WITHOUT_A_ROUTE = """
import fcntl, os, socket, struct, sys
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x8 | 0x40))  # SIOCSIFFLAGS: up
os.execvp(sys.argv[1], sys.argv[1:])
"""


@functools.cache
def namespaces() -> bool:
    """Whether this user may have a network namespace of its own, in which there is loopback and nothing else."""
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-rn", sys.executable, "-c", WITHOUT_A_ROUTE, "true"]
    return subprocess.run(probe, capture_output=True, check=False, timeout=30).returncode == 0


@pytest.mark.skipif(
    int(websockets.__version__.partition(".")[0]) < 15,
    reason="websockets knows proxies from 15 on",
)
def test_unmodified_clients_find_their_staging_in_the_recording() -> None:
    done = stagesim(*OFFLINE, "--", sys.executable, "-c", CLIENTS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "httpx": ["healthy", "healthy"],
        "requests": ["healthy"],
        "urllib": ["healthy"],
        "aiohttp": ["healthy", "handshake_validation"],
        "websockets": ["handshake_validation"],
        "websockets sync": ["handshake_validation"],
        "websocket-client": ["handshake_validation"],
    }
    assert "not in the recording" not in done.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
def test_node_does_too() -> None:
    done = stagesim(*OFFLINE, "--", "node", "-e", NODE)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "unrecognized name" in said.pop("stranger")
    assert said == {"fetch": "healthy", "plain": "healthy", "https": "healthy"}
    assert "other.example is not in the recording" in done.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
def test_node_finds_a_staging_that_was_on_this_machine_and_no_other_server_here() -> None:
    """The recording's own addresses are on loopback: what listens there today is not it."""
    services = json.loads((ROOT / "recordings" / "golden-path.jsonl").read_text().partition("\n")[0])["services"]
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as local:
        urls = [services["backend"][0], f"http://127.0.0.1:{local.server_port}"]
        probe = (
            f"const urls = [process.env.STAGESIM_URL, ...{json.dumps(urls)}].map(url => url + '/health')\n"
            "Promise.all(urls.map(url => fetch(url).then(answer => answer.status)))"
            ".then(all => console.log(JSON.stringify(all)))"
        )
        done = stagesim("run", "golden-path", "--speed", "max", "--offline", "--", "node", "-e", probe)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [200, 200, 502]
    assert f"127.0.0.1:{local.server_port} is not in the recording" in done.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_a_stranger_is_refused_to_curl_and_said_at_the_end() -> None:
    words = ["curl", "-sS", "https://api.staging.example/health", "https://other.example/health"]
    done = stagesim(*OFFLINE, "--", *words)
    assert done.returncode == 56  # curl's own, for a proxy's refusal
    assert json.loads(done.stdout)["status"] == "healthy"
    assert "stagesim: other.example:443 is not in the recording, which has api.staging.example, " in done.stderr
    assert "not in the recording: 1" in done.stderr
    assert "host other.example:443" in done.stderr


@pytest.mark.skipif(not namespaces(), reason="no network namespace can be made here")
def test_nothing_leaves_the_machine() -> None:
    """Where there is no route to anywhere, everything works as it does elsewhere."""
    probe = (
        "import httpx; print(httpx.get('https://api.staging.example/health').json()['status'])\n"
        "try: httpx.get('https://other.example/')\n"
        "except httpx.ProxyError as error: print(error)"
    )
    words = ["unshare", "-rn", sys.executable, "-c", WITHOUT_A_ROUTE, *STAGESIM, *OFFLINE]
    done = subprocess.run(
        [*words, "--", sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        timeout=60,
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "healthy"
    assert "other.example:443 is not in the recording" in done.stdout


def test_a_command_trusts_a_replay_with_tls(tmp_path: Path) -> None:
    probe = (
        "import os, ssl, httpx; from websockets.sync.client import connect\n"
        "print(httpx.get(os.environ['STAGESIM_URL'] + '/health').json()['status'])\n"
        "print(connect(os.environ['STAGESIM_WS_URL'] + '/ws').recv()[:9])\n"
        "print(len(ssl.create_default_context().get_ca_certs()))"
    )
    words = ["run", "golden-path", "--speed", "max", "--tls", "--ca-dir", str(tmp_path / "ca")]
    done = stagesim(*words, "--", sys.executable, "-c", probe)
    assert done.returncode == 0, done.stderr
    health, frame, authorities = done.stdout.splitlines()
    assert (health, frame) == ("healthy", '{"type": ')
    assert f"CA in {tmp_path / 'ca' / 'stagesim-ca.pem'}" in done.stderr
    assert int(authorities) >= 1


def test_a_replay_with_tls_says_where_its_ca_is(tmp_path: Path) -> None:
    words = ["replay", "golden-path", "--tls", "--host", "api.staging.example"]
    with serving(*words, cwd=tmp_path) as (process, lines):
        url = lines[0].removeprefix("listening on ")
        assert url.startswith("https://127.0.0.1:")
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(3)]
        assert [line.split()[0] for line in said] == ["auth", "frontend", "CA"]
        ca = Path(said[-1].removeprefix("CA in "))
        trust = ssl.create_default_context(cafile=ca)
        named = {"sni_hostname": "api.staging.example"}
        with httpx.Client(verify=trust) as client:
            assert client.get(f"{url}/health").json()["status"] == "healthy"
            assert client.get(f"{url}/health", extensions=named).json()["status"] == "healthy"
            assert client.get(url.replace("https", "http") + "/health").json()["status"] == "healthy"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert not ca.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", "golden-path", "--host", "a.example"], "--host: nothing to do without --tls"),
        (["replay", "golden-path", "--ca-dir", "ca"], "--ca-dir: nothing to do without --tls"),
        (["run", "golden-path", "--offline", "--host", "a=x", "--", "true"], "no service is named 'x'"),
        (["replay", "golden-path", "--tls", "--host", "a b"], "--host: expected NAME=SERVICE"),
        (["replay", "golden-path", "--tls", "--host", "a_b"], "a_b: no certificate can be made"),
        (["replay", "golden-path", "--tls", "--ca-dir", "bad"], "bad: not a CA of stagesim's"),
        (["run", "hostless.jsonl", "--offline", "--", "true"], "--offline: the recording names no host"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bad").mkdir()
    for name in ("stagesim-ca.key", "stagesim-ca.pem"):
        (tmp_path / "bad" / name).write_text("nonsense")
    (tmp_path / "hostless.jsonl").write_text('{"stagesim": 1}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stagesim", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    out, errors = capfd.readouterr()
    (line,) = errors.splitlines()
    assert (ended.value.code, out) == (2, "")
    assert said in line


def test_a_drill_leads_hard_coded_urls_to_every_run(tmp_path: Path) -> None:
    probe = "import httpx; httpx.get('https://api.staging.example/health').raise_for_status()"
    words = ["--faults", "status", "--offline", "--host", "api.staging.example=backend", "--speed", "max"]
    done = stagesim(
        "drill", "golden-path", *words, "--json", "drill.json", "--", sys.executable, "-c", probe, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "noticed" in done.stdout
    assert "--offline --host api.staging.example=backend" in (tmp_path / "drill.json").read_text()
