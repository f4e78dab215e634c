"""Cassettes of vcrpy, as YAML or JSON: requests and responses in order, without times and WebSockets.

vcrpy keeps a body as text where it is UTF-8; some of its stubs keep it decoded under the Content-Encoding that it
had, and the one for aiohttp keeps the values that were to become a request's body, not the body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, FailFast, Field, ValidationError

from simulator.core.errors import FaultError, RecordingError
from simulator.core.events import Headers, Request, Response, header
from simulator.core.units import Time, since_epoch
from simulator.files.fields import kept
from simulator.files.importers.bodies import body_of, is_bodiless
from simulator.files.importers.formats import read_whole
from simulator.files.importers.gathering import Exchange, Imported, gathered
from simulator.files.losses import Losses
from simulator.files.problems import first_problem
from simulator.files.upstreams import ServiceNames, request_target
from simulator.files.yamlfile import parse_yaml

MAX_YAML: Final = 8 * 1024 * 1024
"""Bytes in the largest YAML that is read: it takes a second for each 1 or 2 MB."""

NO_TIMES: Final = "responses that come at once, for cassettes hold no times"
NO_DATE: Final = "cassettes that do not say when they were made, so that times in bodies stay as they are"
NO_BYTES: Final = "request bodies of which the cassette holds the values only; they are written as JSON"

Fields = dict[str, list[str] | str]


class CassetteRequest(BaseModel):
    """`body` is a text, bytes, or the values that became one."""

    method: Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
    uri: str
    body: Any = None
    headers: Fields = {}


class Status(BaseModel):
    code: Annotated[int, Field(ge=100, le=999)]
    message: str | None = None


class CassetteBody(BaseModel):
    string: bytes | str | None = None


class CassetteResponse(BaseModel):
    status: Status
    headers: Fields = {}
    body: CassetteBody = CassetteBody()


class Interaction(BaseModel):
    request: CassetteRequest
    response: CassetteResponse


class Cassette(BaseModel):
    interactions: Annotated[list[Interaction], FailFast()]
    version: int = 1


def read_yaml_cassette(path: Path, names: ServiceNames) -> Imported:
    """The events of a YAML cassette; services are named by `names`. Raises RecordingError."""
    try:
        data = parse_yaml(read_whole(path, MAX_YAML), str(path), yaml11=True)
    except FaultError as error:
        raise RecordingError(error.problem, place=error.place, hint=error.hint) from None
    return read_cassette(data, path, names)


def read_cassette(data: Mapping[str, object], path: Path, names: ServiceNames) -> Imported:
    """The events of a cassette; services are named by `names`. Raises RecordingError."""
    try:
        cassette = Cassette.model_validate(data)
    except ValidationError as error:
        raise first_problem(error, RecordingError).within(str(path)) from None
    losses = Losses()
    responses = [interaction.response for interaction in cassette.interactions]
    at = next((time for response in responses if (time := _date(_headers(response.headers))) is not None), 0)
    exchanges: list[Exchange] = []
    for index, interaction in enumerate(cassette.interactions):
        place = f"interactions[{index}]"
        try:
            request = _request(interaction.request, at, names, losses)
        except RecordingError as error:
            raise error.within(f"{path}: {place}", ".") from None
        exchanges.append(Exchange(place=place, events=(request, _response(interaction, at, losses))))
    losses.add(NO_TIMES, len(exchanges))
    losses.add(NO_DATE, not at)
    return gathered(exchanges, losses, path=path, title="Imported from a vcrpy cassette")


def _request(asked: CassetteRequest, at: Time, names: ServiceNames, losses: Losses) -> Request:
    origin, target = request_target(asked.uri, "request.uri")
    headers, body = _headers(asked.headers), asked.body
    if body is not None and not isinstance(body, str | bytes):
        losses.add(NO_BYTES)
        body = _as_json(body)
    payload, headers = body_of(body, headers, losses, unsure=True)
    return Request(
        flow="",
        at=at,
        service=names.of(origin),
        method=asked.method,
        target=target,
        headers=headers,
        body=payload,
    )


def _response(interaction: Interaction, at: Time, losses: Losses) -> Response:
    answer = interaction.response
    headers, body = _headers(answer.headers), b""
    if not is_bodiless(interaction.request.method, answer.status.code):
        body, headers = body_of(answer.body.string, headers, losses, unsure=True)
    status, reason = answer.status.code, answer.status.message or ""
    return Response(flow="", at=at, status=status, reason=reason, headers=headers, body=body)


def _as_json(body: object) -> str:
    try:
        return json.dumps(body)
    except (TypeError, ValueError):
        found = type(body).__name__
        raise RecordingError(f"expected a text or bytes, got a {found}", place="request.body") from None


def _headers(fields: Fields) -> Headers:
    lists = {name: [value] if isinstance(value, str) else value for name, value in fields.items()}
    return kept((name, value) for name, values in lists.items() for value in values)


def _date(headers: Headers) -> Time | None:
    """The time that a response says it was made at (RFC 9110 §6.6.1)."""
    try:
        moment = parsedate_to_datetime(header(headers, "date") or "")
    except (ValueError, OverflowError):
        return None
    return since_epoch(moment)
