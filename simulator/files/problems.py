"""Pydantic's findings as errors for people: one line, the place, what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError

from simulator.core.errors import StagesimError

Failure = TypeVar("Failure", bound=StagesimError)
_SHOWN = 60
_UNION_MEMBERS = frozenset({"str", "int", "float", "bool", "none", "Match"})


def problems(error: ValidationError, kind: type[Failure]) -> list[Failure]:
    """Every finding, in the order of the input."""
    return [
        kind(_problem(dict(item)), place=place(item["loc"]))
        for item in error.errors(include_url=False, include_context=True)
    ]


def first_problem(error: ValidationError, kind: type[Failure]) -> Failure:
    return problems(error, kind)[0]


def place(steps: Sequence[str | int]) -> str:
    """'rules[0].select.json'. The names of union members, which nobody wrote, are left out."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step not in _UNION_MEMBERS and "[" not in step.removeprefix("$"):
            text += f".{step}" if text else step
    return text


def _problem(item: dict[str, object]) -> str:
    found, message = item.get("input"), str(item["msg"]).removeprefix("Value error, ")
    match item["type"]:
        case "extra_forbidden":
            return "not known here"
        case "missing":
            return "missing"
        case "json_invalid":
            return message.replace("Invalid JSON: ", "not JSON: ")
        case "value_error":
            return message
    message = message[0].lower() + message[1:]
    shown = repr(found)
    return f"{message}, got {shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + '…'}"
