"""The conversation's HTTP part, taped by vcrpy: `python cassettes.py URL`; writes into the current folder."""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import requests
import vcr

LOGIN = {"email": "ada@example.com", "password": "correct-horse-9-staple"}


def with_requests(url: str, *, binary: bool) -> None:
    with requests.Session() as http:
        token = http.post(f"{url}/login", json=LOGIN, timeout=9).json()["access_token"]
        http.get(f"{url}/gzipped", headers={"Authorization": f"Bearer {token}"}, timeout=9)
        if binary:
            http.get(f"{url}/dot.png", timeout=9)
            http.post(f"{url}/blob", data=bytes([0, 255, 128, 10]), timeout=9)


async def with_aiohttp(url: str) -> None:
    async with aiohttp.ClientSession() as http:
        await http.post(f"{url}/login", json=LOGIN)
        await (await http.get(f"{url}/gzipped")).read()


URL = sys.argv[1]
with vcr.VCR(record_mode="all").use_cassette("requests.yaml"):
    with_requests(URL, binary=True)
with vcr.VCR(record_mode="all").use_cassette("aiohttp.yaml"):
    asyncio.run(with_aiohttp(URL))
decoded = vcr.VCR(record_mode="all", serializer="json", decode_compressed_response=True)
with decoded.use_cassette("requests.json"):
    with_requests(URL, binary=False)
