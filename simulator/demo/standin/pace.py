"""The stand-in's one clock hand: every delay it makes goes through here, so that one number makes tests fast."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Scales delays: at `scale` 1 a second is a second, at 0.05 it is 50 ms."""

    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.scale <= 0:
            # At 0 the heartbeat would never let anything else run.
            raise ValueError(f"scale: expected more than 0, got {self.scale}")

    async def sleep(self, seconds: float) -> None:
        """Wait that many (unscaled) seconds."""
        await asyncio.sleep(seconds * self.scale)
