"""A small service that the samples are recordings of: `python site.py PORT`. All its secrets are made up."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import sys

import jwt
from aiohttp import WSMsgType, web

CLAIMS = {"sub": "user-1", "email": "ada@example.com", "exp": 1900000000}
TOKEN = jwt.encode(CLAIMS, "a key that only the samples have.", "HS256")
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABXvMqOwAAAABJRU5ErkJggg=="
)
PAGE = """<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>sample</title><script>
async function talk() {
  const login = {email: 'ada@example.com', password: 'correct-horse-9-staple'};
  const said = await fetch('/login', {method: 'POST', headers: {'content-type': 'application/json'},
                                      body: JSON.stringify(login)});
  const {access_token} = await said.json();
  await (await fetch('/gzipped', {headers: {authorization: 'Bearer ' + access_token}})).text();
  await (await fetch('/dot.png')).arrayBuffer();
  await (await fetch('/blob', {method: 'POST', body: new Uint8Array([0, 255, 128, 10])})).text();
  await (await fetch('/moved')).text();
  const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws?room=1', 'chat');
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => socket.send(JSON.stringify({type: 'join', id: 'join-4711aa', name: 'Zoë'}));
  socket.onmessage = ({data}) => {
    if (typeof data === 'string' && JSON.parse(data).type === 'joined') socket.send(new Uint8Array([1, 2, 255]));
  };
  socket.onclose = ({code}) => { document.title = 'closed ' + code; };
}
addEventListener('load', () => setTimeout(talk, 100));
</script>"""


async def page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def login(request: web.Request) -> web.Response:
    response = web.json_response({"access_token": TOKEN, "user": {"email": (await request.json())["email"]}})
    response.headers.add("Set-Cookie", "session=s3cr3t-s4mple-c00kie; Path=/; HttpOnly")
    response.headers.add("Set-Cookie", "theme=dark; Path=/")
    return response


async def gzipped(request: web.Request) -> web.Response:
    body = json.dumps({"items": [{"id": number, "name": f"item {number}"} for number in range(9)]}).encode()
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    return web.Response(body=gzip.compress(body, mtime=0), headers=headers)


async def dot(request: web.Request) -> web.Response:
    return web.Response(body=DOT, content_type="image/png")


async def blob(request: web.Request) -> web.Response:
    return web.json_response({"size": len(await request.read())})


async def moved(request: web.Request) -> web.Response:
    raise web.HTTPFound("/ticks")


async def ticks(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for number in range(3):
        await response.write(f"data: {number}\n\n".encode())
        await asyncio.sleep(0.05)
    return response


async def ws(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("chat",))
    await socket.prepare(request)
    await socket.send_json({"type": "welcome"})
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            said = json.loads(message.data)
            await asyncio.sleep(0.05)
            await socket.send_json({"type": "joined", "id": said["id"], "name": said["name"]})
        elif message.type is WSMsgType.BINARY:
            await socket.ping(b"hi")
            await socket.send_bytes(bytes(reversed(message.data)))
            await asyncio.sleep(0.05)
            await socket.close(code=4001, message=b"enough")
    return socket


app = web.Application()
app.router.add_get("/", page)
app.router.add_post("/login", login)
app.router.add_get("/gzipped", gzipped)
app.router.add_get("/dot.png", dot)
app.router.add_post("/blob", blob)
app.router.add_get("/moved", moved)
app.router.add_get("/ticks", ticks)
app.router.add_get("/ws", ws)
if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
