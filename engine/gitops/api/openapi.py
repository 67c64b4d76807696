"""The API described for programs: OpenAPI 3.1, made from the table of routes and the types of their answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter

from engine.gitops.api.routes import Route

REFERENCES = "#/components/schemas/{model}"


def document(routes: Iterable[Route]) -> dict[str, Any]:
    schemas: dict[str, Any] = {
        "Error": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
    }
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.pattern, {})[route.method.lower()] = operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rorqual agent", "version": version("rorqual")},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"summary": route.summary, "operationId": route.handler.__name__}
    names = re.findall(r"\{(\w+)\}", route.pattern)
    text = {"type": "string"}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in names
    ]
    parameters += [{"name": name, "in": "query", "description": said, "schema": text} for name, said in route.query]
    if parameters:
        found["parameters"] = parameters
    if route.body:
        properties = {name: {"type": "string", "description": text} for name, text in route.body}
        content = {"application/json": {"schema": {"type": "object", "properties": properties}}}
        found["requestBody"] = {"required": False, "content": content}
    found["responses"] = {
        "200" if route.method == "GET" else "2XX": {"description": "done", **answer(route, schemas)},
        "default": {"description": "refused", "content": json_of({"$ref": REFERENCES.format(model="Error")})},
    }
    if route.role is not None:
        found["security"] = [{"token": []}]
        found["x-role"] = route.role.value
    return found


def answer(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    if route.shape is None:
        return {"content": {"text/plain": {"schema": {"type": "string"}}}}
    schema = TypeAdapter(route.shape).json_schema(ref_template=REFERENCES)
    schemas |= schema.pop("$defs", {})
    events = {"text/event-stream": {"schema": {"type": "string"}}} if route.stream else {}
    return {"content": events | json_of(schema)}


def json_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
