"""`rorqual version`."""

from __future__ import annotations

import json
from importlib.metadata import version as installed_version
from typing import Annotated

import typer


def version(
    format: Annotated[str, typer.Option("--format", "-f", help="pretty or json")] = "pretty",
    short: Annotated[bool, typer.Option("--short", help="Print the bare number")] = False,
) -> None:
    """Show the version of Rorqual. Example: rorqual version --short"""
    number = installed_version("rorqual")
    if short:
        print(number)
    elif format == "json":
        print(json.dumps({"version": f"v{number}"}))
    else:
        print(f"Rorqual version v{number}")
