"""llm_manager: a language model that is slow in the right places and otherwise repeats what it was told."""

from simulator.demo.standin.pace import Pace

PLANNING_SECONDS = 2.0
"""Before the first agent event: what lies between a request and the first use of the orchestrator.

Staging closed with 1011 less than 3 s after the request, and its clients give up after 3 s without a frame.
"""
THINKING_SECONDS = 0.2
ANSWERING_SECONDS = 0.3


class LLMManager:
    """Plans a run, thinks aloud and words the answer, each after its own delay."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    async def plan(self, request: str) -> str:
        """The intent of the request, in a few words."""
        await self._pace.sleep(PLANNING_SECONDS)
        return " ".join(request.split()[:8])

    async def think(self, intent: str, instruction: str) -> str:
        """A thought to show while the user waits."""
        await self._pace.sleep(THINKING_SECONDS)
        return f"{instruction}: {intent}"

    async def answer(self, intent: str, findings: dict[str, object]) -> str:
        """The final wording."""
        await self._pace.sleep(ANSWERING_SECONDS)
        told = ", ".join(f"{name} {value}" for name, value in findings.items())
        return f"About “{intent}”: {told}"
