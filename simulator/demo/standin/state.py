"""What the backend's handlers find in their application."""

from collections.abc import Mapping

from aiohttp import web

from simulator.demo.standin.system import System
from simulator.demo.standin.tokens import Tokens

SYSTEM = web.AppKey("system", System)
TOKENS = web.AppKey("tokens", Tokens)
URLS: web.AppKey[Mapping[str, str]] = web.AppKey("urls")
HEARTBEAT = web.AppKey("heartbeat", float)
