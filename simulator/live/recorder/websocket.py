"""One upgraded connection, from the bytes of both directions to events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from simulator.core.events import Close, Direction, Event, Headers, Ping, Pong, Reset, header
from simulator.core.units import SECOND, Time
from simulator.live.frames import FrameParser, UnknownExtensionError, frame_parsers, is_websocket
from simulator.live.recorder.ordering import Place
from simulator.live.recorder.tape import Tape, Timer

HELD_WITHIN: Final = 10 * SECOND
"""How long everything newer waits for the last fragment of a message."""


class _Held(NamedTuple):
    """The place of a fragmented message that is not complete yet."""

    since: Time
    place: Place
    timer: Timer


class WebSocketConnection:
    """Records what travels after a 101 response.

    A peer that vanishes is recorded as a Reset of its direction, unless it has sent a close frame: what it sends
    after that nevertheless (RFC 6455 §5.5.1 forbids it) is recorded as raw bytes.
    """

    def __init__(self, tape: Tape, flow: str, response: Headers) -> None:
        self._tape, self._flow = tape, flow
        self._parsers = self._make_parsers(response)
        self._held: dict[Direction, _Held] = {}
        self._closed: set[Direction] = set()
        self._ended = False

    def _make_parsers(self, response: Headers) -> dict[Direction, FrameParser]:
        unknown = f"an upgrade to {header(response, 'upgrade')!r} is not understood"
        if is_websocket(response):
            try:
                return frame_parsers(self._flow, response)
            except UnknownExtensionError as error:
                unknown = f"the WebSocket extension {str(error)!r} is not understood"
        self._tape.problem(f"flow {self._flow}: {unknown}; what follows is recorded as raw bytes")
        return {direction: FrameParser(direction, flow=self._flow, opaque=True) for direction in Direction}

    def received(self, direction: Direction, data: bytes) -> None:
        """Bytes have arrived from the sender of this direction."""
        parser = self._parsers[direction]
        self._put(direction, parser.feed(data, self._tape.now()))
        since, held = parser.pending_since, self._held.get(direction)
        if held and since != held.since:
            self._release(direction)
        if since is not None and direction not in self._held:
            self._hold(direction, since)

    def vanished(self, peers: Mapping[Direction, bool]) -> None:
        """The connection is gone: these peers ended it, by RST (True) or by FIN. Only the first call counts."""
        if self._ended:
            return
        self.abandon()
        for direction, rst in peers.items():
            if direction not in self._closed:
                self._tape.put(Reset(flow=self._flow, at=self._tape.now(), direction=direction, rst=rst))

    def abandon(self) -> None:
        """The recording ends here; frames that are not complete are recorded as bytes."""
        self._ended = True
        for direction, parser in self._parsers.items():
            self._put(direction, parser.finish(self._tape.now()))
            self._release(direction)

    def _put(self, direction: Direction, events: Sequence[Event]) -> None:
        held = self._held.get(direction)
        for event in events:
            is_held = held is not None and event.at == held.since and not isinstance(event, Ping | Pong | Close)
            self._tape.put(event, held.place if held and is_held else None)
            if isinstance(event, Close):
                self._closed.add(direction)

    def _hold(self, direction: Direction, since: Time) -> None:
        place = self._tape.hold(since)
        timer = self._tape.later(HELD_WITHIN, lambda: self._tape.release(place))
        self._held[direction] = _Held(since, place, timer)

    def _release(self, direction: Direction) -> None:
        held = self._held.pop(direction, None)
        if held:
            held.timer.cancel()
            self._tape.release(held.place)
