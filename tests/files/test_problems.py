"""Findings of the validator, told to people."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from simulator.core.errors import FaultError, RecordingError, StagesimError
from simulator.files.problems import first_problem, place, problems


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: Annotated[int, Field(ge=1)]
    tags: str | list[str] = []
    extra: bool | int | Annotated[list[int], Field(min_length=1)] | dict[str, int] = 0

    @field_validator("size")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"expected an even size, got {value}")
        return value


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")
    parts: list[Part] = []


def told(data: Any) -> list[str]:
    with pytest.raises(ValidationError) as error:
        Whole.model_validate(data)
    return [str(problem) for problem in problems(error.value, FaultError)]


def test_every_finding_has_its_place_and_they_keep_their_order() -> None:
    assert told({"parts": [{"size": 0}, {}, {"size": 3}, {"size": 2, "sise": 1}, 7], "part": []}) == [
        "parts[0].size: input should be greater than or equal to 1, got 0",
        "parts[1].size: missing",
        "parts[2].size: expected an even size, got 3",
        "parts[3].sise: not known here",
        "parts[4]: input should be a valid dictionary or instance of Part, got 7",
        "part: not known here",
    ]


def test_a_value_that_is_none_of_several_kinds_is_one_finding() -> None:
    assert told({"parts": [{"size": 2, "tags": 7}]}) == [
        "parts[0].tags: input should be a valid string or list, got 7"
    ]
    assert told({"parts": [{"size": 2, "extra": "x"}]})[0].startswith(
        "parts[0].extra: input should be a valid boolean"
    )


def test_what_is_nearly_right_hides_what_is_not_meant() -> None:
    assert told({"parts": [{"size": 2, "extra": []}]}) == [
        "parts[0].extra: list should have at least 1 item after validation, not 0, got []"
    ]
    assert told({"parts": [{"size": 2, "extra": {"a": "b"}}]})[-1].startswith("parts[0].extra.a: ")


def test_long_input_is_cut() -> None:
    (line,) = told({"parts": "x" * 500})
    assert line == f"parts: input should be a valid list, got '{'x' * 58}…"


def test_the_first_finding_is_the_first() -> None:
    with pytest.raises(ValidationError) as error:
        Whole.model_validate({"parts": [{}], "x": 1})
    first = first_problem(error.value, RecordingError)
    assert isinstance(first, RecordingError)
    assert (first.place, first.problem) == ("parts[0].size", "missing")


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ((), ""),
        (("rules", 0, "select", "json"), "rules[0].select.json"),
        ((0, "a"), "[0].a"),
        (("json", "$.a[0].b", "Match", "exists"), "json.$.a[0].b.exists"),
        (("missing", "list[str]", 3), "missing[3]"),
        (("params", "a", "bool"), "params.a"),
    ],
)
def test_places_leave_out_what_nobody_wrote(steps: tuple[str | int, ...], text: str) -> None:
    assert place(steps) == text


def test_an_error_is_read_within_its_file() -> None:
    error = StagesimError("missing", place="fault", hint="write it")
    assert str(error.within("rules[0]", ".").within("a.yaml")) == "a.yaml: rules[0].fault: missing (write it)"
    assert str(StagesimError("missing").within("a.yaml")) == "a.yaml: missing"
    assert str(StagesimError("odd", place="[2]").within("rules[0]", ".")) == "rules[0][2]: odd"
    assert str(StagesimError("odd")) == "odd"
    assert isinstance(FaultError("x").within("y"), FaultError)
