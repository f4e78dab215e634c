"""The settings of a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.core.auth import Auth
from simulator.core.units import Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to play. `wall` is the time since the Unix epoch, in µs, when the timeline begins.

    `speed` divides recorded delays (math.inf drops them) and the times of schedules; faults keep their own. With
    `fresh`, what the server minted is minted anew for each client. `origins` are the live origins by service.
    `strict` closes a WebSocket with 1008 when a message is not in the recording. `auth`: what is asked of tokens.
    """

    seed: int = 0
    wall: Time = 0
    speed: float = 1.0
    strict: bool = False
    fresh: bool = True
    origins: Mapping[str, str] = field(default_factory=dict)
    auth: Auth = field(default_factory=Auth)
