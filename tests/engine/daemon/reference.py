"""The Engine API's own shapes, out of its reference: what an answer must look like, and requests to try.

Swagger 2 says less of null than Docker does: lists and maps of Go's are null when nothing is in them.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]

# Go's pointers that the reference forgets to call nullable: dockerd answers null.
POINTERS = ("MemorySwappiness", "PidsLimit", "OomKillDisable", "Init")
FILE = Path(__file__).parents[2] / "reference" / "engine-api-v1.50.json"


@cache
def reference() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


@cache
def definitions() -> dict[str, Any]:
    return {name: lenient(schema) for name, schema in reference()["definitions"].items()}


def lenient(schema: Any) -> Any:
    """JSON Schema out of Swagger's: what may be null says so."""
    if isinstance(schema, list):
        return [lenient(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: lenient(value) for key, value in schema.items()}
    for name in POINTERS:
        if isinstance(made.get(name), dict):
            made[name] = {"anyOf": [made[name], {"type": "null"}]}
    kind = made.get("type")
    if isinstance(kind, str) and (made.get("x-nullable") or kind in {"array", "object"}):
        made["type"] = [kind, "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    # formats are Go's words (int64, dateTime): the type says what matters
    made.pop("format", None)
    if "$ref" in made:
        return {"anyOf": [{"$ref": made["$ref"]}, {"type": "null"}]}
    return made


def answer_schema(method: str, path: str, status: int = 200) -> dict[str, Any]:
    """`path` as the reference writes it: /containers/{id}/json."""
    answer = reference()["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" in answer:
        raise AssertionError(f"{method} {path} answers by reference")
    return {"definitions": definitions(), **lenient(answer.get("schema") or {})}


def faults(method: str, path: str, answer: Any, status: int = 200) -> list[str]:
    """Where an answer is not what the reference says."""
    checker = jsonschema.Draft7Validator(answer_schema(method, path, status))
    return [
        f"{'/'.join(map(str, fault.absolute_path))}: {fault.message}"[:300] for fault in checker.iter_errors(answer)
    ]
