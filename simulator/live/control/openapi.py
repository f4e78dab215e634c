"""The OpenAPI description of the control API, made from the table that routes it and the models that it uses."""

from __future__ import annotations

import json
import re
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, create_model
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from simulator import __version__
from simulator.core.fault import Fault
from simulator.faults.registry import all_faults, description
from simulator.files.faultfiles import FaultFile
from simulator.files.rulemodels import RuleModel, fault_model
from simulator.live.control.models import Arm, ByName, Nothing, Problem
from simulator.live.control.routes import JSON_LINES, ROUTES, Route

REF: Final = "#/components/schemas/"
ALWAYS: Final = (400, 401, 403, 413, 415, 422)
"""Statuses with which every operation may say no."""

Schema = dict[str, Any]


@cache
def document() -> bytes:
    """The description as JSON."""
    return json.dumps(description_of(ROUTES), ensure_ascii=False).encode()


def description_of(routes: tuple[Route[Any, Any], ...]) -> Schema:
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "stagesim control",
            "version": __version__,
            "summary": "Break a running replay, and see what happens in it",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(routes),
        },
    }


def _operation(route: Route[Any, Any]) -> Schema:
    statuses = {str(route.status): _answer(route)}
    problem = {"application/json": {"schema": {"$ref": f"{REF}Problem"}}}
    for status in sorted({*ALWAYS, *route.failures}):
        statuses[str(status)] = {"description": HTTPStatus(status).phrase, "content": problem}
    found: Schema = {
        "operationId": route.act.__name__,
        "summary": (route.act.__doc__ or "").rstrip("."),
        "responses": statuses,
    }
    if route.parameters is not Nothing:
        found["parameters"] = _parameters(route)
    if route.body is not Nothing:
        schema = {"$ref": REF + route.body.__name__}
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _answer(route: Route[Any, Any]) -> Schema:
    if route.answer is not None:
        schema = {"$ref": REF + route.answer.__name__}
    else:
        schema = {"type": "string" if route.media == JSON_LINES else "object"}
    return {"description": HTTPStatus(route.status).phrase, "content": {route.media: {"schema": schema}}}


def _parameters(route: Route[Any, Any]) -> list[Schema]:
    schema = route.parameters.model_json_schema()
    in_path = re.findall(r"{(\w+)}", route.path)
    return [
        {
            "name": name,
            "in": "path" if name in in_path else "query",
            "required": name in in_path or name in schema.get("required", ()),
            "schema": field,
        }
        for name, field in schema["properties"].items()
    ]


def _schemas(routes: tuple[Route[Any, Any], ...]) -> Schema:
    rules = [rule_model(fault) for fault in all_faults().values()]
    bodies = [route.body for route in routes if route.body not in (Nothing, Arm)]
    asked: list[type[BaseModel]] = list(dict.fromkeys([*bodies, ByName, FaultFile, *rules]))
    given: list[type[BaseModel]] = [route.answer for route in routes if route.answer is not None]
    given.append(Problem)
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in asked]
    wanted += [(model, "serialization") for model in dict.fromkeys(given)]
    schemas: Schema = models_json_schema(wanted, by_alias=True, ref_template=REF + "{model}")[1]["$defs"]
    any_rule = [{"$ref": REF + model.__name__} for model in rules]
    schemas["FaultFile"]["properties"] |= {
        "rules": {"type": "array", "items": {"anyOf": any_rule}},
        "set": schemas["ByName"]["properties"]["set"],
    }
    choices = [{"$ref": f"{REF}ByName"}, {"$ref": f"{REF}FaultFile"}, *any_rule]
    return {**schemas, "Arm": {"description": Arm.__doc__, "anyOf": choices}}


def rule_model(fault: type[Fault]) -> type[BaseModel]:
    """What a rule with this fault may say: what all rules may, and the fault's own fields."""
    own: dict[str, Any] = {
        name: (field.annotation, field) for name, field in fault_model(fault).model_fields.items()
    }
    kind = Annotated[str, Field(json_schema_extra={"const": fault.name})]
    return create_model(
        f"{fault.__name__.removesuffix('Fault')}Rule",
        __base__=RuleModel,
        __doc__=description(fault),
        fault=(kind, ...),
        **own,
    )
