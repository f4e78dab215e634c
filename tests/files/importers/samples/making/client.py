"""The page's conversation, from Python: `python client.py URL`."""

from __future__ import annotations

import asyncio
import json
import sys

import httpx
import websockets


async def main(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        login = {"email": "ada@example.com", "password": "correct-horse-9-staple"}
        token = (await http.post("/login", json=login)).json()["access_token"]
        await http.get("/gzipped", headers={"authorization": f"Bearer {token}", "accept-encoding": "gzip"})
        await http.post("/blob", content=bytes([0, 255, 128, 10]))
    async with websockets.connect(f"ws{url.removeprefix('http')}/ws?room=1", subprotocols=["chat"]) as ws:
        await ws.send(json.dumps({"type": "join", "id": "join-4711aa", "name": "Zoë"}))
        async for message in ws:
            if isinstance(message, str) and json.loads(message)["type"] == "joined":
                await ws.send(bytes([1, 2, 255]))


try:
    asyncio.run(main(sys.argv[1]))
except websockets.ConnectionClosed as closed:
    sys.stderr.write(f"{closed}\n")
