"""The stand-in's front end: a page and a health check, which is all that clients ask of it."""

import time

from aiohttp import web

from simulator.demo.standin.ids import IdMint
from simulator.demo.standin.pace import Pace
from simulator.demo.standin.web_common import json_errors, latency

PAGE = "<!doctype html>\n<html lang=en><title>Staging</title><h1>Staging</h1></html>\n"


def create_frontend(pace: Pace, ids: IdMint) -> web.Application:
    """The front end as an aiohttp application."""
    app = web.Application(middlewares=[latency(pace), json_errors(ids)])
    app.add_routes([web.get("/", page), web.get("/health", health)])
    return app


async def page(request: web.Request) -> web.Response:
    """GET /."""
    return web.Response(text=PAGE, content_type="text/html")


async def health(request: web.Request) -> web.Response:
    """GET /health."""
    return web.json_response({"status": "healthy", "service": "frontend", "timestamp": time.time()})
