"""How refusals are written in a component file, as pydantic models, and how they become the core's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from simulator.core.errors import FaultError
from simulator.core.events import Headers
from simulator.core.jsontext import Json, dump
from simulator.core.refusals import Answer, Hangup, Refusal
from simulator.core.rule import Selector
from simulator.core.units import MILLISECOND
from simulator.faults.answers import require_sendable
from simulator.faults.close import require_close
from simulator.files.models import Strict
from simulator.files.rulemodels import DurationText, JsonValue

State = Literal["missing", "malformed", "wrong_signature", "not_yet_valid", "expired"]
Status = Annotated[int, Field(ge=300, le=599)]


class Requested(Strict):
    """Which requests are meant, as in the `select` of a rule."""

    service: str | None = None
    path: str | None = None
    method: str | None = None


class Answered(Strict):
    """A response in place of what was asked for; 401 without a status, and without a body it says why."""

    status: Status = 401
    json_: Annotated[JsonValue, Field(alias="json")] = None
    body: str | None = None
    headers: dict[str, str] = {}


class Socket(Strict):
    """A `status` before the WebSocket opens, or a `code` by which it is closed as soon as it is open."""

    status: Status | None = None
    json_: Annotated[JsonValue, Field(alias="json")] = None
    body: str | None = None
    headers: dict[str, str] = {}
    code: int | None = None
    reason: str = ""
    frame: JsonValue = None
    delay: DurationText = 100 * MILLISECOND

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.status is None) == (self.code is None):
            raise ValueError("expected either a status, before it opens, or a code, by which it is closed")
        others = {"body", "json_"} if self.status is None else {"delay", "frame", "reason"}
        beside = sorted(self.model_fields_set & others)
        if beside:
            raise ValueError(f"{beside[0].rstrip('_')} goes with a {'status' if self.status is None else 'code'}")
        return self


class RefusalModel(Strict):
    """How tokens in one of these states are refused where they are shown, or should be; see `core.refusals`."""

    title: str = ""
    token: State | Annotated[list[State], Field(min_length=1)] | None = None
    select: Requested = Requested()
    http: Answered | None = None
    websocket: Socket | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.http is None and self.websocket is None:
            raise ValueError("says no refusal: expected http, websocket or both")
        return self


def refusals_of(models: Iterable[RefusalModel]) -> tuple[list[Refusal], list[FaultError]]:
    """The refusals that models describe, or what is wrong with them."""
    made, found = [], []
    for index, model in enumerate(models):
        try:
            made.append(_refusal(model))
        except FaultError as problem:
            found.append(problem.within(f"refusals[{index}]", "."))
    return made, found


def _refusal(model: RefusalModel) -> Refusal:
    states = [model.token] if isinstance(model.token, str) else model.token
    spoken_of = {} if states is None else {"states": frozenset(states)}
    return Refusal(
        **spoken_of,
        select=Selector(**model.select.model_dump()),
        http=None if model.http is None else _answer(model.http, model.http.status, "http"),
        websocket=None if model.websocket is None else _of_socket(model.websocket),
    )


def _of_socket(model: Socket) -> Answer | Hangup:
    if model.status is not None:
        return _answer(model, model.status, "websocket")
    code = model.code or 0
    try:
        require_close(code, model.reason)
        require_sendable(status=200, headers=model.headers)
    except FaultError as problem:
        raise problem.within("websocket", ".") from None
    headers = _fields(model.headers)
    return Hangup(code=code, reason=model.reason, frame=model.frame, headers=headers, delay=model.delay)


def _answer(model: Answered | Socket, status: int, place: str) -> Answer:
    try:
        require_sendable(status=status, headers=model.headers, json=model.json_, body=model.body or "")
        if status == 304:
            raise FaultError("says that nothing has changed, and refuses nothing", place="status")
    except FaultError as problem:
        raise problem.within(place, ".") from None
    kind, body = _content(model.json_, model.body)
    typed = any(name.lower() == "content-type" for name in model.headers)
    headers = ((("Content-Type", kind),) if body and not typed else ()) + _fields(model.headers)
    return Answer(status=status, headers=headers, body=body)


def _content(json: Json, body: str | None) -> tuple[str, bytes | None]:
    if json is not None:
        return "application/json", dump(json).encode()
    return "text/plain; charset=utf-8", None if body is None else body.encode()


def _fields(headers: Mapping[str, str]) -> Headers:
    return tuple(headers.items())
