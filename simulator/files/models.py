"""The lines of a recording file, as pydantic models: one per kind of event.

These models are the format; `simulator.files.schema` turns them into JSON Schema. Times are seconds.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from simulator.core import jsontext
from simulator.core.matching.overrides import problem_with

Seconds = Annotated[float, Field(ge=0, le=1e9, description="seconds since the recording began")]
Size = Annotated[int, Field(ge=0)]
Side = Literal["client", "server"]
HeaderField = Annotated[list[str], Field(min_length=2, max_length=2)]
Style = Literal["compact", "compact-ascii", "spaced-unicode"]


class Strict(BaseModel):
    """A model that knows all its fields."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)


class Line(Strict):
    """What every event line says: when, on which flow; `id` and `cause` only where somebody wrote them."""

    at: Seconds
    flow: Annotated[str, Field(min_length=1, max_length=200)]
    id: Annotated[str | None, Field(description="a name for other lines to point at")] = None
    cause: Annotated[str | None, Field(description="the id of the event that this one answers")] = None


class Body(Strict):
    """A payload as JSON, text or base64: at most one of them; none is an empty body.

    `style` says how JSON was spaced and escaped on the wire; without it, as Python's json.dumps does.
    """

    json_: Annotated[Any, Field(alias="json")] = None
    style: Style | None = None
    text: str | None = None
    base64: str | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        given = [name for name in ("json_", "text", "base64") if name in self.model_fields_set]
        if len(given) > 1:
            raise ValueError("expected only one of json, text and base64")
        if self.style is not None and "json_" not in self.model_fields_set:
            raise ValueError("style goes with json")
        if self.base64 is not None:
            try:
                base64.b64decode(self.base64, validate=True)
            except binascii.Error as error:
                raise ValueError(f"base64: {error}") from None
        return self

    def payload(self) -> str | bytes:
        """The payload: str where it is text, bytes where it is base64."""
        if "json_" in self.model_fields_set:
            return jsontext.dump(self.json_, self.style or "spaced")
        return base64.b64decode(self.base64) if self.base64 is not None else (self.text or "")


class RequestLine(Line, Body):
    kind: Literal["request"]
    service: str
    method: str
    target: Annotated[str, Field(description="path and query")]
    headers: list[HeaderField] = []


class ResponseLine(Line, Body):
    kind: Literal["response"]
    status: Annotated[int, Field(ge=100, le=999)]
    reason: str = ""
    headers: list[HeaderField] = []
    streaming: Annotated[bool, Field(description="chunk lines and an end line follow")] = False


class ChunkLine(Line, Body):
    kind: Literal["chunk"]


class EndLine(Line):
    kind: Literal["end"]


class MessageLine(Line, Body):
    kind: Literal["message"]
    sender: Annotated[Side, Field(alias="from")]
    fragments: Annotated[list[tuple[Size, Seconds]], Field(description="payload bytes, seconds after first")] = []
    compressed: bool = False


class PingLine(Line, Body):
    kind: Literal["ping"]
    sender: Annotated[Side, Field(alias="from")]


class PongLine(Line, Body):
    kind: Literal["pong"]
    sender: Annotated[Side, Field(alias="from")]


class CloseLine(Line):
    kind: Literal["close"]
    sender: Annotated[Side, Field(alias="from")]
    code: Annotated[int | None, Field(ge=0, le=65535)] = None
    reason: str = ""


class ResetLine(Line):
    kind: Literal["reset"]
    sender: Annotated[Side, Field(alias="from")]
    rst: bool = True


class BytesLine(Line, Body):
    kind: Literal["bytes"]
    sender: Annotated[Side, Field(alias="from")]


class NoteLine(Strict):
    """A decision between the events of a journal; replay passes over it."""

    at: Seconds
    flow: str
    kind: Literal["note"]
    what: str
    detail: dict[str, Any] = {}


EventLine = Annotated[
    RequestLine
    | ResponseLine
    | ChunkLine
    | EndLine
    | MessageLine
    | PingLine
    | PongLine
    | CloseLine
    | ResetLine
    | BytesLine
    | NoteLine,
    Field(discriminator="kind"),
]


class CorrelationItem(Strict):
    name: str
    kind: Literal["echoed", "minted", "token", "paired"]
    source: Annotated[str, Field(alias="from")]
    targets: Annotated[list[str], Field(alias="to")]


class HeaderLine(Strict):
    """Line 1 of a recording."""

    stagesim: Annotated[int, Field(description="the version of the format")]
    title: str = ""
    created: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    services: dict[str, list[str]] = {}
    correlate: list[CorrelationItem] | None = None
    match: Annotated[
        dict[str, str | int],
        Field(description="places where values must be 'exact'; '… > order': 'recorded', or how many ahead"),
    ] = {}
    ignore: Annotated[list[str], Field(description="places that neither correlate nor are compared")] = []
    redacted: Annotated[dict[str, int], Field(description="how many secrets were replaced, by kind")] = {}
    standins: Annotated[list[str], Field(description="digests of what replaced the secrets")] = []
    seed: int | None = None

    @field_validator("match")
    @classmethod
    def _known_rules(cls, match: dict[str, str | int]) -> dict[str, str | int]:
        for place, rule in match.items():
            problem = problem_with(place, rule)
            if problem is not None:
                raise ValueError(f"{place!r}: {problem}")
        return match
