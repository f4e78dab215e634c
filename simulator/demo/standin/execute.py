"""POST /api/agents/execute: an agent over HTTP, which hides every failure behind a success, as staging did."""

import asyncio
import logging
import time
from http import HTTPStatus

from aiohttp import web

from simulator.demo.standin.state import SYSTEM
from simulator.demo.standin.system import System
from simulator.demo.standin.web_common import detail

logger = logging.getLogger(__name__)

EXECUTION_SECONDS = 5.0
"""What a real execution is given before a canned answer takes its place."""


async def execute(request: web.Request) -> web.Response:
    """200 in any case; only the beginning of the response tells a canned one. 422 without type and message."""
    asked = await request.json()
    if not (isinstance(asked, dict) and {"type", "message"} <= asked.keys()):
        return detail(HTTPStatus.UNPROCESSABLE_ENTITY, "type and message are required")
    began = time.monotonic()
    answer = {
        "status": "success",
        "agent": str(asked["type"]),
        "response": await _response(request.app[SYSTEM], str(asked["message"])),
        "execution_time": time.monotonic() - began,
        "circuit_breaker_state": "closed",
        "error": None,
    }
    return web.json_response(answer)


async def _response(system: System, message: str) -> str:
    try:
        async with asyncio.timeout(EXECUTION_SECONDS * system.pace.scale):
            intent = await system.llm_manager.plan(message)
            return await system.llm_manager.answer(intent, {})
    except TimeoutError:
        return "Mock response (timeout fallback)"
    except Exception as error:
        logger.error("agent execution failed: %r", error)
        return "Fallback response"
