"""The project's name: given, from the environment, from a file, or from the folder."""

from __future__ import annotations

import os

from specs.naming import RULE, normalized, refused
from specs.node import Node
from specs.resolve.context import Context
from specs.resolve.interpolate import Variables, bad_variable, missing_variable
from specs.resolve.refusal import refusal
from specs.resolve.template import Invalid, Missing, substitute


def project_name(
    context: Context, given: str | None, files: list[str], directory: str, variables: Variables, *, normalize: bool
) -> str:
    """`given` (from -p) › COMPOSE_PROJECT_NAME › `name:` of the last file that has one › the folder.

    Where none will do, the report says so, and the project has no name.
    """
    for name, source in ((given, "-p"), (variables.values.get("COMPOSE_PROJECT_NAME"), "COMPOSE_PROJECT_NAME")):
        if name:
            if normalized(name) != name:
                context.report.error("bad-project-name", refused(name, source), hint=RULE)
            return normalized(name)
    node = name_in_files(context, files)
    if node is None:
        return fallback(context, directory, None)
    if type(node.value) is not str:
        # the schema says so
        return ""
    try:
        text = substitute(node.value, variables.lookup) if context.interpolate else node.value
    except Invalid as error:
        context.report.diagnostics += bad_variable(node, error).diagnostics
        return ""
    except Missing as error:
        context.report.diagnostics += missing_variable(node, error).diagnostics
        return ""
    return (normalized(text) if normalize else text) or fallback(context, directory, node)


def fallback(context: Context, directory: str, node: Node | None) -> str:
    name = "" if node is not None else normalized(os.path.basename(directory))
    if not name:
        hint = "give one with -p, or with name: in the file"
        context.report.diagnostics += refusal(node, "bad-project-name", "the project has no name", hint).diagnostics
    return name


def name_in_files(context: Context, files: list[str]) -> Node | None:
    found = None
    for document in context.readable(files):
        node = document.get("name")
        if node is not None and type(node.value) in (str, int, float, bool) and node.value != "":
            found = node
    return found
