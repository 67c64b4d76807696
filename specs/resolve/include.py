"""`include`: other projects' files as part of this one, each with its own folder and environment."""

from __future__ import annotations

import os

from specs import dotenv
from specs.node import Node, equal
from specs.openfile import read_text
from specs.remote import is_remote
from specs.resolve.context import Context, Layer
from specs.resolve.interpolate import Variables
from specs.resolve.refusal import Refusal, refusal
from specs.resolve.remote import fetch
from specs.source import Diagnostic, Related, Span

DEEPEST = 100  # every level reads again what the levels below it gave
SECTIONS = ("services", "volumes", "networks", "secrets", "configs", "models", "images")


def apply_include(context: Context, layer: Layer, path: str, tree: Node) -> None:
    """Import what the file includes into `tree`; faults go to the report, and the next entry is looked at."""
    if context.losses.cut("include"):
        context.losses.open.update(SECTIONS)
    clause = tree.value.pop("include", None)
    if clause is None or clause.value is None:
        return
    for entry in clause.value if type(clause.value) is list else [clause]:
        try:
            if entry is clause:
                raise refusal(clause, "wrong-type", "include must be a list", "write `include: [PATH]`")
            imported = included(context, layer, path, entry)
            if imported is not None:
                import_resources(imported, tree, entry)
        except Refusal as error:
            context.report.diagnostics += error.diagnostics
            context.losses.open.update(SECTIONS)


def included(context: Context, layer: Layer, path: str, entry: Node) -> Node | None:
    """One entry of `include`, loaded; None where it names no file."""
    if type(entry.value) not in (str, dict, type(None)):
        raise refusal(entry, "wrong-type", "an include is a path, or a mapping with one")
    paths = texts(entry if type(entry.value) is str else entry.get("path"), entry)
    if not paths:
        return None
    local = [fetch(context, each.value, each).file if is_remote(each.value) else each.value for each in paths]
    found = [layer.find(each) for each in local]
    trail = (*layer.included, path)
    if found[0] in trail:
        shown = " includes ".join(context.shown(each) for each in (*trail, found[0]))
        raise refusal(paths[0], "include-cycle", f"files include each other in a circle: {shown}")
    if len(trail) > DEEPEST:
        raise refusal(paths[0], "include-depth", f"files include each other more than {DEEPEST} deep")
    folder, directory = folders(layer, local[0], entry, remote=local[0] != paths[0].value)
    inner = Layer(
        directory=folder,
        base=directory,
        variables=variables_of(context, layer, directory, entry),
        included=trail,
        named=dict(zip(found, paths, strict=True)),
    )
    return context.load_layer(context, inner, found)


def folders(layer: Layer, main: str, entry: Node, *, remote: bool) -> tuple[str, str]:
    """The project directory of an include: as its paths are joined to it, and where it really is."""
    given = entry.get("project_directory")
    if given is not None and type(given.value) is int:
        given = given.at(str(given.value))
    if given is None or given.value is None or given.value == "":
        directory = os.path.dirname(layer.find(main))
        return (directory if remote else layer.folder_of(layer.find(main))), directory
    if type(given.value) is not str:
        raise refusal(given, "wrong-type", "project_directory must be a path")
    if os.path.isabs(given.value):
        return given.value, given.value
    return layer.folder_of(given.value), os.path.normpath(os.path.join(layer.base, given.value))


def texts(node: Node | None, entry: Node) -> list[Node]:
    if node is None or node.value is None:
        return []
    found = node.value if type(node.value) is list else [node]
    for item in found:
        if type(item.value) is not str:
            raise refusal(item, "wrong-type", "must be a path")
    return list(found)


def variables_of(context: Context, layer: Layer, directory: str, entry: Node) -> Variables:
    """The variables that an included file sees: the outer ones, then those of its own env files."""
    given = texts(entry.get("env_file"), entry)
    paths = [(layer.find(node.value), node) for node in given if node.value != "/dev/null"]
    default = os.path.join(directory, ".env")
    if not given and os.path.isfile(default):
        paths.append((default, entry))
    values: dict[str, str] = {}
    places: dict[str, str] = {}
    for path, node in paths:
        if node is not entry and not os.path.isfile(path):
            raise refusal(node, "env-file-missing", f"the env file {node.value} does not exist, or is no file")
        try:
            read_env_file(context, path, layer.variables.values, values, places)
        except OSError as error:
            raise refusal(node, "env-file-unreadable", f"can't read {context.shown(path)}: {error.strerror}") from None
        except dotenv.BadLine as error:
            raise bad_line(context.shown(path), error, node) from None
    return layer.variables.under(values, places)


def bad_line(shown: str, error: dotenv.BadLine, place: Node | None) -> Refusal:
    """At the line of the env file, with a word about where the Compose file names it."""
    related = (Related("named here", place.span),) if place is not None and place.span else ()
    hint = "write NAME=value, one a line; a comment starts with #"
    return refusal(Span(shown, error.line, 1, error.line, 1), "env-file-syntax", str(error), hint, related)


def read_env_file(
    context: Context, path: str, outer: dict[str, str], values: dict[str, str], places: dict[str, str]
) -> None:
    """The settings of one file into `values`, and where they stand into `places`. Raises OSError and BadLine.

    A variable in it is that of the outside, else the file's own, else that of an earlier file.
    """
    for name, setting in dotenv.parse(read_text(path), outer.get, values).items():
        values[name] = setting.value
        places[name] = f"{context.shown(path)}:{setting.line}"


def import_resources(source: Node, target: Node, entry: Node) -> None:
    """What the included project defines, into this one; the same name twice is a conflict unless both are equal."""
    faults: list[Diagnostic] = []
    for kind in SECTIONS:
        section = source.value.get(kind)
        if section is None or type(section.value) is not dict:
            continue
        own = target.value.get(kind)
        if own is None or type(own.value) is not dict:
            own = target.value[kind] = section.at({})
        for name, resource in section.value.items():
            there = own.value.get(name)
            if there is None:
                own.value[name] = resource
            elif not equal(there, resource):
                faults += conflict(kind, name, there, resource, entry).diagnostics
    if faults:
        raise Refusal(*faults)


def conflict(kind: str, name: str, there: Node, resource: Node, entry: Node) -> Refusal:
    related = [
        Related(message, span)
        for message, span in (("included from here", entry.span), ("the included one", resource.key_span))
        if span is not None
    ]
    message = f"{kind}.{name} is defined here and by an included file too"
    hint = "name it differently, or override the included one in a second -f file"
    return refusal(there.key_span, "include-conflict", message, hint, related)
