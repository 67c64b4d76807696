"""The project's name: given, from the environment, from a file, or from the folder."""

from __future__ import annotations

import os
import re

from specs.node import Node
from specs.resolve.context import Context
from specs.resolve.interpolate import Variables
from specs.resolve.refusal import refusal
from specs.resolve.template import Invalid, Missing, substitute

ALLOWED = re.compile(r"[a-z0-9_-]")


def normalized(name: str) -> str:
    return "".join(ALLOWED.findall(name.lower())).lstrip("_-")


def project_name(
    context: Context, given: str | None, files: list[str], directory: str, variables: Variables, *, normalize: bool
) -> str:
    """`given` (from -p) › COMPOSE_PROJECT_NAME › `name:` of the last file that has one › the folder."""
    for name, source in ((given, "-p"), (variables.values.get("COMPOSE_PROJECT_NAME"), "COMPOSE_PROJECT_NAME")):
        if name:
            if normalized(name) != name:
                raise refusal(None, "bad-project-name", f"{name!r} (from {source}) can't be a project name", RULE)
            return name
    node = name_in_files(context, files)
    if node is not None:
        return from_file(node, context, variables, normalize=normalize) or fallback(context, directory, node)
    return fallback(context, directory, None)


RULE = "use lower-case letters, digits, - and _, and start with a letter or digit"


def fallback(context: Context, directory: str, node: Node | None) -> str:
    name = "" if node is not None else normalized(os.path.basename(directory))
    if not name:
        raise refusal(
            node, "bad-project-name", "the project has no name", "give one with -p, or with name: in the file"
        )
    return name


def name_in_files(context: Context, files: list[str]) -> Node | None:
    found = None
    for path in files:
        for document in context.documents(path):
            node = document.get("name")
            if node is not None and type(node.value) in (str, int, float, bool) and node.value != "":
                found = node
    return found


def from_file(node: Node, context: Context, variables: Variables, *, normalize: bool) -> str:
    text = node.value if type(node.value) is str else ""
    if context.interpolate:
        try:
            text = substitute(text, variables.lookup)
        except (Invalid, Missing) as error:
            raise refusal(node, "bad-variable", str(error)) from None
    return normalized(text) if normalize else text
