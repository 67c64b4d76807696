"""agent.yaml as JSON Schema, for editors. `schemas/agent.json` is its output; a test holds that fresh.

`python -m engine.gitops.settings.schema` writes it.
"""

from __future__ import annotations

import json
from pathlib import Path

from engine.gitops.settings.shape import SETTINGS
from specs.jsonschema import Schema, shared

PATH = Path(__file__).resolve().parents[3] / "schemas" / "agent.json"


def schema() -> Schema:
    body, definitions = shared(SETTINGS.schema)
    title = "Rorqual: agent.yaml, the settings of the loop"
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": title, **body, "definitions": definitions}


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
