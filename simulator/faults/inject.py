"""inject, replace and ack-only: messages that the server never sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from simulator.core import jsontext
from simulator.core.errors import FaultError
from simulator.core.events import Direction, Event, Message
from simulator.core.fault import FRAMES, Context, Fault, Kinds, Mode, delayed, require, sent
from simulator.core.jsontext import MISSING, Json
from simulator.core.units import Duration
from simulator.core.values.places import json_of
from simulator.faults.rawframes import MESSAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectFault(Fault):
    """The server sends a message of its own beside what it sends anyway: `json` as JSON, or `text` as it is."""

    name: ClassVar[str] = "inject"
    mode: ClassVar[Mode] = Mode.STRIKE
    acts_on: ClassVar[Kinds] = FRAMES
    direction = None
    json: Json = None
    text: str = ""

    def __post_init__(self) -> None:
        require(self.json is None or not self.text, "text", "expected either json or text")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [sent(Message, context, data=_text(self.json, self.text))]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceFault(Fault):
    """A message comes with another content: `json` as JSON, or `text` as it is."""

    name: ClassVar[str] = "replace"
    acts_on: ClassVar[Kinds] = MESSAGES
    json: Json = None
    text: str = ""

    def __post_init__(self) -> None:
        require(self.json is None or not self.text, "text", "expected either json or text")

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        return [replace(event, data=_text(self.json, self.text), fragments=())]


def _text(json: Json, text: str) -> str:
    return text if json is None else jsontext.dump(json)


def _ack() -> Json:
    return {"type": "ack", "status": "acknowledged"}


def _received_type() -> dict[str, str]:
    return {"received_type": "$.type"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AckOnlyFault(Fault):
    """A client's message is answered with an acknowledgement, `json`, and nothing else ever happens about it.

    `echo` adds fields to it, with the values at these paths of the client's message.
    """

    name: ClassVar[str] = "ack-only"
    acts_on: ClassVar[Kinds] = MESSAGES
    direction: ClassVar[Direction | None] = Direction.UPSTREAM
    json: Json = field(default_factory=_ack)
    echo: Mapping[str, str] = field(default_factory=_received_type)
    delay: Duration = 0

    def __post_init__(self) -> None:
        for name, path in self.echo.items():
            try:
                jsontext.parse_path(path)
            except ValueError as error:
                raise FaultError(str(error), place=f"echo.{name}") from None

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        if not isinstance(event, Message):
            return [event]
        said, ack = json_of(event), self.json
        if isinstance(ack, dict):
            found = {name: jsontext.at_path(said, jsontext.parse_path(path)) for name, path in self.echo.items()}
            ack = {**ack, **{name: value for name, value in found.items() if value is not MISSING}}
        return [delayed(sent(Message, context, data=jsontext.dump(ack)), self.delay)]
