"""`rorqual schema`."""

from __future__ import annotations

from specs.jsonschema import text


def schema() -> None:
    """Print the JSON Schema of the language, for editors. Example: rorqual schema > compose.schema.json"""
    print(text(), end="")
