"""The OpenAPI description: others' tools accept it, and what is served is what it says."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from simulator.faults.registry import all_faults
from simulator.files.faultfiles import load_fault
from simulator.files.locate import fault_names
from simulator.files.written import written
from simulator.live.clock import ManualClock
from simulator.live.control.openapi import document
from simulator.live.control.routes import ROUTES, Route
from tests.live.control.controlled import controlled

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

DOCUMENT: dict[str, Any] = json.loads(document())


def test_it_is_valid() -> None:
    import openapi_spec_validator  # takes more than a second, which every worker would wait as it collects

    openapi_spec_validator.validate(DOCUMENT)


def test_it_is_served() -> None:
    async def talk() -> None:
        async with controlled() as it:
            assert await it.ask("GET", "/v1/openapi.json") == DOCUMENT

    asyncio.run(talk())


def test_the_table_is_all_there_is() -> None:
    described = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == {(route.method, route.path) for route in ROUTES}

    async def served() -> set[tuple[str, str]]:
        async with controlled() as it:
            routes = it.control.app.router.routes()
            return {(route.method, str(route.resource and route.resource.canonical)) for route in routes}

    assert {pair for pair in asyncio.run(served()) if pair[0] != "HEAD"} == described


def validator(name: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


ASKED: dict[str, tuple[str, object]] = {
    "arm": ("/v1/rules", {"fault": "stall"}),
    "disarm": ("/v1/rules/stall", None),
    "advance": ("/v1/clock/advance", {"by": "1s"}),
}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.act.__name__)
def test_an_answer_is_what_it_says(route: Route[Any, Any]) -> None:
    path, body = ASKED.get(route.act.__name__, (route.path, None))

    async def talk() -> None:
        async with controlled(clock=ManualClock()) as it:
            await it.ask("POST", "/v1/rules", {"fault": "stall" if "{" in route.path else "drop"}, 201)
            request = it.client.build_request(route.method, path, **({} if body is None else {"json": body}))
            response = await it.client.send(request, stream=True)
            described = DOCUMENT["paths"][route.path][route.method.lower()]
            content = described["responses"][str(response.status_code)]["content"]
            kind = response.headers["Content-Type"].partition(";")[0]
            assert list(content) == [kind]
            if kind == "application/json":
                answer = json.loads(await response.aread())
                schema = content[kind]["schema"]
                if "$ref" in schema:
                    validator(schema["$ref"].rpartition("/")[2]).validate(answer)
                    assert route.answer is not None
                    route.answer.model_validate(answer)
            await response.aclose()

    asyncio.run(talk())


def test_a_refusal_is_what_it_says() -> None:
    async def talk() -> None:
        async with controlled() as it:
            for body, status in (({"fault": "closs"}, 422), ([], 422)):
                validator("Problem").validate(await it.ask("POST", "/v1/rules", body, status))
            validator("Problem").validate(await it.ask("DELETE", "/v1/rules/x", status=404))

    asyncio.run(talk())


def test_every_fault_is_described_with_its_fields() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    described = {
        schema["properties"]["fault"].get("const"): schema for schema in schemas.values() if is_rule(schema)
    }
    assert set(described) - {None} == set(all_faults())
    assert {"code", "reason", "select", "when", "probability"} <= set(described["close"]["properties"])
    assert "description" in described["close"]


def is_rule(schema: dict[str, Any]) -> bool:
    return "probability" in schema.get("properties", {})


@pytest.mark.parametrize("name", fault_names())
def test_the_shipped_rules_are_as_it_says(name: str) -> None:
    arm = validator("Arm")
    for rule in load_fault(name).rules:
        arm.validate(written(rule))
    arm.validate({"fault": name, "set": {}})
