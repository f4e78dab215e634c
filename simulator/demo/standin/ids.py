"""Identifiers that the stand-in mints: unpredictable by default, repeatable with a seed."""

import random
import time
import uuid


class IdMint:
    """Makes ids of staging's shapes; with a `seed` the random parts come out the same every time."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.SystemRandom() if seed is None else random.Random(seed)
        self._minted = 0

    def hex8(self) -> str:
        """Eight hexadecimal digits."""
        return f"{self._random.getrandbits(32):08x}"

    def uuid(self) -> str:
        """A version 4 UUID as text."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def numbered(self, kind: str) -> str:
        """`<kind>_<running number>_<8 hex>`, the shape of run, request and thread ids."""
        self._minted += 1
        return f"{kind}_{self._minted}_{self.hex8()}"

    def connection(self, user_id: str) -> str:
        """`ws_<first 8 of the user id>_<epoch seconds>_<8 hex>`."""
        return f"ws_{user_id[:8]}_{int(time.time())}_{self.hex8()}"
