"""A recording as other tools think of it: requests with their responses, WebSockets as a list of messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from simulator.core.errors import RecordingError
from simulator.core.events import (
    Bytes,
    Chunk,
    Close,
    End,
    Event,
    Message,
    Ping,
    Pong,
    Request,
    Reset,
    Response,
    is_upgrade,
)
from simulator.core.recording import Header, Recording
from simulator.core.units import Time
from simulator.files.losses import Losses

NO_PINGS: Final = "pings and pongs left out"
NO_BYTES: Final = "illegal frames left out"
NO_FRAGMENTS: Final = "messages that lose their fragments"
NO_COMPRESSION: Final = "messages that lose whether they were compressed"
NO_PIECES: Final = "responses that lose the times of their pieces"
NO_CAUSES: Final = "events that lose the cause that the recording names"
NO_HEADER: Final = "corrections of what correlates left out"
NO_ORIGIN: Final = "services without an origin, given as http://NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One flow. `body` is the response's, its pieces put together; `ended` is when it was complete.

    `ends` are the closes and resets in order, `url` is absolute, with the scheme of HTTP.
    """

    flow: str
    url: str
    request: Request
    response: Response | None
    body: bytes
    ended: Time
    messages: Sequence[Message]
    ends: Sequence[Close | Reset]

    @property
    def is_socket(self) -> bool:
        return self.response is not None and is_upgrade(self.response)


def exchanges(recording: Recording, losses: Losses) -> list[Exchange]:
    """Every flow of a recording; what neither HAR nor mitmproxy's dumps hold is counted. Raises RecordingError."""
    losses.add(NO_HEADER, len(recording.header.ignore))
    return [_exchange(events, recording.header, losses) for events in recording.flows().values()]


def _exchange(events: Sequence[Event], header: Header, losses: Losses) -> Exchange:
    request = events[0]
    if not isinstance(request, Request):
        problem = f"begins with a {request.kind}; a flow begins with its request"
        raise RecordingError(problem, place=f"flow {request.flow}")
    response = next((event for event in events if isinstance(event, Response)), None)
    chunks = [event for event in events if isinstance(event, Chunk)]
    messages = tuple(event for event in events if isinstance(event, Message))
    whole = [event.at for event in events if isinstance(event, Response | Chunk | End)]
    _note(events, messages, losses)
    losses.add(NO_PIECES, len(chunks) > 1)
    return Exchange(
        flow=request.flow,
        url=f"{_origin(request.service, header, losses)}{request.target}",
        request=request,
        response=response,
        body=(response.body if response else b"") + b"".join(chunk.data for chunk in chunks),
        ended=max(whole, default=request.at),
        messages=messages,
        ends=tuple(event for event in events if isinstance(event, Close | Reset)),
    )


def _note(events: Iterable[Event], messages: Iterable[Message], losses: Losses) -> None:
    for event in events:
        losses.add(NO_PINGS, isinstance(event, Ping | Pong))
        losses.add(NO_BYTES, isinstance(event, Bytes))
        losses.add(NO_CAUSES, event.cause is not None)
    for message in messages:
        losses.add(NO_FRAGMENTS, bool(message.fragments))
        losses.add(NO_COMPRESSION, message.compressed)


def _origin(service: str, header: Header, losses: Losses) -> str:
    origins = next((known.origins for known in header.services if known.name == service), ())
    losses.add(NO_ORIGIN, not origins)
    return origins[0].rstrip("/") if origins else f"http://{service}"
