"""What the stand-in says on a WebSocket, frame by frame, as JSON objects."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

MAX_MESSAGE_BYTES = 8192
ENVIRONMENT = "staging"

Frame = dict[str, object]


def naive_now() -> str:
    """The time as staging writes it in agent events: ISO 8601 in UTC, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat()


def server_message(kind: str, data: Mapping[str, object]) -> Frame:
    """The server's usual envelope; server_id and correlation_id were null in practice."""
    return {
        "type": kind,
        "data": dict(data),
        "timestamp": time.time(),
        "server_id": None,
        "correlation_id": None,
    }


def error_message(code: str, message: str, details: Mapping[str, object] | None = None) -> Frame:
    """The error envelope: `error_code` and `error_message`, not `error` or `message`."""
    return {
        "type": "error_message",
        "error_code": code,
        "error_message": message,
        "details": dict(details or {}),
        "timestamp": time.time(),
        "recovery_suggestions": [],
    }


def auth_failed(code: str, message: str) -> Frame:
    """The frame that comes before a close with 1008."""
    details = {
        "environment": ENVIRONMENT,
        "ssot_authentication": True,
        "error_code": code,
        "failure_context": {"message": message},
    }
    return error_message(code, message, details)


def handshake_validation() -> Frame:
    """The first frame of a connection."""
    now = time.time()
    return {"type": "handshake_validation", "timestamp": now, "validation_id": f"test_{int(now * 1000)}"}


def welcome(connection_id: str, user_id: str, *, heartbeat_interval: float, startup_complete: bool) -> Frame:
    """The second frame: a system message with the event connection_established."""
    data = {
        "event": "connection_established",
        "connection_id": connection_id,
        "user_id": user_id,
        "server_time": datetime.now(UTC).isoformat(),
        "connection_ready": True,
        "environment": ENVIRONMENT,
        "startup_complete": startup_complete,
        "config": {"heartbeat_interval": heartbeat_interval, "max_message_size": MAX_MESSAGE_BYTES},
        "factory_pattern_enabled": True,
    }
    return server_message("system_message", data)


def service_degradation(service: str) -> Frame:
    """What a connection is told of a service that does not come up."""
    data = {"event": "service_degradation", "service": service, "message": f"{service} is not available"}
    return server_message("system_message", data)


def ping() -> Frame:
    """The heartbeat: JSON, not a protocol ping."""
    return server_message("ping", {"timestamp": time.time()})


def pong(user_id: str) -> Frame:
    """The answer to a client's JSON ping."""
    return server_message("pong", {"timestamp": time.time(), "user_id": user_id})


def heartbeat_ack() -> Frame:
    """The answer to a client's heartbeat message."""
    return server_message("heartbeat_ack", {"timestamp": time.time(), "status": "healthy"})


def ack(received_type: str, user_id: str) -> Frame:
    """The answer to a type that nobody knows."""
    return {
        "type": "ack",
        "received_type": received_type,
        "timestamp": time.time(),
        "user_id": user_id,
        "status": "acknowledged",
    }


def format_error() -> Frame:
    """The answer to what is not a JSON object."""
    return error_message("FORMAT_ERROR", "Invalid message format: expected a JSON object")
