"""tool_dispatcher: the tools that agents may call, by name."""

from collections.abc import Callable

from simulator.demo.standin.pace import Pace

TOOL_SECONDS = 0.3

Tool = Callable[[str], dict[str, object]]


def usage_analyzer(request: str) -> dict[str, object]:
    """How much was asked."""
    return {"words": len(request.split()), "characters": len(request)}


def data_query(request: str) -> dict[str, object]:
    """The longest word, as a stand-in for looking something up."""
    return {"longest_word": max(request.split(), key=len, default="")}


def cost_optimizer(request: str) -> dict[str, object]:
    """A price that is the same for the same request."""
    return {"monthly_cost": 10 * len(request), "possible_saving": 3 * len(request)}


TOOLS: tuple[Tool, ...] = (usage_analyzer, data_query, cost_optimizer)


class ToolDispatcher:
    """Runs tools by name; an unknown name is a `KeyError`."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._tools = {tool.__name__: tool for tool in TOOLS}

    async def dispatch(self, name: str, request: str) -> dict[str, object]:
        """What the tool found out about the request."""
        tool = self._tools[name]
        await self._pace.sleep(TOOL_SECONDS)
        return tool(request)
