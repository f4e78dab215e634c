"""HTTP clients that other people wrote: each gets a URL and gives the status and the body, or raises its error."""

from __future__ import annotations

import asyncio
import ssl
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import httpx

Browser = Callable[[str], Awaitable[tuple[int, bytes]]]

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Spares httpx to read every CA that there is, for each client anew."""
THREADS = ThreadPoolExecutor(max_workers=64)
"""For clients that block: as many as may wait at the same time."""


async def by_httpx(url: str) -> tuple[int, bytes]:
    async with httpx.AsyncClient(timeout=None, trust_env=False, verify=NO_TLS) as client:  # noqa: S113
        answer = await client.get(url)
        return answer.status_code, answer.content


async def by_aiohttp(url: str) -> tuple[int, bytes]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout()) as session,
        session.get(url) as answer,
    ):
        return answer.status, await answer.read()


async def by_urllib(url: str) -> tuple[int, bytes]:
    return await asyncio.get_running_loop().run_in_executor(THREADS, _by_urllib, url)


def _by_urllib(url: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


BROWSERS: dict[str, Browser] = {"httpx": by_httpx, "aiohttp": by_aiohttp, "urllib.request": by_urllib}
