"""How rules are written in YAML, as pydantic models, and how they become the core's rules."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    create_model,
)

from simulator.core.errors import FaultError, StagesimError
from simulator.core.events import EVENT_CLASSES, Direction
from simulator.core.fault import Fault
from simulator.core.jsontext import parse_path
from simulator.core.rule import Condition, Rule, Selector, Trigger
from simulator.core.units import Time, duration
from simulator.faults.registry import all_faults
from simulator.files.models import Strict
from simulator.files.problems import problems


def _duration(value: object) -> Time:
    if not isinstance(value, str | int | float):
        raise ValueError(f"expected a duration such as '250ms' or '2m', got {value!r}")
    try:
        return duration(value)
    except StagesimError as error:
        raise ValueError(error.problem) from None


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


def _kind(value: str) -> str:
    kinds = [event.kind for event in EVENT_CLASSES]
    if value not in kinds:
        raise ValueError(f"expected one of {', '.join(kinds)}, got {value!r}")
    return value


def _json_path(value: str) -> str:
    parse_path(value)
    return value


def _json(value: object) -> object:
    """What YAML can say and JSON cannot, such as a date, is told here and not when it is to be sent."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    return value


def _window(value: tuple[Time, Time] | None) -> tuple[Time, Time] | None:
    if value is not None and value[0] >= value[1]:
        raise ValueError("expected a window that begins before it ends, such as [10s, 15s]")
    return value


_WRITTEN = {"type": ["string", "number"], "description": "a duration such as '250ms', '2s' or '2m', or seconds"}
JsonValue = Annotated[Any, AfterValidator(_json)]
DurationText = Annotated[Time, BeforeValidator(_duration), WithJsonSchema(_WRITTEN)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Count = Annotated[int, Field(ge=1)]
Scalar = bool | int | float | str | None


class Match(Strict):
    """A condition on a JSON value other than equality."""

    matches: Pattern | None = None
    exists: bool = True


class SelectModel(Strict):
    """Which events are meant; see `simulator.core.rule.Selector`."""

    direction: Direction | None = None
    event: Annotated[str, AfterValidator(_kind)] | None = None
    service: str | None = None
    path: str | None = None
    method: str | None = None
    conditions: Annotated[
        dict[
            Annotated[str, AfterValidator(_json_path)],
            Scalar | Annotated[list[Scalar], Field(min_length=1)] | Match,
        ],
        Field(alias="json"),
    ] = {}
    text: Pattern | None = None
    opcode: Literal["text", "binary"] | None = None
    status: Annotated[int, Field(ge=100, le=999)] | None = None
    code: Annotated[int, Field(ge=0, le=65535)] | None = None
    client: str | None = None

    def selector(self) -> Selector:
        conditions = tuple(_condition(path, wanted) for path, wanted in self.conditions.items())
        given = self.model_dump(exclude={"conditions"}, by_alias=False)
        return Selector(**given, json=conditions)


def _condition(path: str, wanted: Scalar | list[Scalar] | Match) -> Condition:
    if isinstance(wanted, Match):
        return Condition(path=parse_path(path), pattern=wanted.matches, exists=wanted.exists)
    values = tuple(wanted) if isinstance(wanted, list) else (wanted,)
    return Condition(path=parse_path(path), values=values)


class WhenModel(Strict):
    """When to fire; see `simulator.core.rule.Trigger`."""

    on: Literal["match", "connect"] = "match"
    nth: Count | None = None
    every: Count | None = None
    after_n: Annotated[int, Field(ge=0)] | None = None
    times: Count | None = None
    after: DurationText = 0
    lasts: Annotated[DurationText | None, Field(alias="for")] = None
    first_connections: Count | None = None
    window: Annotated[tuple[DurationText, DurationText] | None, AfterValidator(_window)] = None
    during: Annotated[tuple[DurationText, DurationText] | None, AfterValidator(_window)] = None
    ramp: DurationText = 0
    per: Literal["flow", "client", "run"] | None = None


class RuleModel(Strict):
    """What every rule may say, whatever its fault; the fault's own fields stand beside these."""

    fault: str
    name: str | None = None
    select: SelectModel = SelectModel()
    when: WhenModel = WhenModel()
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    swallow: bool = False


def rule_of(data: object, name: str) -> tuple[Rule | None, list[FaultError]]:
    """A rule as written, or everything that is wrong with it, each with its place in the rule."""
    if not isinstance(data, dict):
        return None, [FaultError("expected a rule such as 'fault: close'")]
    own = {field.alias or key for key, field in RuleModel.model_fields.items()}
    found: list[FaultError] = []
    model: RuleModel | None = None
    try:
        model = RuleModel.model_validate({key: value for key, value in data.items() if key in own})
    except ValidationError as error:
        found += problems(error, FaultError)
    fault: Fault | None = None
    if isinstance(data.get("fault"), str):
        fault, wrong = _fault_of(data["fault"], {key: value for key, value in data.items() if key not in own})
        found += wrong
    if model is None or fault is None or found:
        return None, found
    return Rule(
        name=model.name or name,
        fault=fault,
        select=model.select.selector(),
        when=Trigger(**model.when.model_dump(by_alias=False)),
        probability=model.probability,
        swallow=model.swallow,
    ), []


def _fault_of(name: str, values: Mapping[str, object]) -> tuple[Fault | None, list[FaultError]]:
    faults = all_faults()
    if name not in faults:
        return None, [
            FaultError(f"no fault is named {name!r}", place="fault", hint=f"there are {', '.join(faults)}")
        ]
    try:
        given = fault_model(faults[name]).model_validate(values)
    except ValidationError as error:
        return None, [_with_known(problem, faults[name]) for problem in problems(error, FaultError)]
    fields_given = {key.removesuffix("_"): getattr(given, key) for key in given.model_fields_set}
    try:
        return faults[name](**fields_given), []
    except FaultError as error:
        return None, [error]


def _with_known(problem: FaultError, fault: type[Fault]) -> FaultError:
    if problem.problem != "not known here":
        return problem
    known = ", ".join(field.name for field in fields(fault)) or "no fields of its own"
    return FaultError(
        "not known here", place=problem.place, hint=f"{fault.name} has {known}; rules have select, when…"
    )


@cache
def fault_model(fault: type[Fault]) -> type[BaseModel]:
    """The pydantic model of a fault's own fields; durations are read from text.

    Its attributes end in '_', so that a field may be called 'json' and not hide one of pydantic's.
    """
    hints = get_type_hints(fault, include_extras=True)
    made: dict[str, Any] = {}
    for field in fields(fault):
        default: Any = ... if field.default is MISSING else field.default
        if field.default_factory is not MISSING:
            default = field.default_factory()
        file_type = JsonValue if field.type == "Json" else _file_type(hints[field.name])
        made[f"{field.name}_"] = (file_type, Field(default, alias=field.name))
    return create_model(f"{fault.__name__}Fields", __base__=_Exact, **made)


class _Exact(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _file_type(hint: Any) -> Any:
    """A field's type as files write it."""
    if get_origin(hint) is Annotated and "duration" in get_args(hint)[1:]:
        return DurationText
    return hint
