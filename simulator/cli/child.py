"""Commands that are run against us: their environment, their signals, their exit code."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulator.core.errors import StagesimError


def check_command(command: Sequence[str]) -> None:
    """Raise StagesimError where there is no such command, before anything is started for it."""
    if shutil.which(command[0]) is None:
        raise StagesimError("no such command", place=command[0])


async def run_child(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the command with our terminal; signals that end us end it, and its code is ours (128+N for signal N)."""
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **variables})
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _pass_on, process, number)
    code = await process.wait()
    return 128 - code if code < 0 else code


def _pass_on(process: asyncio.subprocess.Process, number: int) -> None:
    if process.returncode is None:
        process.send_signal(number)


def proxy_environment(proxy: str, ca_file: Path) -> dict[str, str]:
    """The variables by which common clients find a proxy and trust its certificates.

    Python's httpx, requests, aiohttp (trust_env) and websockets read these, and so do curl, Go and Ruby; Node
    reads only the certificate.
    """
    names = ("HTTP_PROXY", "HTTPS_PROXY", "WS_PROXY", "WSS_PROXY", "ALL_PROXY")
    found = {spelling: proxy for name in names for spelling in (name, name.lower())}
    certificates = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    return found | {name: str(ca_file) for name in certificates} | {"NO_PROXY": "", "no_proxy": ""}
