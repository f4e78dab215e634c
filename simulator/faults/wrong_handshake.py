"""wrong-accept and wrong-subprotocol: a 101 that a client must not take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from simulator.core.events import Event, Response, is_upgrade
from simulator.core.fault import Context, Fault, Kinds, require
from simulator.faults.answers import with_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongAcceptFault(Fault):
    """The 101 has a Sec-WebSocket-Accept that does not answer the client's key (RFC 6455 §4.1).

    What it has unless said answers the key of the RFC's own example (§1.3).
    """

    name: ClassVar[str] = "wrong-accept"
    acts_on: ClassVar[Kinds] = frozenset({Response})
    accept: str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    def __post_init__(self) -> None:
        require(_is_a_value(self.accept), "accept", "expected one line of ASCII")

    def concerns(self, event: Event) -> bool:
        return is_upgrade(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [_with_field(event, "Sec-WebSocket-Accept", self.accept)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongSubprotocolFault(Fault):
    """The 101 chooses a subprotocol that the client did not offer, or with `subprotocol: null` none at all.

    Both are for the client to judge: it must fail the connection on the first (RFC 6455 §4.1), and may on the
    second.
    """

    name: ClassVar[str] = "wrong-subprotocol"
    acts_on: ClassVar[Kinds] = frozenset({Response})
    subprotocol: str | None = "not-offered"

    def __post_init__(self) -> None:
        require(_is_a_value(self.subprotocol or ""), "subprotocol", "expected one line of ASCII")

    def concerns(self, event: Event) -> bool:
        return is_upgrade(event)

    def apply(self, event: Event, context: Context) -> Iterable[Event]:
        return [_with_field(event, "Sec-WebSocket-Protocol", self.subprotocol)]


def _is_a_value(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _with_field(event: Event, name: str, value: str | None) -> Event:
    return replace(event, headers=with_fields(event, {name: value})) if isinstance(event, Response) else event
