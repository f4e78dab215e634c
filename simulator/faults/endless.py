"""endless-stream: server-sent events that never end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from simulator.core.events import Chunk, End, Event, Response
from simulator.core.fault import Context, Fault, Kinds, require, sent
from simulator.core.serversent import is_event_stream
from simulator.core.units import MILLISECOND, SECOND, Duration
from simulator.faults.answers import has_content, is_answer, with_fields

FASTEST: Final = MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class EndlessStreamFault(Fault):
    """A stream of server-sent events never ends: every `interval` comes a `tick`, each Nth time a `heartbeat`.

    A recorded event stream is played first, and goes on when it would have ended; any other response becomes one.
    N is `heartbeat_every`, and '{n}' in a text counts the ticks. It ends when the client leaves (HTML §9.2).
    """

    name: ClassVar[str] = "endless-stream"
    acts_on: ClassVar[Kinds] = frozenset({Response})
    interval: Duration = SECOND
    tick: str = 'event: tick\ndata: {"tick": {n}}'
    heartbeat: str = ": heartbeat"
    heartbeat_every: int = 10

    def __post_init__(self) -> None:
        require(self.interval >= FASTEST, "interval", "expected 1ms or more")
        require(self.heartbeat_every >= 1, "heartbeat_every", f"expected 1 or more, got {self.heartbeat_every}")

    def concerns(self, event: Event) -> bool:
        return is_answer(event)

    def follows(self, event: Event) -> bool:
        return isinstance(event, Chunk | End)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        began_with = context.memory.get("began with")
        if began_with is type(event):  # nothing else comes twice: it is time for a tick
            return [self._tick(context)]
        if began_with is not None:
            return []
        if isinstance(event, Response):
            return self._response(event, context)
        if isinstance(event, End):
            self._begin(event, context)
            return []
        return [event]

    def _response(self, event: Response, context: Context) -> list[Event]:
        recorded = is_event_stream(event.headers)
        if not has_content(event, context) or (recorded and event.streaming):
            return [event]
        self._begin(event, context)
        if recorded:
            headers = with_fields(event, {"Content-Length": None})
            head = replace(event, headers=headers, body=b"", streaming=True)
            return [head, sent(Chunk, context, data=event.body)]
        fields = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"))
        return [replace(event, status=200, reason="OK", headers=fields, body=b"", streaming=True)]

    def _begin(self, event: Event, context: Context) -> None:
        context.memory["began with"] = type(event)
        context.again(self.interval)

    def _tick(self, context: Context) -> Event:
        number = context.memory["ticks"] = context.memory.get("ticks", 0) + 1
        text = self.tick if number % self.heartbeat_every else self.heartbeat
        context.again(self.interval)
        return sent(Chunk, context, data=f"{text}\n\n".replace("{n}", str(number)).encode())
