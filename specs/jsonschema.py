"""The language as JSON Schema, for editors (yaml-language-server) and CI: made from the shapes that `load` checks with.

It describes a file as it is written, before variables are filled in, so any scalar may be text with a `$` in it.
`schemas/compose.json` is its output; a test holds that fresh. `python -m specs.jsonschema` writes it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from specs.shapes.image import IMAGES
from specs.shapes.project import PROJECT

Schema = dict[str, Any]

PATH = Path(__file__).resolve().parents[1] / "schemas" / "compose.json"
TITLE = "Rorqual: the Compose Specification, and images"
VARIABLE = {"type": "string", "pattern": "\\$"}
TEXTS = {"type": "array", "items": {"type": "string"}}
SENSITIVE = {"description": "Names of variables whose values nobody may see.", **TEXTS}
DRIFT = {
    "type": "object",
    "properties": {
        "ignore": {
            "description": "Paths that others may change, such as services.web.deploy.resources.",
            **TEXTS,
        }
    },
}
SHORTEST = 120  # a part that stands twice and is longer than this becomes a definition
ABOUT = {
    "version": "Ignored; Compose files have no version any more.",
    "name": "The project's name: lowercase letters, digits, - and _.",
    "include": "Other Compose files whose services, networks and volumes become part of this project.",
    "services": "The containers to run.",
    "networks": "Networks that services share.",
    "volumes": "Named volumes that services mount.",
    "secrets": "Sensitive files that services are given.",
    "configs": "Files that services are given.",
    "models": "Language models that services use.",
    "images": "Images as nodes of the graph: built, pulled, made from Debian packages, or loaded from an archive.",
}


def schema() -> Schema:
    """The whole schema, draft 7: what most editors read."""
    loose = written(PROJECT.schema)
    for name, text in ABOUT.items():
        loose["properties"][name] = {"description": text, **loose["properties"][name]}
    loose["properties"]["x-rorqual"] = {
        "description": "Options of Rorqual's in a file that must stay plain Compose.",
        "type": "object",
        "properties": {"images": written(IMAGES.schema), "drift": DRIFT, "sensitive": SENSITIVE},
    }
    body, definitions = shared(loose)
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": TITLE, **body, "definitions": definitions}


def written(part: Any) -> Any:
    """A part as it is before interpolation: choices overlap, and what is no string may come from a variable."""
    if isinstance(part, list):
        return [written(item) for item in part]
    if not isinstance(part, dict):
        return part
    if "oneOf" in part and "required" not in part["oneOf"][0]:
        part = {**{k: v for k, v in part.items() if k != "oneOf"}, "anyOf": part["oneOf"]}
    found = {key: written(value) for key, value in part.items()}
    if found.get("type") in ("boolean", "integer", "number"):
        return {"anyOf": [found, VARIABLE]}
    if "enum" in found or ("pattern" in found and found != VARIABLE):
        return {"anyOf": [found, VARIABLE]}
    return found


def shared(body: Schema) -> tuple[Schema, Schema]:
    """Parts that stand more than once, moved out under names: the schema is read by people too."""
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    count(body, "project", counts, names)
    chosen = {text: names[text] for text, times in counts.items() if times > 1 and len(text) > SHORTEST}
    numbered: dict[str, str] = {}
    for text, name in chosen.items():
        taken = sum(other == name or other.startswith(f"{name}_") for other in numbered.values())
        numbered[text] = f"{name}_{taken + 1}" if taken else name
    definitions = {name: replaced(json.loads(text), numbered, inside=True) for text, name in numbered.items()}
    return replaced(body, numbered, inside=True), dict(sorted(definitions.items()))


def count(part: Any, name: str, counts: Counter[str], names: dict[str, str]) -> None:
    if isinstance(part, list):
        for item in part:
            count(item, name, counts, names)
    elif isinstance(part, dict):
        if is_schema(part):
            text = json.dumps(part, sort_keys=True)
            counts[text] += 1
            names.setdefault(text, name)
            if counts[text] > 1:
                return
        for key, value in part.items():
            count(value, key if is_name(key) else name, counts, names)


def is_schema(part: Schema) -> bool:
    return isinstance(part.get("type"), str | list) or isinstance(part.get("anyOf"), list)


def is_name(key: str) -> bool:
    keywords = {"properties", "patternProperties", "items", "anyOf", "oneOf", "additionalProperties", "required"}
    return key.replace("_", "").replace("-", "").isalpha() and key not in keywords


def replaced(part: Any, names: dict[str, str], *, inside: bool = False) -> Any:
    if isinstance(part, list):
        return [replaced(item, names) for item in part]
    if not isinstance(part, dict):
        return part
    if not inside and is_schema(part) and (name := names.get(json.dumps(part, sort_keys=True))):
        return {"$ref": f"#/definitions/{name}"}
    return {key: replaced(value, names) for key, value in part.items()}


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(text(), encoding="utf-8")
