"""Symptoms: what a client of a broken staging sees, in the words by which fault files are grouped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Symptom = Literal[
    "upgrade-refused",
    "connect-hangs",
    "unexplained-close",
    "explained-close",
    "silence",
    "stall-midway",
    "canned-success",
    "wrong-dialect",
    "oversize-dropped",
    "ack-only",
    "connection-limit",
    "readiness-hangs",
    "unhealthy",
    "endless-stream",
    "abnormal-end",
    "wrong-subprotocol",
    "http-error",
]

SYMPTOMS: Final[Mapping[Symptom, str]] = {
    "upgrade-refused": "the WebSocket upgrade is answered with an error status, at once or late",
    "connect-hangs": "the upgrade is answered after minutes, or never",
    "unexplained-close": "the WebSocket is closed with 1011 or 1008, and no frame says why",
    "explained-close": "an error frame, then a close with 1011 or 1008",
    "silence": "the WebSocket opens, perhaps greets, and then brings nothing but heartbeats",
    "stall-midway": "some of the expected messages come, and then no more",
    "canned-success": "a made-up success hides a failure",
    "wrong-dialect": "messages have other names or shapes than the client expects, or lack a field",
    "oversize-dropped": "a message that is too large is lost without a word",
    "ack-only": "a message is acknowledged, and nothing else comes of it",
    "connection-limit": "after so many connections, the next one is turned away",
    "readiness-hangs": "health answers, and readiness does not",
    "unhealthy": "health answers 503 and says why",
    "endless-stream": "a stream of server-sent events never ends",
    "abnormal-end": "the connection ends without a close frame; the client reports 1006",
    "wrong-subprotocol": "a subprotocol is chosen that the client did not offer",
    "http-error": "HTTP requests are answered with an error status",
}
"""What each symptom means, as a client sees it."""
