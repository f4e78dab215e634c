"""Pydantic's findings as errors for people: one line, the place, what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError

from simulator.core.errors import StagesimError

Failure = TypeVar("Failure", bound=StagesimError)
_SHOWN = 60
_KIND = "Input should be a valid "
_UNION_MEMBERS = frozenset({"str", "int", "float", "bool", "none", "Match"})


def problems(error: ValidationError, kind: type[Failure]) -> list[Failure]:
    """Every finding, in the order of the input; a value that is none of several kinds is one finding."""
    found: dict[str, list[dict[str, object]]] = {}
    for item in error.errors(include_url=False, include_context=True):
        found.setdefault(place(item["loc"]), []).append(dict(item))
    return [
        kind(_one_of(items) if len(items) > 1 else _problem(items[0]), place=where)
        for where, items in found.items()
        if not any(other != where and other.startswith((f"{where}.", f"{where}[")) for other in found if where)
    ]


def first_problem(error: ValidationError, kind: type[Failure]) -> Failure:
    return problems(error, kind)[0]


def place(steps: Sequence[str | int]) -> str:
    """'rules[0].select.json'. The names of union members, which nobody wrote, are left out."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.startswith("$") or (step not in _UNION_MEMBERS and "[" not in step):
            text += f".{step}" if text else step
    return text


def _one_of(items: list[dict[str, object]]) -> str:
    """What a value should have been one of, or what is wrong with it if it is."""
    nearest = next((item for item in items if not str(item["msg"]).startswith(_KIND)), None)
    if nearest is not None:
        return _problem(nearest)
    kinds = [str(item["msg"]).removeprefix(_KIND) for item in items]
    return _problem(items[0] | {"msg": f"{_KIND}{', '.join(kinds[:-1])} or {kinds[-1]}"})


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
