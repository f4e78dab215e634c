"""llm_manager: a language model that is slow in the right places and otherwise repeats what it was told."""

import asyncio

from simulator.demo.standin.pace import Pace

PLANNING_SECONDS = 2.0
"""Before the first agent event: what lies between a request and the first use of the orchestrator.

Staging closed with 1011 less than 3 s after the request, and its clients give up after 3 s without a frame.
"""
THINKING_SECONDS = 0.2
ANSWERING_SECONDS = 0.3
SLOWNESS_SECONDS = 0.25
"""What a slow model takes longer for everything that it is asked."""


class LLMManager:
    """Plans a run, thinks aloud and words the answer, each after its own delay.

    A `slow` one takes longer for each; one that is `stuck` still plans, and then never says anything more.
    """

    slow = False
    stuck = False

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    async def _take(self, seconds: float) -> None:
        await self._pace.sleep(seconds + (SLOWNESS_SECONDS if self.slow else 0))

    async def _word(self, seconds: float) -> None:
        if self.stuck:
            await asyncio.Event().wait()
        await self._take(seconds)

    async def plan(self, request: str) -> str:
        """The intent of the request, in a few words."""
        await self._take(PLANNING_SECONDS)
        return " ".join(request.split()[:8])

    async def think(self, intent: str, instruction: str) -> str:
        """A thought to show while the user waits."""
        await self._word(THINKING_SECONDS)
        return f"{instruction}: {intent}"

    async def answer(self, intent: str, findings: dict[str, object]) -> str:
        """The final wording."""
        await self._word(ANSWERING_SECONDS)
        told = ", ".join(f"{name} {value}" for name, value in findings.items())
        return f"About “{intent}”: {told}"
