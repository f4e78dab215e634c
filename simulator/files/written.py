"""Rules as fault files write them: what `rule_of` reads. Reading what was written gives the same rule again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from simulator.core.jsontext import path_text
from simulator.core.rule import Condition, Rule, Selector, Trigger
from simulator.core.units import MILLISECOND, SECOND, Time

_TIMES = frozenset(("after", "lasts", "window", "during", "ramp"))
_FILE_NAMES = {"lasts": "for"}


def written(rule: Rule) -> dict[str, Any]:
    """A rule as a mapping for YAML or JSON; what is as it would be anyway is left out."""
    hints = get_type_hints(type(rule.fault), include_extras=True)
    found: dict[str, Any] = {"name": rule.name, "fault": rule.fault.name}
    for field in fields(rule.fault):
        value = getattr(rule.fault, field.name)
        if value != _default(field):
            found[field.name] = _plain(value, time=_is_time(hints[field.name]))
    if rule.select != Selector():
        found["select"] = _select(rule.select)
    if rule.when != Trigger():
        found["when"] = _when(rule.when)
    if rule.probability != 1:
        found["probability"] = rule.probability
    if rule.swallow:
        found["swallow"] = True
    return found


def duration_text(time: Time) -> str:
    """A duration as files write it: '250ms', '2s', '0.000125s'."""
    if time % SECOND == 0:
        return f"{time // SECOND}s"
    if time % MILLISECOND == 0:
        return f"{time // MILLISECOND}ms"
    return f"{time // SECOND}.{time % SECOND:06}s"


def _select(select: Selector) -> dict[str, Any]:
    given = {field.name: getattr(select, field.name) for field in fields(select) if field.name != "json"}
    found = {name: _plain(value) for name, value in given.items() if value is not None}
    if select.json:
        found["json"] = {path_text(condition.path): _wanted(condition) for condition in select.json}
    return found


def _wanted(condition: Condition) -> Any:
    if condition.pattern is not None:
        return {"matches": condition.pattern, "exists": condition.exists}
    if condition.values:
        return condition.values[0] if len(condition.values) == 1 else list(condition.values)
    return {"exists": condition.exists}


def _when(when: Trigger) -> dict[str, Any]:
    return {
        _FILE_NAMES.get(field.name, field.name): _plain(getattr(when, field.name), time=field.name in _TIMES)
        for field in fields(when)
        if getattr(when, field.name) != _default(field)
    }


def _plain(value: Any, *, time: bool = False) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(inner, time=time) for inner in value]
    if isinstance(value, Mapping):
        return {key: _plain(inner, time=time) for key, inner in value.items()}
    if isinstance(value, str):
        return str(value)  # an enum's value
    return duration_text(value) if time and isinstance(value, int) else value


def _is_time(hint: Any) -> bool:
    """Whether a field's type says durations, at any depth."""
    if get_origin(hint) is Annotated and "duration" in get_args(hint)[1:]:
        return True
    return any(_is_time(inner) for inner in get_args(hint))


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()
